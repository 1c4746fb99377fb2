// unrepresentable-integers: positions, timesteps or counts that the format cannot hold.
//
// What it looks for. A forward tensor of whole numbers in 16 bits whose rounding is not exact: integers are exact in
// bf16 up to 256 and in fp16 up to 2048 only. Positions 4094 and 4095 become one number, so their rotary phases do as
// well (hazard P01), and so do neighbouring diffusion timesteps (P02). Nothing is inf, nothing underflows.
//
// How whole numbers are told. The smallest non-zero magnitude is at least 1, and the sums of the values, of their
// magnitudes and of their squares are all whole (sums of integers are exact in double below 2^53; a sum of anything
// else is whole by chance once in 2^40 or so).
//
// Threshold. One that is rounded: exact. A warning; critical when the outcome is bad and fidelity does not contradict.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"
#include "emulation/number/ulp.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::analysis {

namespace {

constexpr double exact_in_double = 9007199254740992.0; // 2^53

bool whole_numbers(const number::RangeStatistics &s) {
    const auto whole = [](double sum) { return std::abs(sum) < exact_in_double && sum == std::floor(sum); };
    return s.amin >= 1 && s.infinities + s.nans == 0 && whole(s.sum) && whole(s.sum_abs) && whole(s.sum_squares);
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *first = nullptr;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        const number::Format &format = format_named(tensor.info.format);
        if (first || tensor.info.backward || tensor.info.role != "activation" || !is_reduced(format)) continue;
        const number::RangeStatistics &s = tensor.summary.total;
        const bool beyond = double{s.amax} > std::ldexp(1.0, format.precision);
        if (beyond && s.overflows == 0 && s.sum_squared_error > 0 && whole_numbers(s)) first = &tensor;
    }
    if (!first) return;
    const number::Format &format = format_named(first->info.format);
    const double amax = double{first->summary.total.amax};
    const double spacing = number::ulp_at(format, amax);
    Finding f;
    f.detector = unrepresentable_integers.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = first->info.layer;
    f.tensor = first->info.name;
    f.first_step = first->summary.steps.empty() ? -1 : first->summary.steps.front();
    f.weight = 83;
    f.evidence =
        fmt::format("{} holds whole numbers up to {} in {}, which is exact up to {:.0f} only; near the largest, "
                    "every {:.0f} of them share one value.",
                    named(f.tensor), figure(amax), format.name, std::ldexp(1.0, format.precision), spacing);
    f.cause = fmt::format("Integers in {} are rounded to {}, and different ones become the same.", named(f.layer),
                          format.name);
    f.remedy =
        fmt::format("Keep the integers, and the angles or embeddings made of them, in fp32 until they are bounded "
                    "by sin, cos or a table ({} under a layer override).",
                    named(f.layer));
    findings.push_back(std::move(f));
}

} // namespace

const Detector unrepresentable_integers{
    {"unrepresentable-integers", "Integers the format cannot hold",
     "A forward tensor of whole numbers (told by their sums) stored in 16 bits beyond the last exact integer, with a "
     "rounding error.",
     "Exact: 2^8 = 256 in bf16, 2^11 = 2048 in fp16, and at least one value rounded.",
     "Positions 0 to 4095 in bf16: 769 distinct values are left of 4096, and 4081 to 4095 are all 4080 or 4096. In "
     "fp16 "
     "3073 are left.",
     "Keep positions and timesteps in fp32 up to the sine, cosine or table look-up."},
    find};

} // namespace halfscope::analysis
