// Tensors in and out as .npy: emulated bits, judgements of them, and refusals of files that do not fit.
#include "tests/cli/program.h"

#include "emulation/data/npy.h"
#include "emulation/number/tensor_core.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

using namespace halfscope;
using namespace halfscope::cli;
using data::Array;
using data::ElementType;

namespace {

template <typename T> Array array(ElementType type, std::vector<std::int64_t> shape, const std::vector<T> &values) {
    Array result;
    result.type = type;
    result.shape = std::move(shape);
    result.bytes.resize(values.size() * sizeof(T));
    std::memcpy(result.bytes.data(), values.data(), result.bytes.size());
    return result;
}

template <typename T> std::vector<T> elements(const Array &array) {
    std::vector<T> values(array.bytes.size() / sizeof(T));
    std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
    return values;
}

/// fp16 bit patterns of numbers around 1, both signs.
std::vector<std::uint16_t> fp16_bits(std::size_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::vector<std::uint16_t> bits(count);
    for (auto &value : bits) value = static_cast<std::uint16_t>((engine() & 0x83FF) | (0x3400 + (engine() % 4 << 10)));
    return bits;
}

struct Files {
    std::filesystem::path folder;
    explicit Files(const std::string &name) : folder(scratch(name)) {}
    [[nodiscard]] std::string operator()(const std::string &name) const { return (folder / name).string(); }
    void write(const std::string &name, const Array &content) const { data::write_npy(folder / name, content); }
    [[nodiscard]] Array read(const std::string &name) const { return data::read_npy(folder / name); }
};

constexpr std::int64_t m = 9, k = 40, n = 7;

Files product_files(const std::string &name) {
    Files files(name);
    files.write("a.npy", array(ElementType::f16, {m, k}, fp16_bits(static_cast<std::size_t>(m * k), 1)));
    files.write("b.npy", array(ElementType::f16, {k, n}, fp16_bits(static_cast<std::size_t>(k * n), 2)));
    return files;
}

void check_refusal(const std::string &arguments, const std::string &named) {
    CAPTURE(arguments);
    const Finished finished = run(arguments);
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 2);
    CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
    CHECK(finished.err.find(named) != std::string::npos);
    CHECK(finished.out.empty());
}

} // namespace

TEST_CASE("an emulated product has the bits of the scalar reference, and is recognised") {
    const Files files = product_files("emulate-matmul");
    const std::string operands = " --a " + files("a.npy") + " --b " + files("b.npy") + " --format fp16";
    REQUIRE(run("emulate matmul" + operands + " --model hopper --out " + files("d.npy")).exit_code == 0);
    const Array d = files.read("d.npy");
    CHECK(d.type == ElementType::f32);
    CHECK(d.shape == std::vector<std::int64_t>{m, n});
    const auto a = fp16_bits(static_cast<std::size_t>(m * k), 1), b = fp16_bits(static_cast<std::size_t>(k * n), 2);
    const auto got = elements<std::uint32_t>(d);
    const auto &hopper = *std::find_if(number::tensor_cores.begin(), number::tensor_cores.end(),
                                       [](const auto &core) { return core.name == "hopper"; });
    std::int64_t equal = 0;
    for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
            std::uint64_t accumulator = 0;
            for (std::int64_t first = 0; first < k; first += 16) {
                std::vector<std::uint32_t> x, y;
                for (std::int64_t l = first; l < std::min(k, first + 16); ++l) {
                    x.push_back(a[static_cast<std::size_t>(i * k + l)]);
                    y.push_back(b[static_cast<std::size_t>(l * n + j)]);
                }
                accumulator = number::fused_dot_add(hopper, number::format_of(number::FormatId::fp16), x, y,
                                                    number::format_of(number::FormatId::fp32), accumulator);
            }
            equal += got[static_cast<std::size_t>(i * n + j)] == accumulator;
        }
    CHECK(equal == m * n);

    const Finished asked = run("validate --op matmul" + operands + " --model ampere --out " + files("d.npy"));
    CHECK(asked.exit_code == 0);
    CHECK(asked.out.find("These are hopper's bits") != std::string::npos);
    CHECK(asked.out.find("\x1b[") == std::string::npos); // no colour off a terminal
    const auto json = nlohmann::json::parse(
        run("validate --op matmul" + operands + " --model hopper --json - --out " + files("d.npy")).out);
    CHECK(json.at("verdict") == "bit-equal");
    CHECK(json.at("identified") == "hopper");
    CHECK(json.at("elements") == m * n);
}

