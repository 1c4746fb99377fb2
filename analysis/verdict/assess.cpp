#include "analysis/verdict/assess.h"

#include "analysis/compare/finished_model.h"
#include "analysis/compare/outcome.h"
#include "analysis/compare/update_fidelity.h"
#include "analysis/detectors/detector.h"
#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/loss_scale_window.h"
#include "analysis/statistics/tensor_history.h"
#include "analysis/verdict/judge.h"

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

namespace {

std::vector<double> losses_of(const trace::StoredRun &run) {
    std::vector<double> losses;
    losses.reserve(run.steps.size());
    for (const trace::Step &step : run.steps) losses.push_back(step.loss);
    return losses;
}

/// Storage of the loss; fp32 when it was not traced.
const number::Format &loss_format(const trace::StoredRun &run) {
    for (const trace::TensorInfo &tensor : run.tensors)
        if (tensor.role == "loss" && !tensor.backward) return format_named(tensor.format);
    return number::format_of(number::FormatId::fp32);
}

/// The twin seen by the analysis of a recipe; everything is empty when the trace has none.
struct Twin {
    const trace::StoredRun *run = nullptr;
    RunRanges ranges;
};

/// fp32 runs with other seeds.
struct Siblings {
    std::vector<std::vector<double>> losses;
    std::vector<std::vector<trace::Evaluation>> evaluations;
};

std::optional<double> known(double value) { return std::isnan(value) ? std::nullopt : std::optional(value); }

void add_to_layers(std::vector<LayerSummary> &layers, const FidelitySummary &fidelity, const ScaleWindows &windows) {
    for (LayerSummary &layer : layers) {
        if (const LayerFidelity *f = fidelity.find(layer.name); f && f->all.known()) {
            layer.fidelity_cosine = known(f->all.cosine);
            layer.fidelity_norm_ratio = known(f->all.norm_ratio);
            layer.fidelity_moved = known(f->all.moved);
            layer.fidelity_retained = known(f->all.retained);
        }
        if (const auto at = windows.layers.find(layer.name); at != windows.layers.end() && at->second.fits())
            layer.scale_window_log2 = std::pair(at->second.low, at->second.high);
    }
}

RecipeAssessment assess_recipe(const trace::Session &session, const trace::Reader &reader, const trace::StoredRun &run,
                               const Twin &twin, const Siblings &siblings) {
    RecipeAssessment result;
    result.run = run.run;
    result.complete = run.complete;
    result.steps = run.steps;
    result.evaluations = run.evaluations;
    result.events = run.events;

    const RunRanges ranges = read_ranges(reader, run);
    const RunRanges *twin_ranges = twin.run ? &twin.ranges : nullptr;
    const std::vector<trace::Step> none;
    const Comparison comparison =
        compare_outcome(run.steps, twin.run ? twin.run->steps : none, siblings.losses, loss_format(run));
    const FidelitySummary fidelity = summarize_fidelity(run, ranges);
    const ScaleWindows windows = scale_windows(ranges, twin_ranges);
    const NonFiniteOrigins origins = find_origins(run, ranges, twin_ranges);
    const FinishedModel finished = compare_finished(run, twin.run, siblings.evaluations);
    const Evidence evidence{session, run, ranges, twin_ranges, comparison, fidelity, windows, origins, finished};

    for (const Detector &detector : detectors()) detector.find(evidence, result.findings);
    rank(result.findings);

    // The twin over the same steps: what it does later does not excuse or accuse this run.
    std::vector<double> twin_losses = twin.run ? losses_of(*twin.run) : std::vector<double>{};
    if (comparison.steps > 0 && static_cast<std::int64_t>(twin_losses.size()) > comparison.steps)
        twin_losses.resize(static_cast<std::size_t>(comparison.steps));
    Judgement judgement = judge(evidence, judge_twin(twin_losses), result.findings, siblings.losses.size());

    result.verdict = judgement.verdict;
    result.headline = std::move(judgement.headline);
    result.confidence = std::move(judgement.confidence);
    result.outcome = comparison.outcome;
    result.fidelity = fidelity.points;
    result.skipped_steps = std::count_if(run.steps.begin(), run.steps.end(), [](const auto &s) { return s.skipped; });
    if (windows.model.fits() && !windows.model.high_layer.empty())
        result.scale_window_log2 = std::pair(windows.model.low, windows.model.high);
    result.scale_window_sentence = windows.sentence;
    result.layers = summarize_layers(ranges, twin_ranges);
    add_to_layers(result.layers, fidelity, windows);
    return result;
}

} // namespace

Assessment assess(const trace::Reader &reader) { return assess(reader, reader); }

Assessment assess(const trace::Reader &reader, const trace::Reader &fp32) {
    Assessment assessment;
    assessment.session = reader.session();
    const std::vector<trace::StoredRun> runs = fp32.runs();

    Twin twin;
    Siblings siblings;
    for (const trace::StoredRun &run : runs) {
        if (run.run.kind == trace::Run::Kind::reference && !twin.run) twin.run = &run;
        if (run.run.kind != trace::Run::Kind::sibling) continue;
        siblings.losses.push_back(losses_of(run));
        siblings.evaluations.push_back(run.evaluations);
    }
    ReferenceAssessment &reference = assessment.reference;
    if (twin.run) {
        twin.ranges = read_ranges(fp32, *twin.run);
        reference.run = twin.run->run;
        reference.complete = twin.run->complete;
        reference.steps = twin.run->steps;
        reference.evaluations = twin.run->evaluations;
        reference.layers = summarize_layers(twin.ranges, nullptr);
        const TwinSoundness soundness = judge_twin(losses_of(*twin.run));
        reference.sound = soundness.present && !soundness.diverged && soundness.learns;
        reference.problem = soundness.problem;
        if (!soundness.present) reference.problem = "the fp32 twin has no finished step";
    } else {
        reference.sound = false;
        reference.problem = "the trace has no fp32 twin";
    }
    reference.sibling_losses = siblings.losses;

    for (const trace::StoredRun &run : &reader == &fp32 ? runs : reader.runs())
        if (run.run.kind == trace::Run::Kind::recipe)
            assessment.recipes.push_back(assess_recipe(assessment.session, reader, run, twin, siblings));
    return assessment;
}

} // namespace halfscope::analysis
