// Kernels of other people's libraries on the device, called with tensors in host memory: foreign kernels, whose order
// is theirs. A library is loaded when it is on this machine, never linked; it is called as its headers of the build
// say.
#pragma once

#include "kernels/registry/kernel.h"

#include <string>

namespace halfscope::kernels::device {

/// "" where cuBLASLt can be used: its headers were there at the build, the library and a device are here. Else why not.
[[nodiscard]] std::string cublaslt_missing();
/// d = c + a b: fp16, bf16 or fp32 operands (tf32: rounded to it by the library), fp32 c and d. Shapes as Task::matmul.
/// Throws std::runtime_error naming the call that failed.
void cublaslt_gemm(number::FormatId operands, const KernelCall &call);

/// The same of cuDNN.
[[nodiscard]] std::string cudnn_missing();
/// The same product as a convolution: row i of a is sample i, an image of 3 x 3 pixels of k / 9 channels; column j of b
/// is filter j; the window takes the whole image. fp32 and tf32 operands with fp32 c and d, fp16 and bf16 with c and d
/// of their own format (sums in fp32). k is a multiple of 9 * 8.
void cudnn_convolution(number::FormatId operands, const KernelCall &call);
inline constexpr std::int64_t cudnn_convolution_length_multiple = 9 * 8;

} // namespace halfscope::kernels::device