TEST_CASE("a real bug and an extra rounding exit with 1") {
    const Files files = product_files("validate-bug");
    const std::string operands = " --a " + files("a.npy") + " --b " + files("b.npy") + " --format fp16";
    REQUIRE(run("emulate matmul" + operands + " --model hopper --out " + files("d.npy")).exit_code == 0);
    const std::string judge = "validate --op matmul" + operands + " --model hopper --out ";
    Array d = files.read("d.npy");
    auto values = elements<float>(d);
    values[10] += 1;
    files.write("bug.npy", array(ElementType::f32, {m, n}, values));
    const Finished bug = run(judge + files("bug.npy"));
    CHECK(bug.exit_code == 1);
    CHECK(bug.out.find("real bug") != std::string::npos);
    CHECK(bug.out.find("[1, 3]") != std::string::npos);
    values = elements<float>(d);
    for (float &value : values) value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & 0xFFFF0000u);
    files.write("bf16.npy", array(ElementType::f32, {m, n}, values));
    const Finished rounding = run(judge + files("bf16.npy"));
    CHECK(rounding.exit_code == 1);
    CHECK(rounding.out.find("cut to bf16") != std::string::npos);
    files.write("nan.npy",
                array(ElementType::u16, {m, n}, std::vector<std::uint16_t>(static_cast<std::size_t>(m * n), 0x7FC0)));
    const Finished nan = run(judge + files("nan.npy"));
    CHECK(nan.exit_code == 1);
    CHECK(nan.out.find("are NaN where") != std::string::npos);
}

TEST_CASE("bf16 comes and goes as bit patterns, or as float32 that is exact") {
    const Files files("emulate-bf16");
    files.write("x.npy", array<float>(ElementType::f32, {2, 3}, {1.0F, 1.00390625F, 3.0e38F, -0.1F, 1e-40F, 2.0F}));
    REQUIRE(run("emulate round --in " + files("x.npy") + " --format bf16 --out " + files("r.npy")).exit_code == 0);
    const Array rounded = files.read("r.npy");
    CHECK(rounded.type == ElementType::u16);
    // 1 + 2^-8 is a tie and goes to even; 3e38 is 0x7F61B1E6 in fp32, -0.1 0xBDCCCCCD, 1e-40 0x000116C2.
    CHECK(elements<std::uint16_t>(rounded) ==
          std::vector<std::uint16_t>{0x3F80, 0x3F80, 0x7F62, 0xBDCD, 0x0001, 0x4000});
    REQUIRE(run("emulate round --in " + files("x.npy") +
                " --format bf16 --rounding toward-zero --subnormals flush --out " + files("z.npy"))
                .exit_code == 0);
    CHECK(elements<std::uint16_t>(files.read("z.npy")) ==
          std::vector<std::uint16_t>{0x3F80, 0x3F80, 0x7F61, 0xBDCC, 0x0000, 0x4000});
    CHECK(run("validate --op round --in " + files("x.npy") + " --format bf16 --out " + files("r.npy")).exit_code == 0);
    CHECK(run("validate --op round --in " + files("x.npy") + " --format bf16 --out " + files("z.npy")).exit_code == 1);
    // The same product from bits and from exact float32.
    files.write("one.npy", array<float>(ElementType::f32, {3, 1}, {1.0F, 0.5F, -2.0F}));
    files.write("bits.npy", array<std::uint16_t>(ElementType::u16, {3, 1}, {0x3F80, 0x3F00, 0xC000}));
    for (const char *right : {"one.npy", "bits.npy"})
        REQUIRE(run("emulate matmul --a " + files("r.npy") + " --b " + files(right) +
                    " --format bf16 --model hopper --out " + files(std::string("p-") + right))
                    .exit_code == 0);
    CHECK(files.read("p-one.npy").bytes == files.read("p-bits.npy").bytes);
    check_refusal("emulate matmul --a " + files("x.npy") + " --b " + files("one.npy") + " --format bf16 --out " +
                      files("p.npy"),
                  "1.00390625 at [0, 1]");
}

