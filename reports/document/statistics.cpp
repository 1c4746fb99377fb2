#include "reports/document/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace halfscope::reports {
namespace {

constexpr int fp32_bias = 127;

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0.0; }

struct Moments {
    double mean = 0, standard_deviation = 0, mean_abs = 0;
};

/// Population moments of the finite sources. The variance is a difference of sums, so it is exact to about 1e-16 of the
/// mean square: enough to show, never used to judge.
Moments moments_of(const number::RangeStatistics &s) {
    const auto finite = static_cast<double>(s.count - s.infinities - s.nans);
    Moments moments;
    moments.mean = ratio(s.sum, finite);
    moments.mean_abs = ratio(s.sum_abs, finite);
    moments.standard_deviation = std::sqrt(std::max(0.0, ratio(s.sum_squares, finite) - moments.mean * moments.mean));
    return moments;
}

std::int64_t first_step_above_zero(std::span<const std::int64_t> steps, std::span<const float> shares) {
    for (std::size_t i = 0; i < std::min(steps.size(), shares.size()); ++i)
        if (shares[i] > 0) return steps[i];
    return -1;
}

std::int64_t first_non_finite_step(const analysis::TensorSummary &tensor) {
    for (std::size_t i = 0; i < std::min(tensor.steps.size(), tensor.non_finite_by_step.size()); ++i)
        if (tensor.non_finite_by_step[i] != 0) return tensor.steps[i];
    return -1;
}

Json worst_step(std::span<const std::int64_t> steps, std::span<const float> shares) {
    const std::size_t known = std::min(steps.size(), shares.size());
    const auto worst = std::max_element(shares.begin(), shares.begin() + static_cast<std::ptrdiff_t>(known));
    if (known == 0 || !(*worst > 0)) return nullptr;
    return {{"step", steps[static_cast<std::size_t>(worst - shares.begin())]},
            {"%", number_or_name(100.0 * static_cast<double>(*worst))}};
}

/// What role statistics of several tensors amount to: counts and sums add up, the shares follow from them.
analysis::TensorSummary pooled(std::span<const analysis::TensorSummary *const> members) {
    analysis::TensorSummary all;
    all.role = members.front()->role;
    all.operation = members.front()->operation;
    all.format = members.front()->format;
    all.order = members.front()->order;
    all.headroom_log2 = std::numeric_limits<double>::infinity();
    double squared_error = 0, known_for_error = 0;
    for (const auto *member : members) {
        if (member->operation != all.operation) all.operation = "several";
        if (member->format != all.format) all.format = "several";
        all.backward = all.backward || member->backward;
        all.scaled = all.scaled || member->scaled;
        all.total.merge(member->total);
        all.headroom_log2 = std::min(all.headroom_log2, member->headroom_log2);
        squared_error += member->mse * static_cast<double>(member->total.count);
        known_for_error += static_cast<double>(member->total.count);
    }
    const auto &total = all.total;
    const auto count = static_cast<double>(total.count);
    const auto non_zero = static_cast<double>(total.count - total.zeros);
    all.underflow_share = ratio(static_cast<double>(total.underflows), non_zero);
    all.underflow_share_of_all = ratio(static_cast<double>(total.underflows), count);
    all.subnormal_share = ratio(static_cast<double>(total.subnormals), non_zero);
    all.overflow_share = ratio(static_cast<double>(total.overflows), count);
    all.dynamic_range =
        total.amin > 0 ? std::log2(static_cast<double>(total.amax) / static_cast<double>(total.amin)) : 0;
    all.mse = ratio(squared_error, known_for_error);
    return all;
}

Json common_statistics(const analysis::TensorSummary &tensor) {
    const auto &s = tensor.total;
    const Moments moments = moments_of(s);
    return {{"operation", tensor.operation},
            {"format", tensor.format},
            {"backward", tensor.backward},
            {"scaled", tensor.scaled},
            {"count", s.count},
            {"num_zero", s.zeros},
            {"num_inf", s.infinities},
            {"num_nan", s.nans},
            {"underflows", s.underflows},
            {"subnormals", s.subnormals},
            {"overflows", s.overflows},
            {"underflows%", number_or_name(100 * tensor.underflow_share_of_all)},
            {"underflows%_of_nonzero", number_or_name(100 * tensor.underflow_share)},
            {"subnormals%_of_nonzero", number_or_name(100 * tensor.subnormal_share)},
            {"overflows%", number_or_name(100 * tensor.overflow_share)},
            {"lost%", tensor.lost_share ? number_or_name(100 * *tensor.lost_share) : Json(nullptr)},
            {"amax", number_or_name(static_cast<double>(s.amax))},
            {"amin", number_or_name(static_cast<double>(s.amin))},
            {"mean", number_or_name(moments.mean)},
            {"std", number_or_name(moments.standard_deviation)},
            {"mean_abs", number_or_name(moments.mean_abs)},
            {"dynamic_range", number_or_name(tensor.dynamic_range)},
            {"headroom_log2", number_or_name(tensor.headroom_log2)},
            {"mse", number_or_name(tensor.mse)},
            {"exponents", exponents_of(s)}};
}

} // namespace

Json exponents_of(const number::RangeStatistics &statistics) {
    const auto &bins = statistics.exponents;
    const auto filled = [](std::uint64_t bin) { return bin != 0; };
    const auto first = std::find_if(bins.begin(), bins.end(), filled);
    if (first == bins.end()) return {{"lowest", 0}, {"counts", Json::array()}};
    const auto last = std::find_if(bins.rbegin(), bins.rend(), filled).base();
    return {{"lowest", static_cast<int>(first - bins.begin()) - fp32_bias},
            {"counts", std::vector<std::uint64_t>(first, last)}};
}

Json statistics_of(const analysis::TensorSummary &tensor) {
    Json statistics = {{"name", tensor.name}};
    statistics.update(common_statistics(tensor));
    statistics["mask"] = tensor.mask;
    statistics["traced_steps"] = tensor.steps.size();
    statistics["first_step"] = {
        {"underflow", step_or_null(first_step_above_zero(tensor.steps, tensor.underflow_by_step))},
        {"overflow", step_or_null(first_step_above_zero(tensor.steps, tensor.overflow_by_step))},
        {"non_finite", step_or_null(first_non_finite_step(tensor))}};
    statistics["worst_step"] = {{"underflow", worst_step(tensor.steps, tensor.underflow_by_step)},
                                {"overflow", worst_step(tensor.steps, tensor.overflow_by_step)}};
    return statistics;
}

Json statistics_by_role(std::span<const analysis::TensorSummary> tensors) {
    std::vector<std::pair<std::string, std::vector<const analysis::TensorSummary *>>> roles;
    for (const auto &tensor : tensors) {
        auto role = std::find_if(roles.begin(), roles.end(), [&](const auto &r) { return r.first == tensor.role; });
        if (role == roles.end()) role = roles.insert(roles.end(), {tensor.role, {}});
        role->second.push_back(&tensor);
    }
    Json by_role = Json::object();
    for (const auto &[role, members] : roles) {
        if (members.size() == 1) {
            by_role[role] = statistics_of(*members.front());
            continue;
        }
        Json statistics = common_statistics(pooled(members));
        for (const auto *member : members) statistics["members"].push_back(statistics_of(*member));
        by_role[role] = std::move(statistics);
    }
    return by_role;
}

} // namespace halfscope::reports
