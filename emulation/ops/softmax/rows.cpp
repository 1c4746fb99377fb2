#include "emulation/number/simd_targets.h"

#include "emulation/ops/formulas/trees.h"
#include "emulation/ops/softmax/rows.h"
#include "emulation/ops/transcendental.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/softmax/rows.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/formulas/tree-inl.h"
#include "emulation/ops/transcendental/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

/// exp(x - largest), summed and left in `powers`.
struct KeptPower {
    const float *x;
    float largest;
    float *powers;
    HWY_INLINE Lanes all(std::size_t i) const {
        const Lanes power = exp(Lanes(hn::LoadU(Tag(), x + i)) - Lanes(largest));
        hn::StoreU(power.v, Tag(), powers + i);
        return power;
    }
    HWY_INLINE Lanes some(std::size_t i, std::size_t n) const {
        const Lanes power = exp(load_first(x + i, n) - Lanes(largest));
        store_first(power, powers + i, n);
        return power;
    }
};
/// exp(x - largest), only summed.
struct Power {
    const float *x;
    float largest;
    HWY_INLINE Lanes all(std::size_t i) const { return exp(Lanes(hn::LoadU(Tag(), x + i)) - Lanes(largest)); }
    HWY_INLINE Lanes some(std::size_t i, std::size_t n) const { return exp(load_first(x + i, n) - Lanes(largest)); }
};

float keep_powers(const float *x, float largest, float *powers, std::size_t count) {
    return tree_of_chunk<SumStep>(count, 0, KeptPower{x, largest, powers});
}
float sum_powers(const float *x, float largest, std::size_t count) {
    return tree_of_chunk<SumStep>(count, 0, Power{x, largest});
}

void divide(const float *x, float divisor, float *out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += width)
        store_first(load_first(x + i, count - i) / Lanes(divisor), out + i, count - i);
}
void finish_log(const float *x, float largest, float log_sum, float *out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += width)
        store_first((load_first(x + i, count - i) - Lanes(largest)) - Lanes(log_sum), out + i, count - i);
}
void finish_gradient(const float *dy, const float *y, float dot, float *out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += width)
        store_first(load_first(y + i, count - i) * (load_first(dy + i, count - i) - Lanes(dot)), out + i, count - i);
}
void finish_log_gradient(const float *dy, const float *y, float sum, float *out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += width)
        store_first(load_first(dy + i, count - i) - exp(load_first(y + i, count - i)) * Lanes(sum), out + i, count - i);
}

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
namespace lanes {
HWY_EXPORT(keep_powers);
HWY_EXPORT(sum_powers);
HWY_EXPORT(divide);
HWY_EXPORT(finish_log);
HWY_EXPORT(finish_gradient);
HWY_EXPORT(finish_log_gradient);
} // namespace lanes

namespace softmax {
using namespace lanes;

void softmax_row(const float *x, std::int64_t n, float *out) {
    const float largest = formulas::tree_max(x, n);
    const float sum =
        formulas::tree_of_chunks<reduction::Sum<float>, float>(n, [=](std::int64_t first, std::size_t count) {
            return HWY_DYNAMIC_DISPATCH(keep_powers)(x + first, largest, out + first, count);
        });
    HWY_DYNAMIC_DISPATCH(divide)(out, sum, out, static_cast<std::size_t>(n));
}

void log_softmax_row(const float *x, std::int64_t n, float *out) {
    const float largest = formulas::tree_max(x, n);
    const float sum =
        formulas::tree_of_chunks<reduction::Sum<float>, float>(n, [=](std::int64_t first, std::size_t count) {
            return HWY_DYNAMIC_DISPATCH(sum_powers)(x + first, largest, count);
        });
    HWY_DYNAMIC_DISPATCH(finish_log)(x, largest, transcendental::log(sum), out, static_cast<std::size_t>(n));
}

void softmax_gradient_row(const float *dy, const float *y, std::int64_t n, float *out) {
    const float dot = formulas::tree_sum_products(dy, y, n);
    HWY_DYNAMIC_DISPATCH(finish_gradient)(dy, y, dot, out, static_cast<std::size_t>(n));
}

void log_softmax_gradient_row(const float *dy, const float *y, std::int64_t n, float *out) {
    const float sum = formulas::tree_sum(dy, n);
    HWY_DYNAMIC_DISPATCH(finish_log_gradient)(dy, y, sum, out, static_cast<std::size_t>(n));
}

void softmax_row(const double *x, std::int64_t n, double *out) {
    const double largest = reduction::tree_max(x, n);
    for (std::int64_t i = 0; i < n; ++i) out[i] = transcendental::exp(x[i] - largest);
    const double sum = reduction::tree_sum(static_cast<const double *>(out), n);
    for (std::int64_t i = 0; i < n; ++i) out[i] = out[i] / sum;
}

void log_softmax_row(const double *x, std::int64_t n, double *out) {
    const double largest = reduction::tree_max(x, n);
    const double sum =
        reduction::tree_sum<double>(n, [=](std::int64_t i) { return transcendental::exp(x[i] - largest); });
    const double log_sum = transcendental::log(sum);
    for (std::int64_t i = 0; i < n; ++i) out[i] = (x[i] - largest) - log_sum;
}

void softmax_gradient_row(const double *dy, const double *y, std::int64_t n, double *out) {
    const double dot = reduction::tree_sum_products(dy, y, n);
    for (std::int64_t i = 0; i < n; ++i) out[i] = y[i] * (dy[i] - dot);
}

void log_softmax_gradient_row(const double *dy, const double *y, std::int64_t n, double *out) {
    const double sum = reduction::tree_sum(dy, n);
    for (std::int64_t i = 0; i < n; ++i) out[i] = dy[i] - transcendental::exp(y[i]) * sum;
}

} // namespace softmax
} // namespace halfscope::ops
#endif // HWY_ONCE
