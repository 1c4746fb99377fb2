#include "kernels/cuda_kernels/cuda_kernels.h"

#include "kernels/device_libraries.h"
#include "kernels/on_device.h"

#include <string>

namespace halfscope::kernels {
namespace {

using number::FormatId;

/// A product of a library: its bits are judged by the exact result and the bound of any order, and by the orders that
/// the judge knows.
Kernel foreign(const std::string &name, FormatId operands) {
    Kernel kernel;
    kernel.name = name + "-" + std::string(number::format_of(operands).name);
    kernel.task = Task::matmul;
    kernel.operands = operands;
    kernel.accumulator = kernel.result = FormatId::fp32;
    kernel.order = "the library's own";
    kernel.model = operands == FormatId::fp32 ? "fma-chain" : device::matrix_unit();
    kernel.defines_bits = false;
    kernel.place = Place::cuda;
    return kernel;
}

} // namespace

std::vector<Kernel> cuda_libraries() {
    std::vector<Kernel> all;
    for (const FormatId operands : {FormatId::fp16, FormatId::bf16, FormatId::tf32, FormatId::fp32}) {
        Kernel kernel = foreign("cublaslt-gemm", operands);
        kernel.length_multiple = 16; // what its algorithms for the matrix unit are aligned to
        kernel.unavailable = device::cublaslt_missing;
        kernel.run = [operands](const KernelCall &call) { device::cublaslt_gemm(operands, call); };
        all.push_back(std::move(kernel));
    }
    for (const FormatId operands : {FormatId::fp16, FormatId::bf16, FormatId::tf32, FormatId::fp32}) {
        Kernel kernel = foreign("cudnn-convolution", operands);
        kernel.order = "the library's own, over (channel, kernel y, kernel x) of a window of 3 x 3";
        if (operands == FormatId::fp16 || operands == FormatId::bf16) kernel.start = kernel.result = operands;
        kernel.length_multiple = device::cudnn_convolution_length_multiple;
        kernel.unavailable = device::cudnn_missing;
        kernel.run = [operands](const KernelCall &call) { device::cudnn_convolution(operands, call); };
        all.push_back(std::move(kernel));
    }
    return all;
}

} // namespace halfscope::kernels
