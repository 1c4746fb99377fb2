// What kernels under test are fed: the values where arithmetic goes wrong, and random ones. Everything is a pure
// function of the kernel's task and formats, the size and the seed.
#pragma once

#include "kernels/judge/judgement.h"
#include "kernels/registry/kernel.h"

namespace halfscope::kernels {

struct InputOptions {
    /// Elements of an elementwise task; the length L of sum, dot, softmax and layer_norm; m = n = k of a matmul; the
    /// results of a case of an operation, about. 0 takes the task's default: 2^20 elements, length 256, 64 x 64 x 64, a
    /// thousand results.
    std::int64_t size = 0;
    std::uint64_t seed = 0;
};

/// The inputs of one run, in the order beside Task.
///
/// convert from 16 bits: all 65536 patterns, whatever the size. convert from fp32 to 16 bits: around every value of the
/// target and every midpoint between two of them, the neighbours in fp32; every fp32 exponent; NaN payloads; then
/// random patterns up to the size. Other elementwise tasks: all combinations of special values, every pair of
/// exponents, operands that cancel but for the last places, results about the smallest and the largest normal, random
/// patterns.
/// Rows: ordinary values, all exponents, subnormals, cancelling pairs, ties, one giant among small ones, values
/// about the largest finite one, signed zeros, and rows with infinities and NaN; see rows.h. For kernels whose order is
/// free, exponents are kept where no order overflows.
[[nodiscard]] std::vector<ops::HostTensor> make_inputs(const Kernel &kernel, const InputOptions &options);

/// A matrix with its rows as columns.
[[nodiscard]] ops::HostTensor transposed(const ops::TensorView &matrix);

/// The elements of the result that come of operands about 1 alone; all of an elementwise task.
[[nodiscard]] judge::ElementChoice ordinary_elements(Task task, const ops::Shape &result);

/// The shape of the result for these inputs.
[[nodiscard]] ops::Shape result_shape(Task task, std::span<const ops::HostTensor> inputs);

} // namespace halfscope::kernels
