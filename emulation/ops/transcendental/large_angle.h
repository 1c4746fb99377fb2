// Argument reduction of sin and cos where x is so large that its distance to a multiple of pi/2 hides in its last bits.
#pragma once

#include "emulation/ops/transcendental/scalar_steps.h"

namespace halfscope::ops::transcendental {

/// From this magnitude on reduce_large_angle takes over.
inline constexpr float large_angle = 0x1p16f;

/// x = quadrant * pi/2 + r with |r| <= pi/4, for |x| >= large_angle; r is NaN for infinities and NaN. Multiplies x's
/// significand by the bits of 2/pi that matter (M. Payne and R. Hanek, "Radian reduction for trigonometric functions",
/// SIGNUM Newsletter 18, 1983) in integers; r is within 0.52 ulp. Quadrants count modulo 4.
void reduce_large_angle(float x, float &r, steps::Word &quadrant);

} // namespace halfscope::ops::transcendental
