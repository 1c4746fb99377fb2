#include "kernels/validation/exact_elementwise.h"

#include "emulation/number/conversion.h"
#include "kernels/judge/exact_operands.h"

#include <bit>
#include <cmath>

namespace halfscope::kernels {
namespace {

using judge::ExactValue;

double value_of(const ops::TensorView &view, std::int64_t index, bool flush) {
    if (!flush) return judge::value_at(view, index);
    const number::Format &f = number::format_of(ops::format_id(view.dtype));
    const number::Unpacked u = number::unpack(f, judge::bits_at(view, index));
    const bool subnormal = u.kind == number::Kind::finite && (u.significand >> (f.precision - 1)) == 0;
    return subnormal ? (u.negative ? -0.0 : 0.0) : judge::value_at(view, index);
}

/// high + low = a + b exactly (Knuth's TwoSum); no more than `high` when that is not finite.
ExactValue exact_sum(double a, double b) {
    const double high = a + b;
    if (!std::isfinite(high)) return {high, 0};
    const double virtual_b = high - a;
    return {high, (a - (high - virtual_b)) + (b - virtual_b)};
}

/// Products of values of at most 26 significand bits are exact in double, and out of its subnormals.
ExactValue exact_value(Task task, const double *x) {
    switch (task) {
    case Task::add: return exact_sum(x[0], x[1]);
    case Task::subtract: return exact_sum(x[0], -x[1]);
    case Task::multiply: return {x[0] * x[1], 0};
    case Task::fused_multiply_add: return exact_sum(x[0] * x[1], x[2]);
    case Task::divide: {
        const double quotient = x[0] / x[1];
        if (!std::isfinite(quotient) || !std::isfinite(x[1]) || quotient == 0) return {quotient, 0};
        return {quotient, std::fma(-quotient, x[1], x[0]) / x[1]};
    }
    case Task::square_root: {
        const double root = std::sqrt(x[0]);
        if (!std::isfinite(root) || root == 0) return {root, 0};
        return {root, std::fma(-root, root, x[0]) / (2 * root)};
    }
    default: return {x[0], 0}; // convert
    }
}

} // namespace

judge::ExactResults exact_elementwise(Task task, std::span<const ops::TensorView> inputs, number::FormatId result,
                                      number::Rounding rounding, bool flush_operands) {
    const std::vector<ops::TensorView> operands(inputs.begin(), inputs.end());
    judge::ExactResults exact = judge::exact_rounded(
        operands[0].shape.elements(),
        [task, operands, flush_operands](std::int64_t index) {
            double x[3] = {};
            for (std::size_t i = 0; i < operands.size(); ++i) x[i] = value_of(operands[i], index, flush_operands);
            return exact_value(task, x);
        },
        result, rounding == number::Rounding::nearest_even);
    if (rounding != number::Rounding::nearest_even) {
        // Beyond the largest finite value a directed rounding gives it, or infinity, by its direction: the bits judge.
        const number::Format &f = number::format_of(result);
        const double largest = std::ldexp(2.0 - std::ldexp(1.0, 1 - f.precision), f.emax);
        exact.at = [at = exact.at, largest](std::int64_t index) {
            judge::ExactResults::Value value = at(index);
            if (value.scale > largest && std::isfinite(value.scale)) value.bound = HUGE_VAL;
            return value;
        };
    }
    exact.operands = [operands](std::int64_t index, std::size_t most, std::int64_t &left_out) {
        constexpr const char *names[] = {"x", "y", "z"};
        std::vector<judge::Operand> found;
        for (std::size_t i = 0; i < operands.size() && i < most; ++i)
            found.push_back(judge::operand_at(names[i], operands[i], index));
        left_out = static_cast<std::int64_t>(operands.size() - found.size());
        return found;
    };
    return exact;
}

} // namespace halfscope::kernels
