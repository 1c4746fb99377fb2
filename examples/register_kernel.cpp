// A C++ kernel registered with HalfScope and judged by it.
//
//   find_package(halfscope REQUIRED)
//   target_link_libraries(register_kernel PRIVATE halfscope::kernels)
#include "kernels/registry/registry.h"
#include "kernels/validation/validate.h"

#include <bit>
#include <cstdint>
#include <cstdio>

using namespace halfscope;

namespace {

float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

/// Two accumulators, even and odd k: what is under test.
void my_dot(const kernels::KernelCall &call) {
    const auto *a = call.inputs[0].as<const std::uint16_t>(), *b = call.inputs[1].as<const std::uint16_t>();
    const auto *c = call.inputs[2].as<const float>();
    const std::int64_t rows = call.inputs[0].shape[0], length = call.inputs[0].shape[1];
    for (std::int64_t row = 0; row < rows; ++row) {
        float sums[2] = {};
        for (std::int64_t k = 0; k < length; ++k)
            sums[k % 2] += from_bf16(a[row * length + k]) * from_bf16(b[row * length + k]);
        call.output.as<float>()[row] = sums[0] + sums[1] + c[row];
    }
}

} // namespace

int main() {
    kernels::Kernel kernel;
    kernel.name = "my-dot";
    kernel.task = kernels::Task::dot;
    kernel.operands = number::FormatId::bf16;
    kernel.accumulator = number::FormatId::fp32;
    kernel.order = "two accumulators, even and odd k, then c";
    kernel.model = "fma-chain";  // what it is held against first
    kernel.defines_bits = false; // the judge looks for the order that explains the bits
    kernel.run = my_dot;
    kernels::register_kernel(kernel);

    ops::ThreadPool threads(0);
    const kernels::Validation found = kernels::validate(kernels::registered_kernels().back(), {}, threads);
    std::printf("%s: %s\n", found.kernel.c_str(), found.judgement.explanation.c_str());
    return kernels::judge::is_pass(found.judgement.verdict) ? 0 : 1;
}
