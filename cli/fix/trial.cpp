#include "cli/fix/trial.h"

#include "analysis/verdict/assess.h"
#include "trace/io/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <system_error>

namespace halfscope::cli {
namespace {

/// A loss that has not been finite for a fifth of the run, and for twenty steps, does not come back: a dynamic scale
/// falls by 2^20 in so many steps, and no scale makes an activation finite.
constexpr std::int64_t hopeless_part = 5, hopeless_steps = 20;

} // namespace

Trials::Trials(const TrialSetting &setting)
    : setting_(setting),
      fp32_(std::make_unique<trace::Reader>(setting.directory)),
      folder_(setting.directory / "tries") {}

Trials::~Trials() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

bool Trials::train_into(const std::filesystem::path &folder, const model::Graph &graph,
                        const train::ProfileSettings &given, const std::string &label) {
    std::atomic<bool> stop = false;
    train::ProfileSettings settings = given;
    settings.stop = &stop;
    trace::Writer writer(folder);
    writer.session(fp32_->session());
    std::int64_t lost_in_a_row = 0;
    std::string current;
    const auto report = [&](const std::string &run, std::int64_t step, std::int64_t steps, double loss) {
        if (run != current) {
            current = run;
            setting_.progress.begin(run == given.recipes.front().name ? label : run, steps);
        }
        setting_.progress.step(step, loss);
        if (step == steps) setting_.progress.end();
        lost_in_a_row = std::isfinite(loss) ? 0 : lost_in_a_row + 1;
        if (setting_.interrupted || lost_in_a_row >= std::max(hopeless_steps, steps / hopeless_part)) stop = true;
    };
    (void)train::profile(graph, *setting_.model.dataset, settings, setting_.backend, writer, report);
    if (stop) setting_.progress.end();
    return !setting_.interrupted;
}

std::optional<analysis::RecipeAssessment>
Trials::run(const train::Recipe &recipe, const train::TrainingSettings &training, const std::string &label) {
    train::ProfileSettings settings = setting_.settings;
    settings.training = training;
    settings.recipes = {recipe};
    settings.loss_scale.reset(); // the recipe says so itself
    settings.accumulation.reset();
    settings.kept = {};
    settings.reference = false;
    if (!train_into(folder_, setting_.model.graph, settings, label)) return std::nullopt;
    analysis::Assessment assessment = analysis::assess(trace::Reader(folder_), *fp32_);
    return std::move(assessment.recipes.front());
}

std::optional<analysis::RecipeAssessment> Trials::confirm(const train::Recipe &recipe,
                                                          const train::TrainingSettings &training, std::uint64_t seed) {
    train::ProfileSettings settings = setting_.settings;
    settings.training = training;
    if (settings.training.order == data::Order::file && !settings.reinitialised) return std::nullopt;
    settings.recipes = {recipe};
    settings.loss_scale.reset();
    settings.accumulation.reset();
    settings.kept = {};
    settings.training.seed = seed;
    const std::string label = fmt::format("confirming with seed {}", seed);
    const model::Graph graph = settings.reinitialised ? settings.reinitialised(seed) : setting_.model.graph;
    if (!train_into(folder_, graph, settings, label)) return std::nullopt;
    analysis::Assessment assessment = analysis::assess(trace::Reader(folder_));
    if (assessment.recipes.empty()) return std::nullopt;
    return std::move(assessment.recipes.front());
}

} // namespace halfscope::cli
