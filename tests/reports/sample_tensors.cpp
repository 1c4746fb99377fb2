#include "sample_tensors.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace halfscope::tests {

using analysis::TensorSummary;

double jitter(std::uint64_t stream, std::uint64_t index) {
    std::uint64_t z = stream * 0x9E3779B97F4A7C15ULL + index * 0xD1B54A32D192ED03ULL + 0x2545F4914F6CDD1DULL;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return static_cast<double>((z ^ (z >> 31U)) >> 11U) * 0x1p-52 - 1;
}

namespace {

double below(const Distribution &d, double log2_value) {
    return 0.5 * std::erfc((d.mean - log2_value) / (d.deviation * std::sqrt(2.0)));
}

number::RangeStatistics draw(const Distribution &d, const Limits &limits) {
    number::RangeStatistics s;
    s.count = d.count;
    s.nans = static_cast<std::uint64_t>(std::llround(d.non_finite_share * 0.5 * static_cast<double>(d.count)));
    s.infinities = s.nans;
    s.zeros = static_cast<std::uint64_t>(std::llround(d.zero_share * static_cast<double>(d.count - 2 * s.nans)));
    const auto values = static_cast<double>(s.count - s.zeros - s.nans - s.infinities);
    // Beyond six deviations not one of the values is left.
    const int lowest = std::max(-126, static_cast<int>(std::floor(d.mean - 6 * d.deviation)));
    const int highest = std::min(128, static_cast<int>(std::ceil(d.mean + 6 * d.deviation)));
    std::uint64_t left = s.count - s.zeros - s.nans - s.infinities; // rounding each binade up must not give more
    double until_here = below(d, lowest);
    for (int e = lowest; e < highest; ++e) {
        const double until_next = below(d, e + 1);
        const auto here = std::min(left, static_cast<std::uint64_t>(std::llround(values * (until_next - until_here))));
        left -= here;
        until_here = until_next;
        if (here == 0) continue;
        const int bin = e + 127; // fp32's biased exponent
        s.exponents[static_cast<std::size_t>(bin)] = here;
        const auto n = static_cast<double>(here);
        const double value = std::ldexp(1.4, e);
        if (s.amin == 0) s.amin = static_cast<float>(std::ldexp(1.1, e));
        s.amax = static_cast<float>(std::ldexp(1.7, e));
        s.sum += 0.01 * n * value;
        s.sum_abs += n * value;
        s.sum_squares += n * value * value;
        if (e < limits.zero_below)
            s.underflows += here;
        else if (e < limits.normal_from)
            s.subnormals += here;
        else if (e >= limits.inf_from)
            s.overflows += here;
        s.sum_squared_error += n * value * value * 0x1p-24;
    }
    s.zeros = s.count - s.nans - s.infinities;
    for (const auto here : s.exponents) s.zeros -= here;
    return s;
}

} // namespace

TensorSummary trace_tensor(const TensorPlan &plan, const Limits &limits, const SampleSize &size, std::int64_t order,
                           std::uint64_t stream) {
    TensorSummary tensor;
    tensor.name = plan.name;
    tensor.role = plan.role;
    tensor.operation = plan.operation;
    tensor.format = limits.name;
    tensor.backward = plan.backward;
    tensor.scaled = plan.scaled;
    tensor.order = order;
    std::map<std::pair<int, bool>, number::RangeStatistics> drawn;
    for (int step = 0; step < size.steps; step += size.trace_every) {
        Distribution now = plan.first;
        now.mean +=
            plan.drift * step / std::max(1, size.steps - 1) + 0.35 * jitter(stream, static_cast<std::uint64_t>(step));
        const bool broken = plan.nan_from >= 0 && step >= plan.nan_from;
        if (broken) now.non_finite_share = 0.4;
        // Steps of an eighth of a binade, each drawn once: a thousand layers by a thousand steps take seconds.
        const auto eighth = static_cast<int>(std::lround(8 * now.mean));
        now.mean = eighth / 8.0;
        const auto [drawing, fresh] = drawn.try_emplace({eighth, broken});
        if (fresh) drawing->second = draw(now, limits);
        const auto &s = drawing->second;
        const auto non_zero = static_cast<double>(std::max<std::uint64_t>(1, s.count - s.zeros));
        tensor.total.merge(s);
        tensor.steps.push_back(step);
        tensor.underflow_by_step.push_back(static_cast<float>(static_cast<double>(s.underflows) / non_zero));
        tensor.subnormal_by_step.push_back(static_cast<float>(static_cast<double>(s.subnormals) / non_zero));
        tensor.overflow_by_step.push_back(
            static_cast<float>(static_cast<double>(s.overflows) / static_cast<double>(s.count)));
        tensor.amax_by_step.push_back(s.amax);
        tensor.non_finite_by_step.push_back(broken || s.overflows > 0 ? 1 : 0);
    }
    const auto &total = tensor.total;
    const auto count = static_cast<double>(total.count);
    const double non_zero = count - static_cast<double>(total.zeros);
    tensor.underflow_share = static_cast<double>(total.underflows) / non_zero;
    tensor.underflow_share_of_all = static_cast<double>(total.underflows) / count;
    tensor.subnormal_share = static_cast<double>(total.subnormals) / non_zero;
    tensor.overflow_share = static_cast<double>(total.overflows) / count;
    tensor.dynamic_range = std::log2(static_cast<double>(total.amax) / static_cast<double>(total.amin));
    if (tensor.backward && limits.name != "fp32") tensor.lost_share = std::min(1.0, 1.1 * tensor.underflow_share);
    tensor.mse = total.sum_squared_error / count;
    tensor.headroom_log2 = limits.inf_from - std::log2(static_cast<double>(total.amax));
    return tensor;
}

} // namespace halfscope::tests
