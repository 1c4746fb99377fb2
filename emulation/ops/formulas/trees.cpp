#include "emulation/number/simd_targets.h"

#include "emulation/ops/formulas/trees.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/formulas/trees.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/formulas/tree-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

struct Itself {
    const float *x;
    HWY_INLINE Lanes all(std::size_t i) const { return hn::LoadU(Tag(), x + i); }
    HWY_INLINE Lanes some(std::size_t i, std::size_t n) const { return load_first(x + i, n); }
};
struct Square {
    Itself x;
    HWY_INLINE Lanes all(std::size_t i) const { return of(x.all(i)); }
    HWY_INLINE Lanes some(std::size_t i, std::size_t n) const { return of(x.some(i, n)); }
    HWY_INLINE static Lanes of(Lanes v) { return v * v; }
};
struct Product {
    Itself a, b;
    HWY_INLINE Lanes all(std::size_t i) const { return a.all(i) * b.all(i); }
    HWY_INLINE Lanes some(std::size_t i, std::size_t n) const { return a.some(i, n) * b.some(i, n); }
};
struct SquaredDifference {
    Itself x;
    float centre;
    HWY_INLINE Lanes all(std::size_t i) const { return Square::of(x.all(i) - Lanes(centre)); }
    HWY_INLINE Lanes some(std::size_t i, std::size_t n) const { return Square::of(x.some(i, n) - Lanes(centre)); }
};
struct CentredProduct {
    Itself x, y;
    float centre;
    HWY_INLINE Lanes all(std::size_t i) const { return (x.all(i) - Lanes(centre)) * y.all(i); }
    HWY_INLINE Lanes some(std::size_t i, std::size_t n) const { return (x.some(i, n) - Lanes(centre)) * y.some(i, n); }
};

float chunk_sum_lanes(const float *x, std::size_t count) { return tree_of_chunk<SumStep>(count, 0, Itself{x}); }
float chunk_max_lanes(const float *x, std::size_t count) { return tree_of_chunk<MaximumStep>(count, x[0], Itself{x}); }
float chunk_sum_squares_lanes(const float *x, std::size_t count) {
    return tree_of_chunk<SumStep>(count, 0, Square{{x}});
}
float chunk_sum_products_lanes(const float *a, const float *b, std::size_t count) {
    return tree_of_chunk<SumStep>(count, 0, Product{{a}, {b}});
}
float chunk_sum_squared_differences_lanes(const float *x, float centre, std::size_t count) {
    return tree_of_chunk<SumStep>(count, 0, SquaredDifference{{x}, centre});
}
float chunk_sum_centred_products_lanes(const float *x, float centre, const float *y, std::size_t count) {
    return tree_of_chunk<SumStep>(count, 0, CentredProduct{{x}, {y}, centre});
}

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
namespace lanes {
HWY_EXPORT(chunk_sum_lanes);
HWY_EXPORT(chunk_max_lanes);
HWY_EXPORT(chunk_sum_squares_lanes);
HWY_EXPORT(chunk_sum_products_lanes);
HWY_EXPORT(chunk_sum_squared_differences_lanes);
HWY_EXPORT(chunk_sum_centred_products_lanes);
} // namespace lanes

namespace formulas {
using namespace lanes;

float chunk_sum(const float *x, std::size_t count) { return HWY_DYNAMIC_DISPATCH(chunk_sum_lanes)(x, count); }
float chunk_max(const float *x, std::size_t count) { return HWY_DYNAMIC_DISPATCH(chunk_max_lanes)(x, count); }
float chunk_sum_squares(const float *x, std::size_t count) {
    return HWY_DYNAMIC_DISPATCH(chunk_sum_squares_lanes)(x, count);
}
float chunk_sum_products(const float *a, const float *b, std::size_t count) {
    return HWY_DYNAMIC_DISPATCH(chunk_sum_products_lanes)(a, b, count);
}
float chunk_sum_squared_differences(const float *x, float centre, std::size_t count) {
    return HWY_DYNAMIC_DISPATCH(chunk_sum_squared_differences_lanes)(x, centre, count);
}
float chunk_sum_centred_products(const float *x, float centre, const float *y, std::size_t count) {
    return HWY_DYNAMIC_DISPATCH(chunk_sum_centred_products_lanes)(x, centre, y, count);
}

} // namespace formulas
} // namespace halfscope::ops
#endif // HWY_ONCE
