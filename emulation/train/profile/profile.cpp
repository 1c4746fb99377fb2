#include "emulation/train/profile/profile.h"

#include "emulation/train/lowering/lower.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/evaluation.h"
#include "emulation/train/run/step_cost.h"
#include "emulation/train/run/trained_weights.h"
#include "emulation/train/run/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <memory>

namespace halfscope::train {
namespace {

/// The fp32 step costs as much as the recipe's: short runs sample a sixth of their steps, at least 16 of them; long
/// ones 64, which a noisy loss read in fp32 needs to be worth something.
constexpr std::int64_t fewest_samples = 16, most_samples = 64, usual_period = 6;

struct RunRequest {
    trace::Run::Kind kind = trace::Run::Kind::recipe;
    Recipe recipe;
    TrainingSettings training;
    std::string label;
};

class Profile {
  public:
    Profile(const model::Graph &forward, const data::Dataset &dataset, const ProfileSettings &settings,
            ops::Backend &backend, trace::Writer &writer, const ProgressCallback &progress)
        : forward_(forward),
          dataset_(dataset),
          settings_(settings),
          backend_(backend),
          writer_(writer),
          progress_(progress) {
        for (const Recipe &recipe : settings.recipes) {
            if (recipe.policy == Policy::full && recipe.layers.empty()) continue;
            Recipe effective = recipe;
            if (settings.accumulation) effective.accumulation = *settings.accumulation;
            if (settings.loss_scale) effective.loss_scale = *settings.loss_scale;
            effective = settings.kept.in(std::move(effective));
            (void)parse_loss_scale(effective.loss_scale);
            (void)lower(forward, effective); // throws now rather than after an hour
            recipes_.push_back(std::move(effective));
        }
        (void)trained_weights(forward, settings.training.freeze);
    }

    bool run() {
        if (settings_.fidelity && !recipes_.empty())
            twin_ = std::make_unique<Twin>(forward_, settings_.training, backend_);
        if (settings_.reference && !run_fp32()) return false;
        for (const Recipe &recipe : recipes_)
            if (!train({trace::Run::Kind::recipe, recipe, settings_.training, recipe.name}, forward_)) return false;
        return true;
    }

  private:
    [[nodiscard]] bool stopped() const { return settings_.stop && *settings_.stop; }

    bool run_fp32() {
        const Recipe fp32 = recipe_named("fp32");
        if (!train({trace::Run::Kind::reference, fp32, settings_.training, fp32.name}, forward_)) return false;
        for (int sibling = 1; sibling <= settings_.siblings; ++sibling)
            if (!train_sibling(fp32, sibling)) return false;
        return true;
    }

    bool train_sibling(const Recipe &fp32, int sibling) {
        RunRequest request{trace::Run::Kind::sibling, fp32, settings_.training, fmt::format("fp32 seed {}", sibling)};
        request.training.seed += static_cast<std::uint64_t>(sibling);
        request.training.trace_every = 0;
        // In file order another seed would change nothing.
        if (!settings_.reinitialised) request.training.order = data::Order::shuffled;
        if (!settings_.reinitialised) return train(request, forward_);
        return train(request, settings_.reinitialised(request.training.seed));
    }

    [[nodiscard]] static trace::Run described(const RunRequest &request, const LossScaleRule &rule) {
        const Recipe &recipe = request.recipe;
        trace::Run run;
        run.kind = request.kind;
        run.recipe = recipe.name;
        run.compute_format = std::string(ops::name_of(recipe.compute));
        run.weight_format = std::string(ops::name_of(recipe.weights));
        run.master_weights = recipe.master_weights;
        run.optimizer = std::string(name_of(request.training.optimizer.kind));
        run.state_format = std::string(ops::name_of(recipe.state));
        run.loss_scale_rule = text_of(rule);
        run.seed = request.training.seed;
        run.planned_steps = request.training.steps;
        run.description = recipe.description;
        return run;
    }

    /// False when it was stopped.
    bool train(const RunRequest &request, const model::Graph &forward) {
        const bool recipe = request.kind == trace::Run::Kind::recipe;
        const LossScaleRule rule = parse_loss_scale(request.recipe.loss_scale);
        TrainingRun run(forward, request.recipe, rule, request.training, backend_, recipe ? twin_.get() : nullptr);
        trace::Run described_run = described(request, rule);
        described_run.cost = step_cost(run.graph(), run.optimizer(), run.average() ? &*run.average() : nullptr);
        const trace::RunId id = writer_.begin_run(described_run);
        if (request.training.trace_every > 0) writer_.tensors(id, run.tensors());

        const TrainingSettings &training = request.training;
        const std::int64_t batch = demand_of(forward).batch;
        data::SampleOrder order(training.order, training.seed, dataset_.size(data::Split::training));
        bool fidelity_due = false;
        for (std::int64_t step = 0; step < training.steps; ++step) {
            if (stopped()) return false;
            std::vector<Batch> batches;
            const int per_step = training.batches_per_step();
            for (int i = 0; i < per_step; ++i)
                batches.push_back(
                    dataset_.batch(order.take((step * per_step + i) * batch, batch), data::Split::training));
            const bool traced = training.trace_every > 0 && step % training.trace_every == 0;
            fidelity_due = fidelity_due || is_fidelity_step(step, training.steps);
            const StepRecord record = run.step(batches, traced, fidelity_due);
            if (!record.fidelity.empty()) fidelity_due = false; // a skipped step has none: the next one is asked
            writer_.step(id, record.step, record.tensors, record.fidelity, record.events, record.drifts);
            if (progress_) progress_(request.label, step + 1, training.steps, record.step.loss);
            if (!run.stop_reason().empty()) break;
        }
        if (settings_.evaluation)
            for (const trace::Evaluation &evaluation : evaluate(run, dataset_, training.steps, settings_.stop))
                writer_.evaluation(id, evaluation);
        writer_.end_run(id);
        return !stopped();
    }

    const model::Graph &forward_;
    const data::Dataset &dataset_;
    const ProfileSettings &settings_;
    ops::Backend &backend_;
    trace::Writer &writer_;
    const ProgressCallback &progress_;
    std::vector<Recipe> recipes_;
    std::unique_ptr<Twin> twin_;
};

} // namespace

bool is_fidelity_step(std::int64_t step, std::int64_t steps) {
    if (step == 0 || std::has_single_bit(static_cast<std::uint64_t>(step))) return true;
    const std::int64_t period = std::max(steps / most_samples, std::min(steps / fewest_samples, usual_period));
    return step % std::max<std::int64_t>(1, period) == 0;
}

bool profile(const model::Graph &forward, const data::Dataset &dataset, const ProfileSettings &settings,
             ops::Backend &backend, trace::Writer &writer, const ProgressCallback &progress) {
    return Profile(forward, dataset, settings, backend, writer, progress).run();
}

} // namespace halfscope::train
