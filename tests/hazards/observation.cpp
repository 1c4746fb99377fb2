#include "tests/hazards/observation.h"

#include "analysis/verdict/assess.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/profile.h"
#include "emulation/train/profile/training_options.h"
#include "trace/io/reader.h"
#include "trace/io/writer.h"

#include <cmath>
#include <stdexcept>

namespace halfscope::hazards {
namespace {

void read_baselines(const analysis::RecipeAssessment &recipe, Observation &seen) {
    for (const trace::Step &step : recipe.steps)
        seen.any_inf_or_nan = seen.any_inf_or_nan || step.skipped || !std::isfinite(step.loss);
    for (const analysis::LayerSummary &layer : recipe.layers)
        for (const analysis::TensorSummary &tensor : layer.tensors) {
            const number::RangeStatistics &total = tensor.total;
            if (total.overflows + total.infinities + total.nans > 0) seen.any_inf_or_nan = true;
            if (tensor.underflow_share > underflow_baseline) seen.much_underflow = true;
        }
}

Observation observation_of(const analysis::Assessment &assessment, const std::string &recipe) {
    for (const analysis::RecipeAssessment &assessed : assessment.recipes) {
        if (assessed.run.recipe != recipe) continue;
        Observation seen;
        seen.verdict = assessed.verdict;
        seen.headline = assessed.headline;
        if (!assessed.findings.empty() && assessed.findings.front().severity != analysis::Severity::info)
            seen.cause = assessed.findings.front().detector;
        for (const analysis::Finding &finding : assessed.findings)
            seen.findings.push_back(finding.detector + " (" + std::string(analysis::name_of(finding.severity)) + ")");
        seen.first_loss = assessment.reference.steps.at(0).loss;
        read_baselines(assessed, seen);
        return seen;
    }
    throw std::runtime_error("the trace has no recipe " + recipe);
}

} // namespace

std::vector<Observation> observe(const Case &tried, std::uint64_t seed, const std::filesystem::path &scratch) {
    const model::Graph forward = tried.model(seed);
    const GeneratedDataset dataset(train::demand_of(forward), tried.sample, tried.metric == Metric::held_out_loss);
    train::ProfileSettings settings;
    for (const Trial &trial : tried.trials) settings.recipes.push_back(trial.recipe);
    settings.training = tried.settings;
    settings.training.seed = seed;
    settings.reinitialised = tried.model;
    const auto backend = ops::make_cpu_backend(1);
    {
        trace::Writer writer(scratch);
        trace::Session session;
        session.model = session.model_name = tried.name;
        session.settings = train::described(settings.training);
        writer.session(session);
        train::profile(forward, dataset, settings, *backend, writer);
    }
    const analysis::Assessment assessment = analysis::assess(trace::Reader(scratch));
    std::filesystem::remove_all(scratch);
    std::vector<Observation> observations;
    for (const Trial &trial : tried.trials) observations.push_back(observation_of(assessment, trial.recipe.name));
    return observations;
}

} // namespace halfscope::hazards
