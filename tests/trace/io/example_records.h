// Records with every field set to a value that a careless writer or reader would lose.
#pragma once

#include "trace/io/writer.h"

#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

namespace halfscope::test {

inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinite = std::numeric_limits<double>::infinity();

/// Equal as a reader of the trace needs it: same bits, but any NaN is as good as another.
inline bool same(double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

/// A directory that removes itself.
class ScratchDirectory {
  public:
    ScratchDirectory() {
        // In memory where there is such a place: these tests are not about the disk.
        const std::filesystem::path memory = "/dev/shm";
        const bool has_memory = access(memory.c_str(), W_OK) == 0;
        std::string name =
            ((has_memory ? memory : std::filesystem::temp_directory_path()) / "halfscope-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch directory");
        path = name;
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::permissions(path, std::filesystem::perms::owner_all, ignored);
        std::filesystem::remove_all(path, ignored);
    }
    ScratchDirectory(const ScratchDirectory &) = delete;
    ScratchDirectory &operator=(const ScratchDirectory &) = delete;

    std::filesystem::path path;
};

inline trace::Session example_session() {
    trace::Session session;
    session.halfscope_version = "0.1.0";
    session.model = "models/naïve 'quoted'.onnx";
    session.model_name = "main_graph";
    session.data = "fashion-mnist";
    session.command = "halfscope profile x --recipes \"a,b\"";
    session.parameters = 272'474;
    session.environment = {{"cpu", "AMD EPYC"}, {"simd", "AVX2"}};
    session.settings = {{"lr", "0.1"}, {"eps", "1e-08"}, {"", "empty key"}};
    session.notes = {"first note", "", "third; DROP TABLE runs; --"};
    return session;
}

inline trace::Run example_run(trace::Run::Kind kind = trace::Run::Kind::recipe) {
    trace::Run run;
    run.kind = kind;
    run.recipe = "fp16-pure";
    run.compute_format = "fp16";
    run.weight_format = "bf16";
    run.master_weights = false;
    run.optimizer = "adamw";
    run.state_format = "fp32";
    run.loss_scale_rule = "static:1024";
    run.seed = 0xfedc'ba98'7654'3210ULL; // above 2^63
    run.planned_steps = 100;
    run.description = "everything in fp16";
    if (kind == trace::Run::Kind::recipe) run.cost = {1, 2, 3, 4, 5, std::int64_t{1} << 62, 7};
    return run;
}

inline std::vector<trace::TensorInfo> example_tensors(std::int64_t count) {
    std::vector<trace::TensorInfo> tensors;
    for (std::int64_t i = 0; i < count; ++i) {
        trace::TensorInfo t;
        t.id = i * 3 + 1;
        t.name = "tensor:" + std::to_string(i);
        t.layer = "encoder.layers." + std::to_string(i / 4);
        t.role = i % 2 ? "gradient" : "activation";
        t.operation = "matmul";
        t.policy = "linear";
        t.format = "fp16";
        for (std::int64_t d = 0; d < i % 4; ++d) t.shape.push_back(d * 100 + 1);
        t.order = count - i;
        t.backward = i % 2 == 1;
        t.scaled = i % 3 == 1;
        tensors.push_back(std::move(t));
    }
    return tensors;
}

/// A layer-like spread over some 30 binades.
inline number::RangeStatistics example_statistics(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    number::RangeStatistics s;
    s.count = random() >> 2; // up to 2^62
    s.zeros = random() % 1000;
    s.subnormals = random() % 1000;
    s.underflows = random() % 1000;
    s.overflows = random() % 1000;
    s.infinities = random() % 3;
    s.nans = random() % 3;
    s.amax = std::ldexp(1.75F, static_cast<int>(random() % 100));
    s.amin = std::numeric_limits<float>::denorm_min();
    s.sum = seed % 2 ? -0.0 : -1.0 / 3.0;
    s.sum_abs = infinite;
    s.sum_squares = 0.1;
    s.sum_squared_error = not_a_number;
    s.sum_magnitude_error = -0x1p-30;
    for (std::size_t b = 90; b < 120; ++b) s.exponents[b] = random() % (b % 3 ? 60 : 70'000);
    if (seed % 5 == 0) s.exponents.fill(0);
    if (seed % 7 == 0) {
        s.exponents[0] = 1;
        s.exponents[254] = (std::uint64_t{1} << 62) + 1;
    }
    return s;
}

inline bool same(const number::RangeStatistics &a, const number::RangeStatistics &b) {
    return a.count == b.count && a.zeros == b.zeros && a.subnormals == b.subnormals && a.underflows == b.underflows &&
           a.overflows == b.overflows && a.infinities == b.infinities && a.nans == b.nans &&
           same(double{a.amax}, double{b.amax}) && same(double{a.amin}, double{b.amin}) && same(a.sum, b.sum) &&
           same(a.sum_abs, b.sum_abs) && same(a.sum_squares, b.sum_squares) &&
           same(a.sum_squared_error, b.sum_squared_error) && same(a.sum_magnitude_error, b.sum_magnitude_error) &&
           a.exponents == b.exponents;
}

} // namespace halfscope::test
