// The CUDA backend, its kernels run by the host executor, beside the CPU emulator: results and statistics, bit for bit.
#include "kernels/cuda_backend.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/inputs/operation_cases.h"
#include "kernels/judge/compare.h"
#include "tests/kernels/simt/executor.h"

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <optional>
#include <set>

using namespace halfscope;
using namespace halfscope::kernels;

namespace {

struct Outcome {
    std::vector<ops::HostTensor> results;
    std::vector<number::RangeStatistics> statistics;
};

/// Runs a case on a backend's own memory.
Outcome outcome_of(ops::Backend &backend, const OperationCase &one, bool measured) {
    std::vector<ops::TensorView> inputs, outputs;
    const auto place = [&](ops::DType dtype, const ops::Shape &shape) {
        ops::TensorView view{nullptr, dtype, shape};
        view.data = backend.allocate(view.bytes());
        return view;
    };
    for (const ops::HostTensor &input : one.inputs) {
        inputs.push_back(place(input.dtype, input.shape));
        backend.upload(inputs.back().data, input.bytes.data(), input.bytes.size());
    }
    for (const auto &[dtype, shape] : one.outputs) outputs.push_back(place(dtype, shape));
    Outcome outcome;
    outcome.statistics.resize(outputs.size());
    std::vector<number::RangeStatistics *> wanted;
    for (auto &statistics : outcome.statistics) wanted.push_back(&statistics);
    backend.run(one.operation, inputs, outputs, measured ? wanted : std::vector<number::RangeStatistics *>{}, one.key);
    for (const ops::TensorView &output : outputs) {
        ops::HostTensor &result = outcome.results.emplace_back(output.dtype, output.shape);
        backend.download(result.bytes.data(), output.data, output.bytes());
    }
    for (const ops::TensorView &view : inputs) backend.release(view.data);
    for (const ops::TensorView &view : outputs) backend.release(view.data);
    return outcome;
}

bool same(ops::HostTensor &a, ops::HostTensor &b) {
    if (ops::is_floating(a.dtype)) return judge::equal_bits(a.view(), b.view()); // any NaN is as good as another
    return a.bytes == b.bytes;
}

} // namespace

// All operations with kernels are judged as registered kernels (cuda_kernels.test.cpp); here: where each one runs.
TEST_CASE("the CUDA backend counts what runs on the device and what on the host, with the emulator's bits in both") {
    const auto cpu = ops::make_cpu_backend(1);
    const auto cuda = make_cuda_backend(1);
    unsigned runs = 0;
    std::size_t index = 0;
    for (const OperationCase &one : operation_cases()) {
        if (one.on_device && index++ % 7 != 0) continue;
        CAPTURE(one.name);
        simt::device() = {9, 0, static_cast<simt::Order>(runs % 3)};
        device_heap.keep(runs % 16 >= 8); // for a while, memory comes with what others left in it
        const bool measured = ++runs % 4 != 0;
        CAPTURE(runs);
        const auto on_host = [&] {
            std::int64_t count = 0;
            for (const auto &[name, times] : cuda->places().on_host) count += times;
            return count;
        };
        const std::int64_t before = on_host();
        Outcome expected = outcome_of(*cpu, one, measured), found = outcome_of(*cuda, one, measured);
        CHECK((on_host() == before) == one.on_device);
        for (std::size_t i = 0; i < expected.results.size(); ++i) {
            CAPTURE(i);
            CHECK(same(expected.results[i], found.results[i]));
            CHECK(expected.statistics[i] == found.statistics[i]);
        }
    }
    device_heap.keep(false);
    simt::device() = {};
}

TEST_CASE("every operation but fill and some elementwise ones has a kernel on the device") {
    const auto cuda = make_cuda_backend(1);
    std::set<ops::OpKind> seen;
    std::size_t index = 0;
    for (const OperationCase &one : operation_cases()) {
        // Elementwise ones differ in nothing that decides the place.
        if (!one.on_device || one.operation.kind < ops::OpKind::reduce_sum) continue;
        if (seen.insert(one.operation.kind).second || index++ % 4 == 0) (void)outcome_of(*cuda, one, false);
    }
    std::string left_to_host, without_cases;
    for (const auto &[operation, times] : cuda->places().on_host) left_to_host += operation + " ";
    CHECK(left_to_host == "");
    for (auto kind = ops::OpKind::reduce_sum; kind <= ops::OpKind::adam_step;
         kind = static_cast<ops::OpKind>(int(kind) + 1))
        if (!seen.contains(kind) && kind != ops::OpKind::fill) without_cases += std::string(ops::name_of(kind)) + " ";
    CHECK(without_cases == "");
}

TEST_CASE("an update in place is that of memory of its own") {
    const auto cuda = make_cuda_backend(1);
    for (const OperationCase &one : operation_cases()) {
        if (one.name != "adam_step") continue;
        Outcome expected = outcome_of(*cuda, one, false);
        std::vector<ops::TensorView> inputs, outputs;
        for (const ops::HostTensor &input : one.inputs) {
            inputs.push_back({cuda->allocate(input.bytes.size()), input.dtype, input.shape});
            cuda->upload(inputs.back().data, input.bytes.data(), input.bytes.size());
        }
        for (std::size_t i = 0; i < inputs.size(); ++i)
            if (i != 1) outputs.push_back(inputs[i]);
        cuda->run(one.operation, inputs, outputs, {}, one.key);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            ops::HostTensor result(outputs[i].dtype, outputs[i].shape);
            cuda->download(result.bytes.data(), outputs[i].data, outputs[i].bytes());
            CHECK(same(expected.results[i], result));
        }
        for (const ops::TensorView &view : inputs) cuda->release(view.data);
    }
}

TEST_CASE("the most device memory at one time is counted, the kernels' own buffers with it, until it is forgotten") {
    const auto cuda = make_cuda_backend(1);
    cuda->forget_peak();
    const std::size_t before = cuda->peak_bytes();
    void *a = cuda->allocate(1000), *b = cuda->allocate(500);
    CHECK(cuda->peak_bytes() == before + 1500);
    cuda->release(a);
    cuda->forget_peak();
    CHECK(cuda->peak_bytes() == before + 500);
    cuda->release(b);
    cuda->forget_peak();
    CHECK(cuda->peak_bytes() == before);
    // A sum of 5000 values in bf16: two chunks' results and the sum in fp32, besides the operands.
    OperationCase one;
    one.operation.kind = ops::OpKind::reduce_sum;
    one.operation.attributes = ops::Reduction{};
    one.inputs.emplace_back(ops::DType::bf16, ops::Shape{5000});
    one.outputs.emplace_back(ops::DType::bf16, ops::Shape{});
    (void)outcome_of(*cuda, one, false);
    CHECK(cuda->peak_bytes() == before + 5000 * 2 + 2 + 2 * 4 + 4);
    cuda->forget_peak();
    CHECK(cuda->peak_bytes() == before);
}
