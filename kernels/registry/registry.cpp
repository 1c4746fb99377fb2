#include "kernels/registry/registry.h"

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cuda_kernels/cuda_kernels.h"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace halfscope::kernels {
namespace {

std::vector<Kernel> own_kernels() {
    std::vector<Kernel> all;
    for (const auto &some : {f16c_kernels(), fp32_arithmetic_kernels(), avx512_bf16_kernels(), cuda_kernels()})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

std::vector<Kernel> &registry() {
    static std::vector<Kernel> kernels = own_kernels();
    return kernels;
}

} // namespace

void register_kernel(Kernel kernel) {
    auto &all = registry();
    if (kernel.name.empty()) throw std::invalid_argument("a kernel needs a name");
    if (!kernel.run) throw std::invalid_argument("kernel '" + kernel.name + "' has no function that runs it");
    if (kernel.defines_bits && !kernel.emulate)
        throw std::invalid_argument("kernel '" + kernel.name +
                                    "' states its bits, but has no emulator twin that gives them");
    if (!kernel.defines_bits && is_elementwise(kernel.task))
        throw std::invalid_argument("kernel '" + kernel.name + "' is elementwise: its bits have to be stated");
    if (std::any_of(all.begin(), all.end(), [&](const Kernel &other) { return other.name == kernel.name; }))
        throw std::invalid_argument("a kernel called '" + kernel.name + "' is registered already");
    all.push_back(std::move(kernel));
}

const std::vector<Kernel> &registered_kernels() { return registry(); }

std::string_view name_of(Task task) {
    constexpr std::array<std::string_view, 13> names{
        "convert", "add", "subtract", "multiply", "divide",     "square-root", "fused-multiply-add",
        "sum",     "dot", "matmul",   "softmax",  "layer-norm", "operation"};
    return names[static_cast<std::size_t>(task)];
}

std::string_view name_of(Place place) {
    constexpr std::array<std::string_view, 3> names{"cpu", "cuda", "plug-in"};
    return names[static_cast<std::size_t>(place)];
}

ops::DType storage_of(number::FormatId format) {
    switch (format) {
    case number::FormatId::fp64: return ops::DType::fp64;
    case number::FormatId::fp32:
    case number::FormatId::tf32: return ops::DType::fp32;
    case number::FormatId::bf16: return ops::DType::bf16;
    case number::FormatId::fp16: return ops::DType::fp16;
    default: break;
    }
    throw std::invalid_argument("kernels under test have no storage for " +
                                std::string(number::format_of(format).name));
}

} // namespace halfscope::kernels
