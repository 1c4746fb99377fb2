#include "kernels/judge/compare.h"

#include "kernels/judge/exact_operands.h"

#include "emulation/number/comparison.h"
#include "emulation/number/ulp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>

namespace halfscope::kernels::judge {
namespace {

constexpr std::int64_t chunk = 4096;

bool is_nan(const number::Format &f, std::uint64_t bits) { return number::unpack(f, bits).is_nan(); }
bool is_infinite(const number::Format &f, std::uint64_t bits) {
    return number::unpack(f, bits).kind == number::Kind::infinity;
}

/// Bits of a chunk of elements against bits.
struct BitCounts {
    std::int64_t equal = 0, nan_payloads = 0, zero_signs = 0, nans = 0, infinities = 0;
    std::int64_t first_non_finite = -1; ///< first NaN or infinity mismatch
    std::uint64_t worst = 0;
    std::int64_t worst_at = -1;

    void count(const number::Format &f, std::int64_t index, std::uint64_t tested, std::uint64_t emulated) {
        if (tested == emulated) {
            ++equal;
            return;
        }
        const bool nan = is_nan(f, tested), other_nan = is_nan(f, emulated);
        if (nan && other_nan) {
            ++nan_payloads;
            return;
        }
        if (nan || other_nan || is_infinite(f, tested) || is_infinite(f, emulated)) {
            ++(nan || other_nan ? nans : infinities);
            if (first_non_finite < 0) first_non_finite = index;
            return;
        }
        const std::uint64_t distance = number::ulp_distance(f, tested, emulated);
        if (distance == 0) ++zero_signs;
        if (worst_at < 0 || distance > worst) {
            worst = distance;
            worst_at = index;
        }
    }
    void merge(const BitCounts &other) {
        equal += other.equal;
        nan_payloads += other.nan_payloads;
        zero_signs += other.zero_signs;
        nans += other.nans;
        infinities += other.infinities;
        if (first_non_finite < 0) first_non_finite = other.first_non_finite;
        if (other.worst_at >= 0 && (worst_at < 0 || other.worst > worst)) {
            worst = other.worst;
            worst_at = other.worst_at;
        }
    }
};

/// Errors of a chunk of elements against the exact results.
struct ErrorSums {
    std::int64_t elements = 0, relative_elements = 0, beyond = 0;
    double worst_ulp = 0, sum_ulp = 0, worst_relative = 0, sum_relative = 0, worst_share = -1, squares = 0;
    std::int64_t worst_at = -1;
    double emulated_worst = 0, emulated_sum = 0, emulated_squares = 0;

