#include "emulation/number/simd_targets.h"

#include "emulation/ops/formulas/formulas.h"
#include "emulation/ops/transcendental/scalar_steps.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/formulas/formulas.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/formulas/partial_registers-inl.h"

// Name and constants of every formula, for the array forms below: (function, functor, parameters, arguments, operands).
// NOLINTBEGIN(bugprone-macro-parentheses): C is a type
#undef HALFSCOPE_EACH_FORMULA
#define HALFSCOPE_EACH_FORMULA(FORM, C)                                                                                \
    FORM(normalise, Normalise, (const C *x, C mean, C rstd, C gamma, C beta, C *out, std::size_t count),               \
         (x, mean, rstd, gamma, beta, out, count), (mean, rstd, gamma, beta), x)                                       \
    FORM(normalise_each, NormaliseEach,                                                                                \
         (const C *x, const C *gamma, const C *beta, C mean, C rstd, C *out, std::size_t count),                       \
         (x, gamma, beta, mean, rstd, out, count), (mean, rstd), x, gamma, beta)                                       \
    FORM(centred_gradient, CentredGradient,                                                                            \
         (const C *dy, const C *x, C mean, C slope, C offset, C factor, C *out, std::size_t count),                    \
         (dy, x, mean, slope, offset, factor, out, count), (mean, slope, offset, factor), dy, x)                       \
    FORM(row_gradient, RowGradient, (const C *g, const C *h, C slope, C offset, C factor, C *out, std::size_t count),  \
         (g, h, slope, offset, factor, out, count), (slope, offset, factor), g, h)                                     \
    FORM(multiply_add, MultiplyAdd, (C a, const C *x, const C *y, C *out, std::size_t count), (a, x, y, out, count),   \
         (a), x, y)                                                                                                    \
    FORM(weighted_sum, WeightedSum, (C a, const C *x, C b, const C *y, C *out, std::size_t count),                     \
         (a, x, b, y, out, count), (a, b), x, y)                                                                       \
    FORM(move_towards, MoveTowards, (C rate, const C *x, const C *mean, C *out, std::size_t count),                    \
         (rate, x, mean, out, count), (rate), x, mean)                                                                 \
    FORM(add_square, AddSquare, (C a, const C *x, const C *y, C *out, std::size_t count), (a, x, y, out, count), (a),  \
         x, y)                                                                                                         \
    FORM(square_root, SquareRoot, (const C *x, C *out, std::size_t count), (x, out, count), (), x)                     \
    FORM(adam_quotient, AdamQuotient, (const C *m, const C *v, C bias, C epsilon, C *out, std::size_t count),          \
         (m, v, bias, epsilon, out, count), (bias, epsilon), m, v)
// NOLINTEND(bugprone-macro-parentheses)
#undef HALFSCOPE_UNWRAPPED
#define HALFSCOPE_UNWRAPPED(...) __VA_ARGS__

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

using Constant = float;
#undef HALFSCOPE_FORMULA
#define HALFSCOPE_FORMULA HWY_INLINE
#include "emulation/ops/formulas/definition.inl"

template <class Formula, class... Operands>
HWY_INLINE void map(const Formula &formula, float *out, std::size_t count, const Operands *...operands) {
    std::size_t i = 0;
    for (; i + width <= count; i += width)
        hn::StoreU(formula(Lanes(hn::LoadU(Tag(), operands + i))...).v, Tag(), out + i);
    if (i < count) store_first(formula(load_first(operands + i, count - i)...), out + i, count - i);
}

#undef HALFSCOPE_ARRAY_FORM
#define HALFSCOPE_ARRAY_FORM(function, Formula, parameters, arguments, constants, ...)                                 \
    void function##_array parameters { map(Formula{HALFSCOPE_UNWRAPPED constants}, out, count, __VA_ARGS__); }
HALFSCOPE_EACH_FORMULA(HALFSCOPE_ARRAY_FORM, float)

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
namespace lanes {
#define HALFSCOPE_EXPORT(function, ...) HWY_EXPORT(function##_array);
HALFSCOPE_EACH_FORMULA(HALFSCOPE_EXPORT, float)
#undef HALFSCOPE_EXPORT
} // namespace lanes

namespace formulas {
namespace in_double {
using steps::fused;
using steps::square_root;
using Constant = double;
#undef HALFSCOPE_FORMULA
#define HALFSCOPE_FORMULA
#include "emulation/ops/formulas/definition.inl"

template <class Formula, class... Operands>
void map(const Formula &formula, double *out, std::size_t count, const Operands *...operands) {
    for (std::size_t i = 0; i < count; ++i) out[i] = formula(operands[i]...);
}
} // namespace in_double

#undef HALFSCOPE_ARRAY_FORM
#define HALFSCOPE_ARRAY_FORM(function, Formula, parameters, arguments, constants, ...)                                 \
    void function parameters {                                                                                         \
        using namespace lanes;                                                                                         \
        HWY_DYNAMIC_DISPATCH(function##_array) arguments;                                                              \
    }
HALFSCOPE_EACH_FORMULA(HALFSCOPE_ARRAY_FORM, float)
#undef HALFSCOPE_ARRAY_FORM
#define HALFSCOPE_ARRAY_FORM(function, Formula, parameters, arguments, constants, ...)                                 \
    void function parameters {                                                                                         \
        in_double::map(in_double::Formula{HALFSCOPE_UNWRAPPED constants}, out, count, __VA_ARGS__);                    \
    }
HALFSCOPE_EACH_FORMULA(HALFSCOPE_ARRAY_FORM, double)
#undef HALFSCOPE_ARRAY_FORM

} // namespace formulas
} // namespace halfscope::ops
#endif // HWY_ONCE
