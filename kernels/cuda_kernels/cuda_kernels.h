// The device's kernels as kernels under test. Listed also where they can not run, with the reason.
#pragma once

#include "kernels/registry/kernel.h"

#include <string>
#include <vector>

namespace halfscope::kernels {

/// All of them, in the order of the parts below.
[[nodiscard]] std::vector<Kernel> cuda_kernels();

/// Conversions between fp32 and the 16-bit formats (kernels/conversion.h).
[[nodiscard]] std::vector<Kernel> cuda_conversions();
/// add, subtract, multiply, divide, square root and fma of fp16, bf16 and fp32.
[[nodiscard]] std::vector<Kernel> cuda_arithmetic();
/// Sums, softmax and layer norm of rows in the fixed tree, of fp16, bf16 and fp32.
[[nodiscard]] std::vector<Kernel> cuda_rows();
/// Matrix products by fma and by the matrix unit.
[[nodiscard]] std::vector<Kernel> cuda_products();

/// Operations of the CUDA backend (kernels/cuda_backend.h): convolutions, optimizers, statistics, ...
[[nodiscard]] std::vector<Kernel> cuda_operations();

/// Products and convolutions of cuBLASLt and cuDNN (kernels/device_libraries.h): foreign kernels, of an order of their
/// own.
[[nodiscard]] std::vector<Kernel> cuda_libraries();

/// "" where a device can be used, else why not.
[[nodiscard]] std::string no_cuda_device();

} // namespace halfscope::kernels
