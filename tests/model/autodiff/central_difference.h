// The oracle of gradient checks: derivatives from values of the loss alone, in fp64, with an error bound of their own.
#pragma once

#include <cmath>
#include <functional>

namespace halfscope::tests {

struct Difference {
    double slope;
    double error; ///< bound on |slope - derivative|, from central_difference()
};

/// Richardson's extrapolation of central differences at steps h and h / 2: R = (4 D(h/2) - D(h)) / 3.
/// D(h) = f' + h^2/6 f''' + O(h^4), so D(h) - D(h/2) = h^2/8 f''' + O(h^4) estimates what the extrapolation removes;
/// what remains is of order h^2 smaller, so |D(h) - D(h/2)| * h bounds it for |f^(5)| / |f'''| up to about 1/h.
/// Rounding: each f carries an error of at most `noise`, so D(h/2) is off by at most 2 noise / h and D(h) by noise / h:
/// R by at most (4 * 2 + 1) / 3 = 3 noise / h.
inline Difference central_difference(const std::function<double(double)> &f, double h, double noise) {
    const double wide = (f(h) - f(-h)) / (2 * h);
    const double narrow = (f(h / 2) - f(-h / 2)) / h;
    return {(4 * narrow - wide) / 3, std::abs(wide - narrow) * h + 3 * noise / h};
}

/// Bound on the rounding error of an fp64 loss that was computed by chains of at most `depth` roundings of terms whose
/// magnitudes add up to `magnitude`: depth * 2^-53 * magnitude, to first order (Higham, Accuracy and Stability of
/// Numerical Algorithms, section 3.1).
inline double evaluation_noise(double depth, double magnitude) { return depth * 0x1p-53 * magnitude; }

} // namespace halfscope::tests
