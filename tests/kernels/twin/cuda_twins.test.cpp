// Without a device: every CUDA kernel's emulator twin, in the kernel's place, is fed, run and judged as the kernel will
// be. What the twin computes is held against the exact result.
#include "emulation/ops/backend.h"
#include "kernels/cuda_kernels/cuda_kernels.h"
#include "kernels/validation/validate.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::kernels;

TEST_CASE("the twins of the CUDA kernels fit their inputs and stay within the bound") {
    ops::ThreadPool threads(2);
    for (Kernel kernel : cuda_kernels()) {
        CAPTURE(kernel.name);
        CHECK(kernel.place == Place::cuda);
        CHECK_FALSE(kernel.order.empty());
        if (!kernel.defines_bits) continue; // a library's: it has no twin
        kernel.unavailable = [] { return std::string{}; };
        if (kernel.task == Task::operation) { // small, and judged by bits alone
            kernel.machine = [] { return ops::make_cpu_backend(1); };
            CHECK(validate(kernel, {}, threads).judgement.verdict == judge::Verdict::bit_equal);
            continue;
        }
        kernel.run = kernel.emulate;
        ValidationOptions options;
        options.inputs.size = is_elementwise(kernel.task) ? 1000 : 48;
        const judge::Judgement judgement = validate(kernel, options, threads).judgement;
        CAPTURE(judgement.explanation);
        CHECK(judgement.verdict == judge::Verdict::bit_equal);
        REQUIRE(judgement.errors);
        CHECK(judgement.errors->elements > 0);
        CHECK(judgement.errors->beyond_bound == 0);
    }
}

TEST_CASE("a wrong kernel in a CUDA kernel's place is found") {
    ops::ThreadPool threads(2);
    for (Kernel kernel : cuda_kernels()) {
        if (is_elementwise(kernel.task) || kernel.task == Task::operation || !kernel.defines_bits) continue;
        CAPTURE(kernel.name);
        kernel.unavailable = [] { return std::string{}; };
        const auto twin = kernel.emulate;
        kernel.run = [twin](const KernelCall &call) { // one result's last place
            twin(call);
            static_cast<std::uint8_t *>(call.output.data)[0] ^= 1;
        };
        ValidationOptions options;
        options.inputs.size = 48;
        CHECK(validate(kernel, options, threads).judgement.verdict == judge::Verdict::real_bug);
    }
}