    /// `share`: of the bound; infinite where the result is wrongly not finite.
    void note_share(std::int64_t index, double share) {
        if (share > 1) ++beyond;
        if (share > worst_share) {
            worst_share = share;
            worst_at = index;
        }
    }
    void count(const number::Format &f, std::int64_t index, const ExactResults::Value &right, double tested,
               std::optional<double> emulated) {
        const double exact = right.exact.high;
        note_share(index, right.share_of_bound(tested));
        if (!std::isfinite(exact) || !std::isfinite(tested)) return;
        const double error = std::fabs(error_of(tested, right.exact)), ulp = ulp_at(f, exact);
        ++elements;
        worst_ulp = std::max(worst_ulp, error / ulp);
        sum_ulp += error / ulp;
        if (exact != 0) {
            ++relative_elements;
            worst_relative = std::max(worst_relative, error / std::fabs(exact));
            sum_relative += error / std::fabs(exact);
        }
        const double in_scale = right.scale > 0 ? error / right.scale : 0;
        squares += in_scale * in_scale;
        if (!emulated || !std::isfinite(*emulated)) return;
        const double twin = std::fabs(error_of(*emulated, right.exact));
        emulated_worst = std::max(emulated_worst, twin / ulp);
        emulated_sum += twin / ulp;
        const double twin_in_scale = right.scale > 0 ? twin / right.scale : 0;
        emulated_squares += twin_in_scale * twin_in_scale;
    }
    void merge(const ErrorSums &other) {
        elements += other.elements;
        relative_elements += other.relative_elements;
        beyond += other.beyond;
        worst_ulp = std::max(worst_ulp, other.worst_ulp);
        sum_ulp += other.sum_ulp;
        worst_relative = std::max(worst_relative, other.worst_relative);
        sum_relative += other.sum_relative;
        squares += other.squares;
        emulated_worst = std::max(emulated_worst, other.emulated_worst);
        emulated_sum += other.emulated_sum;
        emulated_squares += other.emulated_squares;
        if (other.worst_at >= 0 && other.worst_share > worst_share) {
            worst_share = other.worst_share;
            worst_at = other.worst_at;
        }
    }
};

/// Runs part(first, last, sums) over chunks of [0, count) on all threads, and merges in order.
template <typename Sums, typename Part> Sums in_chunks(ops::ThreadPool &threads, std::int64_t count, Part part) {
    const std::int64_t each = std::clamp<std::int64_t>(count / 64, 1, chunk), tasks = (count + each - 1) / each;
    std::vector<Sums> sums(static_cast<std::size_t>(tasks));
    threads.run(tasks, [&](std::int64_t task) {
        part(task * each, std::min(count, (task + 1) * each), sums[static_cast<std::size_t>(task)]);
    });
    Sums total;
    for (const Sums &some : sums) total.merge(some);
    return total;
}

/// Which elements are held against the exact result.
std::vector<std::int64_t> exact_sample(const Results &r, const number::Format &f, std::int64_t worst_bits) {
    const std::int64_t elements = r.tested.shape.elements();
    const std::int64_t most = std::max<std::int64_t>(256, r.most_exact_work / std::max<std::int64_t>(1, r.exact->work));
    std::vector<std::int64_t> sample;
    if (elements <= most) {
        sample.resize(static_cast<std::size_t>(elements));
        for (std::int64_t i = 0; i < elements; ++i) sample[static_cast<std::size_t>(i)] = i;
        return sample;
    }
    for (std::int64_t i = 0; i < most; ++i) // no overflow: a double's 53 bits hold every index
        sample.push_back(static_cast<std::int64_t>(static_cast<double>(i) *
                                                   (static_cast<double>(elements) / static_cast<double>(most))));
    if (worst_bits >= 0) sample.push_back(worst_bits);
    for (std::int64_t i = 0, found = 0; i < elements && found < most / 4; ++i) {
        const std::uint64_t bits = bits_at(r.tested, i);
        if (!is_nan(f, bits) && !is_infinite(f, bits)) continue;
        sample.push_back(i);
        ++found;
    }
    std::sort(sample.begin(), sample.end());
    sample.erase(std::unique(sample.begin(), sample.end()), sample.end());
    return sample;
}

Element element_at(const Results &r, std::int64_t index) {
    Element e;
    e.index = index;
    e.position = position_of(r.tested.shape, index);
    e.tested_bits = bits_at(r.tested, index);
    e.tested = value_at(r.tested, index);
    if (r.emulated.data) {
        e.emulated_bits = bits_at(r.emulated, index);
        e.emulated = value_at(r.emulated, index);
    }
    if (r.exact) {
        const ExactResults::Value right = r.exact->at(index);
        e.exact = right.exact.high;
        e.bound = right.bound;
        e.operands = r.exact->operands(index, 8, e.operands_left_out);
    }
    return e;
}

/// numpy.allclose(tested, exact): |error| <= atol + rtol |exact|; the bound's last rounding is relative to the exact
/// result but for the error before it, which atol takes.
Tolerance tolerance_for(const ExactResults &exact, double largest_scale, double absolute) {
    Tolerance tolerance;
    tolerance.rtol = exact.rtol;
    tolerance.atol = exact.relative * (1 + exact.rtol) * largest_scale + absolute;
    tolerance.derivation = exact.relative > 0
                               ? fmt::format("for other inputs of these shapes: atol = {:.3g} * max of {}",
                                             exact.relative * (1 + exact.rtol), exact.scale_name)
                               : exact.derivation;
    return tolerance;
}

void judge_errors(const Results &r, const number::Format &f, ops::ThreadPool &threads, std::int64_t worst_bits,
                  Judgement &judgement) {
    const std::vector<std::int64_t> sample = exact_sample(r, f, worst_bits);
    struct Sums : ErrorSums {
        double scale = 0, absolute = 0;
        bool tolerance = false; ///< some element speaks for it
        void merge(const Sums &other) {
            ErrorSums::merge(other);
            tolerance = tolerance || other.tolerance;
            scale = std::max(scale, other.scale);
            absolute = std::max(absolute, other.absolute);
        }
    };
    const Sums sums = in_chunks<Sums>(
        threads, static_cast<std::int64_t>(sample.size()), [&](std::int64_t first, std::int64_t last, Sums &some) {
            for (std::int64_t i = first; i < last; ++i) {
                const std::int64_t index = sample[static_cast<std::size_t>(i)];
                const ExactResults::Value right = r.exact->at(index);
                some.count(f, index, right, value_at(r.tested, index),
                           r.emulated.data ? std::optional(value_at(r.emulated, index)) : std::nullopt);
                if (!std::isfinite(right.bound) || !std::isfinite(right.exact.high)) continue;
                if (r.tolerance_elements && !r.tolerance_elements(index)) continue;
                some.tolerance = true;
                some.scale = std::max(some.scale, right.scale);
                // What the two relative parts leave of the bound.
                some.absolute = std::max(some.absolute, right.bound - r.exact->rtol * std::fabs(right.exact.high) -
                                                            r.exact->relative * (1 + r.exact->rtol) * right.scale);
            }
        });
    ExactErrors errors;
    const double count = static_cast<double>(std::max<std::int64_t>(1, sums.elements));
    errors.elements = static_cast<std::int64_t>(sample.size());
    errors.worst_ulp = sums.worst_ulp;
    errors.mean_ulp = sums.sum_ulp / count;
    errors.worst_relative = sums.worst_relative;
    errors.mean_relative = sums.sum_relative / static_cast<double>(std::max<std::int64_t>(1, sums.relative_elements));
    errors.worst_of_bound = std::max(0.0, sums.worst_share);
    errors.beyond_bound = sums.beyond;
    errors.typical_of_scale = std::sqrt(sums.squares / count);
    errors.emulated_worst_ulp = sums.emulated_worst;
    errors.emulated_mean_ulp = sums.emulated_sum / count;
    errors.emulated_typical_of_scale = std::sqrt(sums.emulated_squares / count);
    judgement.errors = errors;
    judgement.bound = r.exact->derivation;
    if (sums.worst_at >= 0) judgement.worst_error = element_at(r, sums.worst_at);
    if (sums.tolerance) judgement.tolerance = tolerance_for(*r.exact, sums.scale, std::max(0.0, sums.absolute));
    if (static_cast<std::int64_t>(sample.size()) < r.tested.shape.elements())
        judgement.evidence.push_back(fmt::format("{} of {} elements, evenly spaced, were held against the exact result",
                                                 sample.size(), r.tested.shape.elements()));
}

void settle_verdict(const Results &r, Judgement &j) {
    const std::int64_t beyond = j.errors ? j.errors->beyond_bound : 0;
    if (r.emulated.data && j.same_bits()) {
        j.verdict = Verdict::bit_equal;
        j.identified = r.model;
        j.explanation = fmt::format("All {} results are bit-equal to {}.", j.elements, r.model);
        if (j.nan_payload_differences > 0)
            j.evidence.push_back(fmt::format("{} NaN have another payload than the emulator's; they are equal values",
                                             j.nan_payload_differences));
        return;
    }
    if (j.errors && beyond == 0) {
        j.verdict = Verdict::different_order;
        j.explanation = "Every result is within the derived bound: the difference is accumulation order.";
        if (!r.emulated.data) j.explanation = "Every result is within the derived bound of the exact one.";
        return;
    }
    j.verdict = Verdict::real_bug;
    if (only_nan(j)) {
        j.explanation = fmt::format(
            "A real bug: all {} results are NaN where the inputs give numbers; they may never have been written.",
            j.elements);
        return;
    }
    j.explanation = j.errors
                        ? fmt::format("{} of {} results are further from the exact result than any order explains.",
                                      beyond, j.errors->elements)
                        : fmt::format("{} of {} results differ from {}.",
                                      j.elements - j.bit_equal - j.nan_payload_differences, j.elements, r.model);
}

} // namespace

Judgement compare(const Results &r, ops::ThreadPool &threads) {
    if (r.emulated.data && (r.emulated.dtype != r.tested.dtype || !(r.emulated.shape == r.tested.shape)))
        throw std::invalid_argument(fmt::format("results of {} {} cannot be compared with {} {}",
                                                ops::name_of(r.tested.dtype), r.tested.shape.text(),
                                                ops::name_of(r.emulated.dtype), r.emulated.shape.text()));
    const number::Format &f = number::format_of(r.format);
    Judgement judgement;
    judgement.model = r.model;
    judgement.format = r.format;
    judgement.shape.assign(r.tested.shape.sizes().begin(), r.tested.shape.sizes().end());
    judgement.elements = r.tested.shape.elements();
    std::int64_t worst_at = -1;
    if (r.emulated.data) {
        const BitCounts counts = in_chunks<BitCounts>(
            threads, judgement.elements, [&](std::int64_t first, std::int64_t last, BitCounts &some) {
                for (std::int64_t i = first; i < last; ++i)
                    some.count(f, i, bits_at(r.tested, i), bits_at(r.emulated, i));
            });
        judgement.bit_equal = counts.equal;
        judgement.nan_payload_differences = counts.nan_payloads;
        judgement.zero_sign_differences = counts.zero_signs;
        judgement.nan_mismatches = counts.nans;
        judgement.infinity_mismatches = counts.infinities;
        judgement.worst_ulp = counts.worst;
        worst_at = counts.first_non_finite >= 0 ? counts.first_non_finite : counts.worst_at;
        if (worst_at >= 0) judgement.worst = element_at(r, worst_at);
    }
    if (r.exact) judge_errors(r, f, threads, worst_at, judgement);
    settle_verdict(r, judgement);
    return judgement;
}

bool only_nan(const Judgement &judgement) {
    return judgement.elements > 0 && judgement.nan_mismatches == judgement.elements;
}

bool equal_bits(const ops::TensorView &tested, const ops::TensorView &other) {
    if (tested.dtype != other.dtype || tested.shape.elements() != other.shape.elements()) return false;
    if (tested.bytes() == 0 || std::memcmp(tested.data, other.data, tested.bytes()) == 0) return true;
    if (!ops::is_floating(tested.dtype)) return false;
    const number::Format &f = number::format_of(ops::format_id(tested.dtype));
    for (std::int64_t i = 0; i < tested.shape.elements(); ++i) {
        const std::uint64_t x = bits_at(tested, i), y = bits_at(other, i);
        if (x != y && !(is_nan(f, x) && is_nan(f, y))) return false;
    }
    return true;
}

} // namespace halfscope::kernels::judge
