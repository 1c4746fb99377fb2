#include "tests/gpu/special_functions/errors.h"

#include "emulation/number/conversion.h"
#include "emulation/number/round_array.h"

#include <bit>
#include <cmath>

namespace halfscope::gpu {

double exactly(SpecialFunction function, double x) {
    switch (function) {
    case SpecialFunction::ex2: return std::exp2(x);
    case SpecialFunction::tanh: return std::tanh(x);
    case SpecialFunction::rcp: return 1 / x;
    case SpecialFunction::rsqrt: return 1 / std::sqrt(x);
    case SpecialFunction::sqrt: return std::sqrt(x);
    case SpecialFunction::sin: return std::sin(x);
    case SpecialFunction::cos: return std::cos(x);
    default: return std::log2(x);
    }
}

namespace {

double value_of(std::uint16_t bits, number::FormatId format) {
    return static_cast<double>(number::widen_16bit(bits, format));
}

/// Distance of two neighbours at `value`.
double last_place(double value, const number::Format &format) {
    const int exponent = value == 0 ? format.emin : std::max(format.emin, std::ilogb(value));
    return std::ldexp(1.0, exponent - format.precision + 1);
}

} // namespace

FunctionErrors function_errors(SpecialFunction function, number::FormatId id,
                               std::span<const std::uint16_t, all_inputs> results) {
    const number::Format &format = number::format_of(id), &wide = number::format_of(number::FormatId::fp64);
    FunctionErrors errors;
    double sum = 0;
    for (std::size_t pattern = 0; pattern < all_inputs; ++pattern) {
        const auto input = static_cast<std::uint16_t>(pattern);
        const double exact = exactly(function, value_of(input, id)), found = value_of(results[pattern], id);
        const auto rounded =
            static_cast<std::uint16_t>(number::convert(wide, std::bit_cast<std::uint64_t>(exact), format).bits);
        const double nearest = value_of(rounded, id);
        const bool comparable = std::isfinite(nearest) && std::isfinite(found);
        if (!comparable) {
            const bool same = std::isnan(nearest) ? std::isnan(found) : nearest == found;
            if (!same) ++errors.wrong_kind;
            continue;
        }
        ++errors.compared;
        if (nearest != found) ++errors.not_rounded;
        const double ulp = std::fabs(found - exact) / last_place(exact, format);
        sum += ulp;
        if (ulp > errors.worst_ulp) {
            errors.worst_ulp = ulp;
            errors.worst_input = input;
        }
    }
    errors.mean_ulp = errors.compared > 0 ? sum / errors.compared : 0;
    return errors;
}

} // namespace halfscope::gpu
