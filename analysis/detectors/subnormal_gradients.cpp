// subnormal-gradients: many gradients live in the format's subnormal range.
//
// What it looks for. Gradient tensors whose stored values are to a fifth or more subnormal (fp16: below 2^-14). They
// are not lost, but they have fewer significand bits (one less a binade, a single one at 2^-24), and hardware that
// flushes subnormals to zero, as some CPUs' bf16 and dot-product instructions and some older accelerators do, loses all
// of them (hazard H01). Information only: the verdict does not turn on it.
//
// Threshold. A fifth of the non-zero values: a loss scale 2^3 larger would usually bring that under one in a hundred.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

constexpr double many = 0.2;

void find(const Evidence &e, std::vector<Finding> &findings) {
    const TensorHistory *worst = nullptr;
    std::vector<std::string> layers;
    for (const TensorHistory &tensor : e.ranges.tensors) {
        if (tensor.info.role != "gradient" && tensor.info.role != "weight_gradient") continue;
        if (tensor.summary.subnormal_share < many || !is_reduced(format_named(tensor.info.format))) continue;
        if (std::find(layers.begin(), layers.end(), tensor.info.layer) == layers.end())
            layers.push_back(tensor.info.layer);
        if (!worst || tensor.summary.subnormal_share > worst->summary.subnormal_share) worst = &tensor;
    }
    if (!worst) return;
    const number::Format &format = format_named(worst->info.format);
    Finding f;
    f.detector = subnormal_gradients.info.id;
    f.severity = Severity::info;
    f.layer = worst->info.layer;
    f.tensor = worst->info.name;
    f.first_step = worst->summary.steps.empty() ? -1 : worst->summary.steps.front();
    f.weight = 10;
    f.evidence = fmt::format("{} of the non-zero values of {} are subnormal in {} (below 2^{}); {} affected.",
                             percent(worst->summary.subnormal_share), named(f.tensor), format.name, format.emin,
                             counted(static_cast<long long>(layers.size()), "layer"));
    f.cause =
        fmt::format("The gradients of {} are small for {}: stored with fewer bits, and lost on hardware that flushes "
                    "subnormals.",
                    named(f.layer), format.name);
    f.remedy = "A larger loss scale (see the window), or bf16.";
    findings.push_back(std::move(f));
}

} // namespace

const Detector subnormal_gradients{
    {"subnormal-gradients", "Gradients in the subnormal range",
     "Gradient tensors of which a fifth or more of the non-zero stored values are subnormal.",
     "A fifth. Information only: they are kept, with fewer bits, except where hardware flushes subnormals to zero.",
     "2^-20 is stored in fp16 with 5 significand bits instead of 11; hardware that flushes loses everything below "
     "2^-14 = "
     "6.1e-5.",
     "A larger loss scale, or bf16."},
    find};

} // namespace halfscope::analysis
