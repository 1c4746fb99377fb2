#include "kernels/cuda_kernels/cuda_kernels.h"

#include "kernels/conversion.h"
#include "kernels/twin/elementwise.h"

#include <string>
#include <utility>

namespace halfscope::kernels {
namespace {

Kernel conversion(std::string name, std::string order) {
    Kernel kernel;
    kernel.name = std::move(name);
    kernel.task = Task::convert;
    kernel.order = std::move(order);
    kernel.place = Place::cuda;
    kernel.unavailable = no_cuda_device;
    kernel.nan = NanRule::any_nan; // the device makes 0x7fff of every NaN
    kernel.emulate = [](const KernelCall &call) { emulate_elementwise(Task::convert, {}, call); };
    return kernel;
}

Kernel rounding_kernel(number::FormatId format) {
    Kernel kernel =
        conversion("cuda-fp32-to-" + std::string(number::format_of(format).name), "to nearest even, one rounding");
    kernel.result = format;
    kernel.run = [format](const KernelCall &call) {
        const auto count = static_cast<std::size_t>(call.output.shape.elements());
        round_on_device({call.inputs[0].as<const float>(), count}, format, {call.output.as<std::uint16_t>(), count});
    };
    return kernel;
}

Kernel widening_kernel(number::FormatId format) {
    Kernel kernel = conversion("cuda-" + std::string(number::format_of(format).name) + "-to-fp32", "exact");
    kernel.operands = format;
    kernel.run = [format](const KernelCall &call) {
        const auto count = static_cast<std::size_t>(call.output.shape.elements());
        widen_on_device({call.inputs[0].as<const std::uint16_t>(), count}, format, {call.output.as<float>(), count});
    };
    return kernel;
}

} // namespace

std::vector<Kernel> cuda_conversions() {
    return {rounding_kernel(number::FormatId::fp16), rounding_kernel(number::FormatId::bf16),
            widening_kernel(number::FormatId::fp16), widening_kernel(number::FormatId::bf16)};
}

} // namespace halfscope::kernels
