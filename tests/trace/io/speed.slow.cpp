// What tracing costs a training step: the writer must not be what a profile waits for.
#include "tests/trace/io/example_records.h"

#include "trace/io/reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <iostream>

using namespace halfscope;
using namespace halfscope::test;

TEST_CASE("a step of 300 tensors is written in about a millisecond") {
    const ScratchDirectory scratch;
    trace::Writer writer(scratch.path);
    const trace::RunId run = writer.begin_run(example_run());
    const auto tensors = example_tensors(300);
    writer.tensors(run, tensors);
    std::vector<trace::TensorStep> records;
    for (const auto &t : tensors) records.push_back({0, t.id, example_statistics(static_cast<std::uint64_t>(t.id))});
    std::vector<double> milliseconds;
    for (std::int64_t step = 0; step < 200; ++step) {
        for (auto &record : records) record.step = step;
        trace::Step s;
        s.step = step;
        const auto start = std::chrono::steady_clock::now();
        writer.step(run, s, records, {}, {});
        milliseconds.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    double sum = 0;
    for (const double ms : milliseconds) sum += ms;
    std::sort(milliseconds.begin(), milliseconds.end());
    const auto start = std::chrono::steady_clock::now();
    std::size_t visited = 0;
    trace::Reader(scratch.path).for_each_tensor_step(run, [&](const trace::TensorStep &) { ++visited; });
    const double reading = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    std::cout << "write ms/step of 300 tensors: median " << milliseconds[100] << ", mean "
              << sum / static_cast<double>(milliseconds.size()) << ", longest " << milliseconds.back() << "; read "
              << visited << " records in " << reading << " ms, "
              << static_cast<double>(std::filesystem::file_size(scratch.path / "trace.db")) /
                     static_cast<double>(visited)
              << " bytes a record\n";
    CHECK(visited == 200 * 300);
    CHECK(milliseconds[100] < 10); // an order above what is measured: a lost prepared statement or an fsync a step
}
