// subnormal-flush: the arithmetic flushes subnormal results to zero.
//
// What it looks for. The exponent histogram says that values of a gradient tensor lie between the smallest subnormal
// and the smallest normal (fp16: 2^-24 to 2^-14) and should have been stored as subnormals; none was, and at least as
// many were counted as underflows. Such arithmetic loses ten binades more than fp16 has to (hazard H01): a loss scale
// that is enough elsewhere is not enough here.
//
// Threshold. One value in a hundred: from there gradient underflow is worth naming. Harmful when the layer's gradient
// retains less than 0.9 of fp32's; else information.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

constexpr double worth_naming = 0.01;

/// Share of the finite non-zero values that were flushed; 0 when subnormals are kept.
double flushed(const TensorHistory &tensor) {
    const number::RangeStatistics &s = tensor.summary.total;
    if (s.subnormals > 0) return 0;
    const WhatIf kept = what_if(s.exponents, double{s.amax}, format_named(tensor.info.format), 0);
    if (kept.values == 0 || s.underflows < kept.underflows + kept.subnormals) return 0;
    return static_cast<double>(kept.subnormals) / static_cast<double>(kept.values);
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *worst = nullptr;
    double share = 0;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.role != "gradient" && tensor.info.role != "weight_gradient") continue;
        if (!is_reduced(format_named(tensor.info.format))) continue;
        if (const double lost = flushed(tensor); lost >= worth_naming && lost > share) {
            worst = &tensor;
            share = lost;
        }
    }
    if (!worst) return;
    const number::Format &format = format_named(worst->info.format);
    const LayerFidelity *layer = e.fidelity.find(worst->info.layer);
    const bool harmful = layer && layer->late.known() && layer->late.gradient_retained < costly_retained;
    Finding f;
    f.detector = subnormal_flush.info.id;
    f.severity = harmful ? e.severity_if_bad(Severity::warning) : Severity::info;
    f.layer = worst->info.layer;
    f.tensor = worst->info.name;
    f.first_step = worst->summary.steps.empty() ? -1 : worst->summary.steps.front();
    f.weight = 81;
    f.evidence =
        fmt::format("{} of the non-zero values of {} lie between 2^{} and 2^{}, where {} has subnormals, and all "
                    "of them were stored as zero.",
                    percent(share), named(f.tensor), smallest_log2(format), format.emin, format.name);
    f.cause = fmt::format("Subnormals are flushed to zero: the range of {} ends at 2^{} instead of 2^{}.", format.name,
                          format.emin, smallest_log2(format));
    f.remedy =
        fmt::format("Use a loss scale {} times larger where the window allows it, bf16, or arithmetic that keeps "
                    "subnormals.",
                    1 << (format.precision - 1));
    findings.push_back(std::move(f));
}

} // namespace

const Detector subnormal_flush{
    {"subnormal-flush", "Subnormals flushed to zero",
     "Gradient values that the exponent histogram places among the format's subnormals, none of which was stored as "
     "one.",
     "1 % of the non-zero values. Harmful when the layer's gradient retains less than 0.9 of fp32's, else information.",
     "2^-18 is a subnormal in fp16 and is kept with 7 bits; hardware that flushes stores 0. With a loss scale 1024 "
     "times "
     "larger it is 2^-8.",
     "A loss scale 1024 times larger, bf16, or arithmetic that keeps subnormals."},
    find};

} // namespace halfscope::analysis
