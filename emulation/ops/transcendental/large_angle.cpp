#include "emulation/ops/transcendental/large_angle.h"

namespace halfscope::ops::transcendental {
namespace {

using namespace halfscope::ops::steps;

#define HALFSCOPE_INLINE inline
#include "emulation/ops/transcendental/large_angle.inl"
#undef HALFSCOPE_INLINE

} // namespace

void reduce_large_angle(float x, float &r, Word &quadrant) { large_angle_in_quadrants(x, r, quadrant); }

} // namespace halfscope::ops::transcendental
