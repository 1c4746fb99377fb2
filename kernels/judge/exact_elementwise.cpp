// One rounding of an exact value, and sums of rows.
#include "kernels/judge/exact_operands.h"
#include "kernels/judge/exact_results.h"

#include <cmath>
#include <memory>
#include <stdexcept>

namespace halfscope::kernels::judge {

ExactResults exact_rounded(std::int64_t elements, std::function<ExactValue(std::int64_t)> value,
                           number::FormatId result, bool to_nearest) {
    const ErrorBound bound = rounding_bound(result, to_nearest);
    const double threshold = overflow_threshold(result);
    ExactResults exact;
    exact.elements = elements;
    exact.derivation = bound.derivation;
    exact.rtol = bound.relative;
    exact.scale_name = "|exact|";
    exact.at = [bound, threshold, to_nearest, value = std::move(value)](std::int64_t index) {
        ExactResults::Value v;
        v.exact = value(index);
        v.scale = std::fabs(v.exact.high);
        v.bound = bound.of(v.scale);
        // A directed rounding may already overflow beyond the largest finite value; one to nearest at the threshold.
        v.may_overflow = v.scale + (to_nearest ? 0 : v.bound) >= threshold;
        return v;
    };
    exact.operands = [](std::int64_t, std::size_t, std::int64_t &left_out) {
        left_out = 0;
        return std::vector<Operand>{};
    };
    return exact;
}

ExactResults exact_rounding(const ops::TensorView &x, number::FormatId result, bool to_nearest) {
    ExactResults exact = exact_rounded(
        x.shape.elements(),
        [x](std::int64_t index) {
            return ExactValue{value_at(x, index), 0};
        },
        result, to_nearest);
    exact.operands = [x](std::int64_t index, std::size_t, std::int64_t &left_out) {
        left_out = 0;
        return std::vector<Operand>{operand_at("x", x, index)};
    };
    return exact;
}

ExactResults exact_sum(const ops::TensorView &x, const Arithmetic &arithmetic, number::FormatId result) {
    if (x.shape.rank() < 1) throw std::invalid_argument("a sum needs an axis to go along");
    const std::int64_t n = x.shape[x.shape.rank() - 1];
    const ErrorBound bound = sum_bound(arithmetic, n);
    const bool accumulates_in_result = result == number::FormatId::fp32;
    const ErrorBound last = accumulates_in_result ? ErrorBound{} : rounding_bound(result, true);
    const auto values = std::make_shared<const std::vector<float>>(values_of(x));
    const double largest = arithmetic.largest, threshold = overflow_threshold(result);
    ExactResults exact;
    exact.elements = n == 0 ? 0 : x.shape.elements() / n;
    exact.work = std::max<std::int64_t>(1, n);
    exact.derivation = bound.derivation + (accumulates_in_result ? "" : "; then " + last.derivation);
    exact.rtol = last.relative;
    exact.relative = bound.relative;
    exact.scale_name = "sum(|x|)";
    exact.at = [=](std::int64_t index) {
        const float *row = values->data() + index * n;
        ExactSum sum;
        ExactResults::Value v;
        for (std::int64_t i = 0; i < n; ++i) {
            sum.add(static_cast<double>(row[i]));
            if (std::isfinite(row[i])) v.scale += static_cast<double>(std::fabs(row[i])); // the others have no error
        }
        v.scale *= 1 + 0x1p-20; // its own additions, in double
        v.exact = sum.value();
        const double before = bound.of(v.scale);
        v.bound = before + last.of(std::fabs(v.exact.high) + before);
        v.may_overflow = v.scale * (1 + bound.relative) >= largest ||
                         (std::isfinite(v.exact.high) && std::fabs(v.exact.high) + before >= threshold);
        return v;
    };
    exact.operands = [=](std::int64_t index, std::size_t most, std::int64_t &left_out) {
        std::vector<Operand> operands;
        for (std::int64_t i = 0; i < std::min<std::int64_t>(n, static_cast<std::int64_t>(most)); ++i)
            operands.push_back(operand_at("x", x, index * n + i));
        left_out = n - static_cast<std::int64_t>(operands.size());
        return operands;
    };
    return exact;
}

} // namespace halfscope::kernels::judge
