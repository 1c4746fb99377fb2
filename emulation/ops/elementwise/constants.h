// Constants of the elementwise definitions, given in double and rounded once to C.
#pragma once

#include <limits>

namespace halfscope::ops::elementwise {

inline constexpr double square_root_of_half = 0.70710678118654752440;
inline constexpr double square_root_of_2_over_pi = 0.79788456080286535588;
inline constexpr double reciprocal_square_root_of_2_pi = 0.39894228040143267794;
inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

} // namespace halfscope::ops::elementwise
