// A damaged trace.db is refused or read, never a crash. The input is the damage: bytes to overwrite in a sound trace
// (four of offset, one of value), so that most of it still looks like one; an input of other lengths is a whole file.
#include "tests/trace/io/example_records.h"
#include "trace/io/reader.h"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using namespace halfscope;

std::string sound_trace() {
    const test::ScratchDirectory scratch;
    {
        trace::Writer writer(scratch.path);
        writer.session(test::example_session());
        for (const auto kind : {trace::Run::Kind::reference, trace::Run::Kind::recipe}) {
            const trace::RunId run = writer.begin_run(test::example_run(kind));
            const auto tensors = test::example_tensors(6);
            writer.tensors(run, tensors);
            for (std::int64_t t = 0; t < 3; ++t) {
                trace::Step step;
                step.step = t;
                step.loss = 2.0 / static_cast<double>(t + 1);
                std::vector<trace::TensorStep> traced;
                for (const trace::TensorInfo &tensor : tensors)
                    traced.push_back({t, tensor.id, test::example_statistics(static_cast<std::uint64_t>(tensor.id))});
                writer.step(run, step, traced, {}, {});
            }
            writer.end_run(run);
        }
    }
    std::ifstream file(scratch.path / "trace.db", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    static const test::ScratchDirectory scratch;
    static const std::string sound = sound_trace();
    std::string damaged = sound;
    constexpr std::size_t edit = 5;
    if (size % edit == 0) {
        for (std::size_t at = 0; at < size; at += edit) {
            std::size_t offset = 0;
            for (std::size_t b = 0; b + 1 < edit; ++b) offset = offset << 8U | bytes[at + b];
            damaged[offset % damaged.size()] = static_cast<char>(bytes[at + edit - 1]);
        }
    } else {
        damaged.assign(reinterpret_cast<const char *>(bytes), size);
    }
    std::ofstream(scratch.path / "trace.db", std::ios::binary) << damaged;
    try {
        const trace::Reader reader(scratch.path);
        (void)reader.session();
        for (const auto &stored : reader.runs())
            reader.for_each_tensor_step(stored.run.id, [](const trace::TensorStep &) {});
    } catch (const std::runtime_error &) {
    }
    return 0;
}
