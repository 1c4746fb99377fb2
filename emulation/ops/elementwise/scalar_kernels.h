// The definitions as plain loops over float or double: the reference path, and what the SIMD kernels must equal.
#pragma once

#include "emulation/ops/elementwise/constants.h"
#include "emulation/ops/elementwise/kernel_table.h"
#include "emulation/ops/transcendental.h"
#include "emulation/ops/transcendental/scalar_steps.h"

namespace halfscope::ops::elementwise::scalar {

using namespace halfscope::ops::steps;
using transcendental::cos;
using transcendental::erf;
using transcendental::exp;
using transcendental::log;
using transcendental::sin;
using transcendental::tanh;

template <class R> R constant(double value) { return static_cast<R>(value); }

#define HALFSCOPE_INLINE inline
#include "emulation/ops/elementwise/definition.inl"
#undef HALFSCOPE_INLINE

template <typename C> struct Kernels {
    using Kernel = ArrayKernel<C>;

    template <class F> struct Unary {
        static void run(const C *const *operands, C *out, std::size_t count, C alpha, C beta) {
            for (std::size_t i = 0; i < count; ++i) out[i] = F{}(operands[0][i], alpha, beta);
        }
    };
    template <class F> struct Binary {
        static void run(const C *const *operands, C *out, std::size_t count, C alpha, C beta) {
            for (std::size_t i = 0; i < count; ++i) out[i] = F{}(operands[0][i], operands[1][i], alpha, beta);
        }
    };
    template <class F> struct Ternary {
        static void run(const C *const *operands, C *out, std::size_t count, C alpha, C beta) {
            for (std::size_t i = 0; i < count; ++i)
                out[i] = F{}(operands[0][i], operands[1][i], operands[2][i], alpha, beta);
        }
    };

#define HALFSCOPE_KERNEL_MEMBER static
#include "emulation/ops/elementwise/kernel_choice.inl"
#undef HALFSCOPE_KERNEL_MEMBER
};

} // namespace halfscope::ops::elementwise::scalar
