#include "kernels/cuda_kernels/cuda_kernels.h"

#include "kernels/on_device.h"
#include "kernels/twin/elementwise.h"

#include <string>

namespace halfscope::kernels {
namespace {

using number::FormatId;

std::string order_of(Task task, FormatId format) {
    const bool by_fp32 = format != FormatId::fp32 && (task == Task::divide || task == Task::square_root);
    return by_fp32 ? "in fp32, rounded to the format: to nearest even, as if rounded once"
                   : "to nearest even, one rounding";
}

Kernel arithmetic(Task task, FormatId format) {
    Kernel kernel;
    kernel.name = "cuda-" + std::string(name_of(task)) + "-" + std::string(number::format_of(format).name);
    kernel.task = task;
    kernel.operands = kernel.result = format;
    kernel.order = order_of(task, format) + ", subnormals kept";
    kernel.place = Place::cuda;
    kernel.unavailable = no_cuda_device;
    kernel.run = [task](const KernelCall &call) { device::elementwise(task, call); };
    kernel.emulate = [task](const KernelCall &call) { emulate_elementwise(task, {}, call); };
    return kernel;
}

} // namespace

std::vector<Kernel> cuda_arithmetic() {
    std::vector<Kernel> all;
    for (const FormatId format : {FormatId::fp16, FormatId::bf16, FormatId::fp32})
        for (const Task task :
             {Task::add, Task::subtract, Task::multiply, Task::divide, Task::square_root, Task::fused_multiply_add})
            all.push_back(arithmetic(task, format));
    return all;
}

} // namespace halfscope::kernels
