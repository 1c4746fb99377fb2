// How far an elementwise result in fp32 may lie from the exact one: running error analysis. The definition itself is
// evaluated over a number that carries a bound of its error, every step adding the half ulp it may round by and every
// function the error stated in transcendental.h. Only the bound is used; the value to compare with is computed
// elsewhere.
#pragma once

#include "emulation/ops/elementwise/constants.h"
#include "emulation/ops/operation.h"
#include "emulation/ops/transcendental.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace halfscope::tests::bounds {

using ops::OpKind;
using namespace halfscope::ops::elementwise;
namespace t = halfscope::ops::transcendental;

constexpr double largest = std::numeric_limits<float>::max();
constexpr double smallest = 0x1p-149;

/// `error` is infinite when fp32 may overflow where `value` does not.
struct Bounded {
    double value, error;

    Bounded(double v, double e) : value(v), error(e) {}
    explicit Bounded(float v) : value(static_cast<double>(v)), error(0) {}
};

/// A step's result: the error carried into it and `ulps` units in the last place more.
inline Bounded stepped(double value, double carried, double ulps = 0.5) {
    if (!std::isfinite(value)) return {value, std::isinf(carried) ? HUGE_VAL : 0};
    if (!(std::fabs(value) + carried <= largest)) return {value, HUGE_VAL};
    return {value, carried + ulps * ((std::fabs(value) + carried) * 0x1p-23 + smallest)};
}
/// An error of 0 stays 0 whatever it is multiplied by; an error that is infinite stays so.
inline double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }
inline double product_error(Bounded a, Bounded b) {
    if (std::isinf(a.error) || std::isinf(b.error)) return HUGE_VAL;
    return times(std::fabs(a.value), b.error) + times(std::fabs(b.value), a.error) + a.error * b.error;
}
/// Of a function that never falls: the error in the argument moves the value no further than to the argument's ends.
template <class F> double moved(F function, Bounded x) {
    if (x.error == 0) return 0;
    const double value = function(x.value);
    return std::max(function(x.value + x.error) - value, value - function(x.value - x.error));
}

inline Bounded operator-(Bounded a) { return {-a.value, a.error}; }
inline Bounded operator+(Bounded a, Bounded b) { return stepped(a.value + b.value, a.error + b.error); }
inline Bounded operator-(Bounded a, Bounded b) { return a + -b; }
inline Bounded operator*(Bounded a, Bounded b) { return stepped(a.value * b.value, product_error(a, b)); }
inline Bounded operator/(Bounded a, Bounded b) {
    const double value = a.value / b.value;
    // The divisor overflowed: it may be anything from the largest float to infinity.
    if (std::isinf(b.error)) return stepped(value, std::fabs(value) + (std::fabs(a.value) + a.error) / largest);
    const double divisor = std::fabs(b.value) - b.error;
    if (!(divisor > 0)) return {value, b.error == 0 ? 0 : HUGE_VAL};
    return stepped(value, (a.error + times(std::fabs(value), b.error)) / divisor);
}
inline bool operator<(Bounded a, Bounded b) { return a.value < b.value; }
inline bool operator<=(Bounded a, Bounded b) { return a.value <= b.value; }
inline bool operator>(Bounded a, Bounded b) { return a.value > b.value; }
inline bool operator>=(Bounded a, Bounded b) { return a.value >= b.value; }
inline bool operator==(Bounded a, Bounded b) { return a.value == b.value; }
inline Bounded select(bool condition, Bounded yes, Bounded no) { return condition ? yes : no; }
inline bool is_nan(Bounded x) { return std::isnan(x.value); }
inline Bounded fused(Bounded a, Bounded b, Bounded c) {
    return stepped(a.value * b.value + c.value, product_error(a, b) + c.error);
}
inline Bounded square_root(Bounded x) {
    const double root = std::sqrt(x.value);
    return stepped(root, x.error == 0 ? 0 : x.error / root);
}
inline Bounded absolute(Bounded x) { return {std::fabs(x.value), x.error}; }
inline Bounded copy_sign(Bounded magnitude, Bounded sign) {
    return {std::copysign(magnitude.value, sign.value), magnitude.error};
}
inline Bounded round_down(Bounded x) { return {std::floor(x.value), x.error}; }
inline Bounded round_up(Bounded x) { return {std::ceil(x.value), x.error}; }
inline Bounded round_nearest(Bounded x) { return {std::nearbyint(x.value), x.error}; }

inline Bounded exp(Bounded x) {
    const auto function = [](double v) { return std::exp(v); };
    return stepped(function(x.value), moved(function, x), t::exp_error_ulp);
}
inline Bounded log(Bounded x) {
    const auto function = [](double v) { return std::log(std::max(v, 0.0)); };
    return stepped(std::log(x.value), moved(function, x), t::log_error_ulp);
}
inline Bounded tanh(Bounded x) {
    const auto function = [](double v) { return std::tanh(v); };
    return stepped(function(x.value), moved(function, x), t::tanh_error_ulp);
}
inline Bounded erf(Bounded x) {
    const auto function = [](double v) { return std::erf(v); };
    return stepped(function(x.value), moved(function, x), t::erf_error_ulp);
}
inline Bounded sin(Bounded x) { return stepped(std::sin(x.value), x.error, t::sin_error_ulp); }
inline Bounded cos(Bounded x) { return stepped(std::cos(x.value), x.error, t::cos_error_ulp); }

/// A constant is rounded once to fp32.
template <class R> R constant(double value) { return R(value, std::fabs(value) * 0x1p-24); }

#define HALFSCOPE_INLINE inline
#include "emulation/ops/elementwise/definition.inl"
#undef HALFSCOPE_INLINE

using Kernel = Bounded (*)(const Bounded *operands, Bounded alpha, Bounded beta);
template <class F> struct Unary {
    static Bounded run(const Bounded *x, Bounded alpha, Bounded beta) { return F{}(x[0], alpha, beta); }
};
template <class F> struct Binary {
    static Bounded run(const Bounded *x, Bounded alpha, Bounded beta) { return F{}(x[0], x[1], alpha, beta); }
};
template <class F> struct Ternary {
    static Bounded run(const Bounded *x, Bounded alpha, Bounded beta) { return F{}(x[0], x[1], x[2], alpha, beta); }
};

#define HALFSCOPE_KERNEL_MEMBER inline
#include "emulation/ops/elementwise/kernel_choice.inl"
#undef HALFSCOPE_KERNEL_MEMBER

/// Bound of |fp32 result - exact result|; infinite where fp32 overflows.
inline double error_bound(OpKind kind, const double *operands, double alpha, double beta) {
    const Bounded bounded[3] = {{operands[0], 0}, {operands[1], 0}, {operands[2], 0}};
    return choose_kernel(kind, alpha)(bounded, constant<Bounded>(alpha), constant<Bounded>(beta)).error;
}

} // namespace halfscope::tests::bounds