TEST_CASE("sums, softmax and layer norm along an axis, and dots") {
    const Files files("emulate-rows");
    std::vector<float> x(3 * 40);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.001F * static_cast<float>((i * 7919) % 1000);
    files.write("x.npy", array(ElementType::f32, {3, 40}, x));
    const std::string in = " --in " + files("x.npy") + " --format fp32 --out " + files("y.npy");
    REQUIRE(run("emulate sum --axis 0 --model sequential" + in).exit_code == 0);
    CHECK(files.read("y.npy").shape == std::vector<std::int64_t>{40});
    CHECK(elements<float>(files.read("y.npy"))[3] == (x[3] + x[43]) + x[83]);
    CHECK(run("validate --op sum --axis 0" + in).exit_code == 0);
    REQUIRE(run("emulate softmax --axis 0" + in).exit_code == 0);
    const auto y = elements<float>(files.read("y.npy"));
    CHECK(y.size() == x.size());
    CHECK(std::abs(y[3] + y[43] + y[83] - 1) < 1e-6F);
    CHECK(run("validate --op softmax --axis 0" + in).exit_code == 0);
    CHECK(run("validate --op softmax --axis 1" + in).exit_code == 1);
    REQUIRE(run("emulate layernorm --axis 1 --eps 1e-3" + in).exit_code == 0);
    CHECK(run("validate --op layernorm --axis 1 --eps 1e-3" + in).exit_code == 0);
    const Finished epsilon = run("validate --op layernorm --axis 1" + in);
    CHECK(epsilon.exit_code == 1);
    CHECK(epsilon.out.find("epsilon 0.001") != std::string::npos);
    REQUIRE(
        run("emulate dot --a " + files("x.npy") + " --b " + files("x.npy") + " --format fp32 --out " + files("d.npy"))
            .exit_code == 0);
    CHECK(files.read("d.npy").shape == std::vector<std::int64_t>{3});
    CHECK(run("validate --op dot --a " + files("x.npy") + " --b " + files("x.npy") + " --format fp32 --out " +
              files("d.npy"))
              .exit_code == 0);
}

TEST_CASE("files that do not fit are refused in one sentence") {
    const Files files = product_files("emulate-refusals");
    const std::string a = " --a " + files("a.npy"), b = " --b " + files("b.npy"), out = " --out " + files("d.npy");
    const std::string matmul = "emulate matmul --format fp16";
    check_refusal(matmul + a + " --b " + files("a.npy") + out, "inner sizes 40 and 9 differ");
    check_refusal(matmul + a + " --b /nowhere.npy" + out, "/nowhere.npy");
    check_refusal(matmul + a + b, "--out is required");
    check_refusal(matmul + b + out, "--a is required");
    check_refusal("emulate matmul" + a + b + out, "--format is required");
    check_refusal("emulate matmul --format fp61" + a + b + out, "fp61");
    check_refusal(matmul + " --model hoper" + a + b + out, "hoper");
    check_refusal("emulate matmul --format bf16 --model volta" + a + b + out, "");
    files.write("ints.npy", array<std::int32_t>(ElementType::i32, {1}, {3}));
    check_refusal(matmul + a + " --b " + files("ints.npy") + out, "int32");
    std::ofstream(files("cut.npy"), std::ios::binary) << std::ifstream(files("a.npy"), std::ios::binary).rdbuf();
    std::filesystem::resize_file(files("cut.npy"), std::filesystem::file_size(files("cut.npy")) - 10);
    check_refusal(matmul + " --a " + files("cut.npy") + b + out, "cut.npy");
    check_refusal("emulate softmax --axis 5 --format fp16 --in " + files("a.npy") + out, "--axis 5");
    check_refusal("emulate sum --model treee --format fp16 --in " + files("a.npy") + out, "treee");
    check_refusal("emulate round --rounding nearest --format bf16 --in " + files("a.npy") + out, "nearest-even");
    check_refusal("validate --op matmul --format fp16" + a + b + " --out " + files("a.npy"),
                  "these inputs give [9, 7]");
    check_refusal("validate --op matmul --format fp16" + a + b + " --out " + files("ints.npy"), "int32");
    check_refusal("validate --op matmull --format fp16" + a + b + out, "matmul");
    check_refusal("emulate", "subcommand");
}
