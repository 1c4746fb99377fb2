#include "kernels/judge/exact_sum.h"

#include <boost/multiprecision/cpp_int.hpp>

#include <cmath>

namespace halfscope::kernels::judge {
namespace {

using Integer = boost::multiprecision::number<boost::multiprecision::cpp_int_backend<
    2304, 2304, boost::multiprecision::signed_magnitude, boost::multiprecision::unchecked, void>>;

/// The leading 53 bits of an integer, as significand * 2^exponent; truncated.
struct Leading {
    std::int64_t significand = 0;
    int exponent = 0;
};
Leading leading(const Integer &value) {
    if (value == 0) return {};
    const Integer magnitude = abs(value);
    const auto top = static_cast<int>(msb(magnitude));
    const int exponent = top > 52 ? top - 52 : 0;
    const auto significand =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(magnitude >> static_cast<unsigned>(exponent)));
    return {value < 0 ? -significand : significand, exponent};
}

} // namespace

void ExactSum::carry() {
    for (std::size_t i = 0; i + 1 < limbs_.size(); ++i) {
        const std::int64_t over = limbs_[i] >> 32;
        limbs_[i] -= over * (std::int64_t{1} << 32);
        limbs_[i + 1] += over;
    }
    added_ = 0;
}

ExactValue ExactSum::value() const {
    if (non_finite_ != 0) return {non_finite_, 0}; // NaN compares unequal too
    std::size_t first = 0, last = limbs_.size();
    while (first < last && limbs_[first] == 0) ++first;
    while (last > first && limbs_[last - 1] == 0) --last;
    Integer total = 0;
    for (std::size_t i = last; i-- > first;) total = (total << 32) + limbs_[i];
    const int unit = static_cast<int>(32 * first) - 1074;
    const Leading high = leading(total);
    total -= Integer(high.significand) << static_cast<unsigned>(high.exponent);
    const Leading low = leading(total);
    return {std::ldexp(static_cast<double>(high.significand), high.exponent + unit),
            std::ldexp(static_cast<double>(low.significand), low.exponent + unit)};
}

} // namespace halfscope::kernels::judge
