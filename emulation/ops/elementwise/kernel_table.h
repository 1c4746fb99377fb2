// Array kernels of the elementwise operations: contiguous operands in C, already broadcast, one block at a time.
#pragma once

#include "emulation/ops/operation.h"

#include <cstddef>
#include <cstdint>

namespace halfscope::ops::elementwise {

/// operands[k][i] for i in [0, count) to out[i]; out may be an operand. alpha and beta are Scalars, in C.
template <typename C>
using ArrayKernel = void (*)(const C *const *operands, C *out, std::size_t count, C alpha, C beta);

/// The kernel of an operation with a floating result, or null when `kind` is none; `alpha` chooses the form of
/// power_scalar and of modulo.
template <typename C> [[nodiscard]] ArrayKernel<C> array_kernel(OpKind kind, double alpha);
template <> ArrayKernel<float> array_kernel<float>(OpKind kind, double alpha);
template <> ArrayKernel<double> array_kernel<double>(OpKind kind, double alpha);

/// The float kernels of the best SIMD level at hand: array_kernel<float> uses them, and they give the same bits as the
/// plain loops of scalar_kernels.h. Null for modulo, which has only a plain loop.
[[nodiscard]] ArrayKernel<float> simd_kernel(OpKind kind, double alpha);

/// How many operands an elementwise operation takes; 0 when `kind` is not elementwise (and for fill).
[[nodiscard]] int operand_count(OpKind kind);

} // namespace halfscope::ops::elementwise
