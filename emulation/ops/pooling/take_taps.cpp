#include "emulation/number/simd_targets.h"

#include "emulation/ops/pooling/take_taps.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulation/ops/pooling/take_taps.cpp"
#include <hwy/foreach_target.h>

#include "emulation/ops/transcendental/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halfscope::ops::lanes::HWY_NAMESPACE {

void take_taps_lanes(const float *taps, std::int32_t at, std::int32_t stride, std::int64_t count, float *best,
                     std::int32_t *winner) {
    const Tag d;
    const WordTag dw;
    const auto n = static_cast<std::size_t>(count);
    const auto first = hn::Add(hn::Set(dw, at), hn::Mul(hn::Iota(dw, 0), hn::Set(dw, stride)));
    std::size_t o = 0;
    for (; o + width <= n; o += width) {
        const auto tap = hn::LoadU(d, taps + o), so_far = hn::LoadU(d, best + o);
        const auto so_far_winner = hn::LoadU(dw, winner + o);
        const auto is_first = hn::RebindMask(d, hn::Lt(so_far_winner, hn::Zero(dw)));
        const auto takes = hn::Or(hn::Or(hn::Gt(tap, so_far), hn::IsNaN(tap)), is_first);
        const auto element = hn::Add(first, hn::Set(dw, static_cast<std::int32_t>(o) * stride));
        hn::StoreU(hn::IfThenElse(takes, tap, so_far), d, best + o);
        hn::StoreU(hn::IfThenElse(hn::RebindMask(dw, takes), element, so_far_winner), dw, winner + o);
    }
    for (; o < n; ++o)
        if (taps[o] > best[o] || taps[o] != taps[o] || winner[o] < 0) {
            best[o] = taps[o];
            winner[o] = at + static_cast<std::int32_t>(o) * stride;
        }
}

} // namespace halfscope::ops::lanes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halfscope::ops {
namespace lanes {
HWY_EXPORT(take_taps_lanes);
} // namespace lanes

namespace pooling {
using namespace lanes;

void take_taps(const float *taps, std::int32_t at, std::int32_t stride, std::int64_t count, float *best,
               std::int32_t *winner) {
    HWY_DYNAMIC_DISPATCH(take_taps_lanes)(taps, at, stride, count, best, winner);
}

void take_taps(const double *taps, std::int32_t at, std::int32_t stride, std::int64_t count, double *best,
               std::int32_t *winner) {
    for (std::int64_t o = 0; o < count; ++o)
        if (taps[o] > best[o] || taps[o] != taps[o] || winner[o] < 0) {
            best[o] = taps[o];
            winner[o] = at + static_cast<std::int32_t>(o) * stride;
        }
}

} // namespace pooling
} // namespace halfscope::ops
#endif // HWY_ONCE
