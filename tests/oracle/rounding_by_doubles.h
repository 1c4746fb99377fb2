// A second independent judge, fast enough for 2^32 cases: exact values as a double plus the sign of what the double
// missed, rounded to a 16-bit format by floor() at the right quantum, in double arithmetic. No result bits are put
// together here.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace oracle {

/// value + residue, where |residue| is below half an ulp of the double `value` and only its sign matters.
struct Almost {
    double value = 0;
    double residue = 0;
};

/// a + b exactly, as a double and the sign of the rest (Knuth's two-sum; a and b have at most 24 bits, so nothing
/// overflows).
inline Almost sum(double a, double b) {
    const double s = a + b;
    const double t = s - a;
    return {s, (a - (s - t)) + (b - t)};
}

/// a / b: the remainder's sign tells the residue's.
inline Almost quotient(double a, double b) {
    const double q = a / b;
    const double rest = std::fma(-q, b, a);
    return {q, b < 0 ? -rest : rest};
}

/// Rounds to a format of `precision` bits, smallest normal 2^emin, largest exponent emax, in the given direction. The
/// quotient by the quantum is exact (a power of two; doubles have range to spare), and rounding it to an integer is the
/// rounding. The residue decides exact ties and exact integers, which the double alone cannot see.
class QuantumRounder {
  public:
    QuantumRounder(int precision, int emin, int emax)
        : smallest_normal_(std::ldexp(1.0, emin)),
          ulp_of_one_(std::ldexp(1.0, 1 - precision)),
          largest_(std::ldexp(2.0 - std::ldexp(1.0, 1 - precision), emax)),
          overflow_at_(std::ldexp(2.0 - std::ldexp(1.0, -precision), emax)) {}

    /// Nearest, ties to even. Infinite when the magnitude reaches the largest value plus half an ulp.
    [[nodiscard]] double nearest_even(const Almost &exact) const {
        const double magnitude = std::fabs(exact.value);
        if (magnitude == 0) return exact.value;
        const double residue = exact.value < 0 ? -exact.residue : exact.residue;
        if (magnitude > overflow_at_ || (magnitude == overflow_at_ && residue >= 0))
            return std::copysign(HUGE_VAL, exact.value);
        const double quantum = quantum_of(magnitude, residue);
        const double units = magnitude / quantum;
        const double down = std::floor(units);
        const double fraction = units - down; // exact: units < 2^precision
        bool up = fraction > 0.5;
        if (fraction == 0.5) up = residue > 0 || (residue == 0 && (static_cast<std::int64_t>(down) & 1) != 0);
        return std::copysign((down + (up ? 1 : 0)) * quantum, exact.value);
    }

    /// Toward zero, infinity or away, as the sign of `direction` of the magnitude: 0 cuts, 1 goes away from zero.
    [[nodiscard]] double directed(const Almost &exact, bool away) const {
        const double magnitude = std::fabs(exact.value);
        if (magnitude == 0) return exact.value;
        const double residue = exact.value < 0 ? -exact.residue : exact.residue;
        const double quantum = quantum_of(magnitude, residue);
        const double units = magnitude / quantum;
        double rounded = std::floor(units);
        if (rounded == units && residue < 0) rounded -= 1;
        if (away && (rounded != units || residue != 0)) rounded += 1;
        double result = rounded * quantum;
        if (result > largest_) result = away ? HUGE_VAL : largest_;
        return std::copysign(result, exact.value);
    }

  private:
    /// The distance of neighbours in the binade the exact value lies in; just below a power of two that is the lower
    /// one.
    [[nodiscard]] double quantum_of(double magnitude, double residue) const {
        // The power of two at or below a normal double: its exponent field alone.
        double power = std::bit_cast<double>(std::bit_cast<std::uint64_t>(magnitude) & 0x7ff0000000000000u);
        if (residue < 0 && power == magnitude) power *= 0.5;
        return (power < smallest_normal_ ? smallest_normal_ : power) * ulp_of_one_;
    }

    double smallest_normal_, ulp_of_one_, largest_, overflow_at_;
};

} // namespace oracle
