// Every registered CUDA kernel, run by the host executor, has the bits of its emulator twin. A kernel gets this check
// by being registered.
#include "kernels/cuda_kernels/cuda_kernels.h"
#include "kernels/inputs/inputs.h"
#include "kernels/judge/compare.h"
#include "kernels/validation/guarded_run.h"
#include "kernels/validation/validate.h"
#include "tests/kernels/simt/executor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

using namespace halfscope;
using namespace halfscope::kernels;

namespace {

/// The upper left part of a matrix.
ops::HostTensor cropped(const ops::HostTensor &whole, std::int64_t rows, std::int64_t columns) {
    ops::HostTensor part(whole.dtype, ops::Shape{rows, columns});
    const std::size_t size = ops::size_of(whole.dtype), length = static_cast<std::size_t>(columns) * size;
    for (std::int64_t row = 0; row < rows; ++row)
        std::memcpy(part.bytes.data() + static_cast<std::size_t>(row) * length,
                    whole.bytes.data() + static_cast<std::size_t>(row * whole.shape[1]) * size, length);
    return part;
}

struct Product {
    std::int64_t m, n, k;
};

/// Operands whose sizes are no multiples of a tile, a warp or 16 bytes, wherever the kernel's task leaves them free:
/// one set a size that is worth trying.
std::vector<std::vector<ops::HostTensor>> awkward_inputs(const Kernel &kernel, const std::vector<Product> &products) {
    InputOptions options;
    const auto made = [&](std::int64_t size) {
        options.size = size;
        return make_inputs(kernel, options);
    };
    if (is_elementwise(kernel.task)) return {made(1000)};
    std::vector<std::vector<ops::HostTensor>> all;
    if (kernel.task == Task::matmul) {
        for (const Product &size : products) {
            std::vector<ops::HostTensor> whole = made(std::max({size.m, size.n, size.k}));
            all.push_back({cropped(whole[0], size.m, size.k), cropped(whole[1], size.k, size.n),
                           cropped(whole[2], size.m, size.n)});
        }
        return all;
    }
    struct Size {
        std::int64_t rows, length;
    };
    for (const Size &size : {Size{31, 77}, Size{17, 1}, Size{5, 4130}}) { // 4130: two chunks
        std::vector<ops::HostTensor> inputs = made(size.length);
        for (ops::HostTensor &input : inputs)
            if (input.shape.rank() == 2) input = cropped(input, size.rows, size.length);
        all.push_back(std::move(inputs));
    }
    return all;
}

/// The kernel, its threads in another order in each run: runs that differ then are a race.
Kernel in_all_orders(Kernel kernel) {
    kernel.run = [run = kernel.run](const KernelCall &call) {
        static unsigned runs = 0;
        simt::device().order = static_cast<simt::Order>(runs++ % 3);
        run(call);
    };
    return kernel;
}

void hold_to_twin(const Kernel &registered, ops::ThreadPool &threads,
                  const std::vector<Product> &products = {{70, 131, 48}, {129, 8, 16}}) {
    if (registered.task == Task::operation) {
        CAPTURE(registered.name);
        static unsigned kernels = 0;
        simt::device().order = static_cast<simt::Order>(kernels++ % 3);
        const judge::Judgement judgement = validate(registered, {}, threads).judgement;
        CAPTURE(judgement.explanation);
        CHECK(judgement.verdict == judge::Verdict::bit_equal);
        CHECK(judgement.elements > 0);
        return;
    }
    const Kernel kernel = in_all_orders(registered);
    for (std::vector<ops::HostTensor> &inputs : awkward_inputs(kernel, products)) {
        CAPTURE(kernel.name);
        CAPTURE(inputs[0].shape.text());
        const ops::Shape shape = result_shape(kernel.task, inputs);
        GuardedRun run = run_guarded(kernel, inputs, shape);
        for (const std::string &fault : run.faults) FAIL_CHECK(fault);
        std::vector<ops::TensorView> views;
        for (ops::HostTensor &input : inputs) views.push_back(input.view());
        ops::HostTensor emulated(run.output.dtype, shape);
        kernel.emulate({views, emulated.view()});
        judge::Results results;
        results.tested = run.output.view();
        results.emulated = emulated.view();
        results.model = "the twin";
        results.format = kernel.result;
        const judge::Judgement judgement = judge::compare(results, threads);
        CAPTURE(judgement.explanation);
        CHECK(judgement.verdict == judge::Verdict::bit_equal);
        if (kernel.nan == NanRule::same_bits) CHECK(judgement.nan_payload_differences == 0);
    }
}

} // namespace

TEST_CASE("every CUDA kernel has the bits of its twin, whatever the order of its threads") {
    ops::ThreadPool threads(1);
    simt::device() = {};
    for (const Kernel &kernel : cuda_kernels()) {
        if (!kernel.defines_bits) continue; // a library's
        REQUIRE(kernel.unavailable() == "");
        hold_to_twin(kernel, threads);
    }
}

TEST_CASE("matrix products have the bits of another generation's unit too") {
    ops::ThreadPool threads(1);
    simt::device() = {8, 0}; // shorter blocks and fewer fractional bits than the default's
    int without = 0;
    for (const Kernel &kernel : cuda_products()) {
        if (kernel.model == "fma-chain" || !kernel.name.ends_with("-reference")) continue;
        const std::string missing = kernel.unavailable();
        if (missing.empty())
            hold_to_twin(kernel, threads);
        else {
            CHECK(missing.find("wgmma is an instruction of compute capability 9.0") != std::string::npos);
            ++without;
        }
    }
    CHECK(without == 3);
    int operations = 0;
    for (const Kernel &kernel : cuda_operations())
        if (kernel.name.ends_with("-matrix-unit")) {
            hold_to_twin(kernel, threads);
            ++operations;
        }
    CHECK(operations == 3);
    simt::device() = {};
}

TEST_CASE("a product of many k goes round all stages of shared memory") {
    ops::ThreadPool threads(1);
    simt::device() = {};
    for (const Kernel &kernel : cuda_products())
        if (kernel.name == "cuda-wgmma-gemm-bf16") hold_to_twin(kernel, threads, {{130, 16, 464}});
}
