#include "kernels/cuda_kernels/cuda_kernels.h"

#include "kernels/on_device.h"
#include "kernels/twin/operations.h"

#include <string>

namespace halfscope::kernels {
namespace {

using number::FormatId;

Kernel rows(Task task, FormatId format) {
    Kernel kernel;
    kernel.name = "cuda-" + std::string(name_of(task)) + "-" + std::string(number::format_of(format).name);
    kernel.task = task;
    kernel.operands = kernel.result = format;
    kernel.accumulator = FormatId::fp32;
    kernel.place = Place::cuda;
    kernel.model = "tree";
    kernel.unavailable = no_cuda_device;
    switch (task) {
    case Task::softmax:
        kernel.order = "m = max, e = exp(x - m), e / tree(e): 32 lanes over chunks of 4096, joined in halves";
        kernel.run = device::softmax_rows;
        kernel.emulate = emulate_softmax_rows;
        break;
    case Task::layer_norm:
        kernel.order = "mean = tree / n, variance = tree((x - mean)^2) / n, fma((x - mean) * rstd, gamma, beta)";
        kernel.run = device::layer_norm_rows;
        kernel.emulate = emulate_layer_norm_rows;
        break;
    default:
        kernel.order = "tree: 32 lanes over chunks of 4096, joined in halves, then over the chunks";
        kernel.run = device::sum_rows;
        kernel.emulate = emulate_sum_rows;
        break;
    }
    return kernel;
}

} // namespace

std::vector<Kernel> cuda_rows() {
    std::vector<Kernel> all;
    for (const Task task : {Task::sum, Task::softmax, Task::layer_norm})
        for (const FormatId format : {FormatId::fp16, FormatId::bf16, FormatId::fp32})
            all.push_back(rows(task, format));
    return all;
}

} // namespace halfscope::kernels
