#include "kernels/inputs/draw.h"

#include <cmath>

namespace halfscope::kernels {

float Draw::bell(int scale) {
    // Each uniform on (-1/2, 1/2) has variance 1/12; four of them 1/3.
    double sum = -2;
    for (int i = 0; i < 4; ++i) sum += word() * 0x1p-32;
    return static_cast<float>(std::ldexp(sum * std::sqrt(3.0), scale));
}

} // namespace halfscope::kernels
