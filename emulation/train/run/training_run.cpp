#include "emulation/train/run/training_run.h"

#include "emulation/model/autodiff/differentiate.h"
#include "emulation/train/lowering/lower.h"
#include "emulation/train/run/first_non_finite.h"
#include "emulation/train/run/trained_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>

namespace halfscope::train {
namespace {

using model::ValueId;

/// A step that is not finite is replayed the first few times and then ever more rarely.
constexpr std::int64_t replays_in_full = 4;
constexpr const char *sum_operation = "gradient_accumulation", *reduce_operation = "all_reduce";

/// Backward infinities that vanish at this much less scale are the scale's doing.
constexpr double replay_scale_divisor = 1024;

model::Graph differentiated(const model::Graph &lowered, const TrainingSettings &settings) {
    model::Graph graph = lowered;
    model::differentiate(graph, trained_weights(graph, settings.freeze));
    return graph;
}

std::vector<ValueId> wanted_of(const model::Graph &graph, bool watched) {
    std::vector<ValueId> wanted = ExactRunningStatistics::wanted(graph, watched);
    for (ValueId id : graph.weight_gradients)
        if (id != model::none) wanted.push_back(id);
    wanted.push_back(graph.loss);
    return wanted;
}

std::vector<std::int64_t> sizes(const ops::Shape &shape) { return {shape.sizes().begin(), shape.sizes().end()}; }

} // namespace

TrainingRun::TrainingRun(const model::Graph &forward, const Recipe &recipe, const LossScaleRule &rule,
                         const TrainingSettings &settings, ops::Backend &backend, Twin *twin)
    : recipe_(recipe),
      settings_(settings),
      scaler_(rule),
      twin_(twin),
      lowered_(lower(forward, recipe)),
      graph_(differentiated(lowered_, settings)),
      executor_(graph_, backend, wanted_of(graph_, twin != nullptr)),
      optimizer_(executor_, recipe_, settings_),
      exact_statistics_(graph_, executor_, twin != nullptr) {
    if (settings_.ema_decay > 0) average_.emplace(optimizer_, backend, recipe_, settings_.ema_decay, twin != nullptr);
    list_tensors();
}

void TrainingRun::list_tensors() {
    tensor_of_value_.assign(graph_.values.size(), -1);
    const auto append = [&](trace::TensorInfo info) {
        info.id = info.order = static_cast<std::int64_t>(tensors_.size());
        tensors_.push_back(std::move(info));
        return tensors_.back().id;
    };
    for (ValueId id : executor_.traced()) {
        const model::Value &value = graph_.value(id);
        const model::Node &node = graph_.node(value.producer);
        const bool backward = node.phase == model::Phase::backward;
        trace::TensorInfo info{0,
                               value.name,
                               value.layer,
                               std::string(model::name_of(value.role)),
                               std::string(ops::name_of(node.operation.kind)),
                               node.policy,
                               std::string(ops::name_of(value.dtype)),
                               sizes(value.shape),
                               0,
                               backward,
                               backward};
        tensor_of_value_[static_cast<std::size_t>(id)] = append(std::move(info));
    }
    first_sum_tensor_ = static_cast<trace::TensorId>(tensors_.size());
    // The same order as in gather_sums().
    for (const Parameter &parameter : optimizer_.parameters()) {
        if (!parameter.sum) continue;
        const auto sum = [&](const std::optional<GradientSum::Part> &part, const char *suffix, const char *operation) {
            if (part)
                append({0, parameter.name + suffix, parameter.layer, "weight_gradient", operation, operation,
                        std::string(ops::name_of(part->view.dtype)), sizes(part->view.shape), 0, true, true});
        };
        sum(parameter.sum->sum(), ".grad.sum", sum_operation);
        sum(parameter.sum->reduced(), ".grad.all_reduce", reduce_operation);
    }
    first_optimizer_tensor_ = static_cast<trace::TensorId>(tensors_.size());
    const std::string operation(settings_.optimizer.kind == OptimizerKind::sgd ? "sgd_step" : "adam_step");
    const auto state = [&](const Parameter &parameter, const char *suffix, const char *role, ops::DType dtype) {
        append({0, parameter.name + suffix, parameter.layer, role, operation,
                std::string(name_of(settings_.optimizer.kind)), std::string(ops::name_of(dtype)),
                sizes(parameter.value.shape), 0, false, false});
    };
    // The same order as in gather_optimizer().
    for (const Parameter &parameter : optimizer_.parameters()) {
        if (parameter.stored_measured) state(parameter, "", "weight", parameter.stored.dtype);
        const bool adam = settings_.optimizer.kind != OptimizerKind::sgd;
        if (parameter.first.view.data)
            state(parameter, adam ? ".m" : ".momentum", "optimizer_state", parameter.first.view.dtype);
        if (parameter.second.view.data) state(parameter, ".v", "optimizer_state", parameter.second.view.dtype);
        if (parameter.compensation.view.data)
            state(parameter, ".compensation", "optimizer_state", parameter.compensation.view.dtype);
        state(parameter, ".update", "update", ops::DType::fp32);
    }
    if (average_)
        for (std::size_t i = 0; i < average_->weights().size(); ++i)
            state(optimizer_.parameters()[i], ".average", "optimizer_state", average_->weights()[i].kept.view.dtype);
}

void TrainingRun::load_batch(const Batch &batch) {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) executor_.upload(graph_.inputs[i], batch[i]);
}

float TrainingRun::seed_of(double scale) const { return static_cast<float>(scale / settings_.micro_batches); }

std::uint32_t TrainingRun::key(std::size_t micro) const {
    return static_cast<std::uint32_t>(step_ * settings_.batches_per_step() + static_cast<std::int64_t>(micro));
}

StepRecord TrainingRun::step(std::span<const Batch> batches, bool traced, bool fidelity) {
    const auto start = std::chrono::steady_clock::now();
    StepRecord record;
    trace::Step &facts = record.step;
    facts.step = step_;
    facts.loss_scale = scaler_.scale();
    facts.learning_rate = learning_rate_at(settings_, step_);

    // --- forward and backward
    if (traced) executor_.clear_statistics();
    executor_.set_loss_scale(seed_of(facts.loss_scale));
    for (std::size_t micro = 0; micro < batches.size(); ++micro) {
        load_batch(batches[micro]);
        executor_.run(settings_.seed, key(micro), traced ? Measure::traced : Measure::nothing);
        facts.loss += executor_.scalar(graph_.loss) / static_cast<double>(batches.size());
        optimizer_.accumulate(micro, fidelity && twin_, traced);
        exact_statistics_.add(executor_);
        // Each micro-batch goes on from the running statistics the last one left, and each rank.
        if (micro + 1 < batches.size()) executor_.commit_buffers();
    }

    if (traced) gather_graph(record);
    gather_sums(record, traced);

    // --- gradients
    const bool clip = settings_.clip_norm > 0;
    const auto unscale = [&] {
        if (clip && settings_.clip_scaled)
            optimizer_.multiply(clip_factor(optimizer_.norm(true), settings_.clip_norm), true);
        return optimizer_.unscale(facts.loss_scale);
    };
    const bool overflow = unscale();
    facts.gradient_norm = optimizer_.norm(false);
    facts.skipped = overflow && scaler_.checks();
    if (overflow || !std::isfinite(facts.loss)) {
        explain(batches, record);
        // The replays left other gradients behind; sums of several have memory of their own.
        if (!facts.skipped && batches.size() == 1) {
            load_batch(batches.front());
            executor_.set_loss_scale(seed_of(facts.loss_scale));
            executor_.run(settings_.seed, key(0));
            optimizer_.accumulate(0, false, false);
            (void)unscale();
        }
    }
    if (clip && !settings_.clip_scaled && !facts.skipped)
        optimizer_.multiply(clip_factor(facts.gradient_norm, settings_.clip_norm), false);

    // --- update
    if (!facts.skipped) {
        const bool compare = fidelity && twin_ && !overflow;
        std::vector<std::vector<double>> before;
        if (compare) {
            twin_->load(optimizer_, updates_ + 1);
            for (const Parameter &parameter : optimizer_.parameters())
                before.push_back(doubles_of(executor_.backend(), parameter.value));
        }
        ++updates_;
        optimizer_.apply(facts.learning_rate, updates_, static_cast<std::uint32_t>(step_), traced);
        if (average_) average_->update(optimizer_, traced);
        if (compare) {
            facts.loss_in_fp32 = twin_->step(batches, facts.learning_rate, updates_, key(0));
            record.fidelity = twin_->compare(optimizer_, before, step_);
        }
        if (traced) gather_optimizer(record);
    }

    scaler_.update(overflow);
    facts.loss_scale_after = scaler_.scale();
    if (!scaler_.stop_reason().empty()) {
        trace::Event event;
        event.step = step_;
        event.kind = "stopped";
        event.detail = scaler_.stop_reason();
        record.events.push_back(std::move(event));
    }
    executor_.commit_buffers();
    if (twin_ && (fidelity || step_ + 1 == settings_.steps)) gather_drifts(record);
    ++step_;
    facts.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return record;
}

void TrainingRun::gather_graph(StepRecord &record) const {
    for (ValueId id : executor_.traced())
        record.tensors.push_back({step_, tensor_of_value_[static_cast<std::size_t>(id)], *executor_.statistics(id)});
}

void TrainingRun::gather_drifts(StepRecord &record) const {
    const auto append = [&](std::vector<trace::Drift> drifts) {
        for (trace::Drift &drift : drifts) {
            drift.step = step_;
            record.drifts.push_back(std::move(drift));
        }
    };
    if (average_) append(average_->drifts(optimizer_));
    append(exact_statistics_.drifts(executor_));
    if (settings_.optimizer.kind == OptimizerKind::sgd || !ops::is_16bit(recipe_.step_counter) || updates_ == 0) return;
    const auto exact = static_cast<double>(updates_);
    trace::Drift counter = drift_between({static_cast<double>(counted(updates_, recipe_.step_counter))}, {exact});
    counter.kind = "step_counter";
    counter.format = std::string(ops::name_of(recipe_.step_counter));
    counter.terms = updates_;
    append({std::move(counter)});
}

void TrainingRun::gather_sums(StepRecord &record, bool traced) const {
    trace::TensorId tensor = first_sum_tensor_;
    for (const Parameter &parameter : optimizer_.parameters()) {
        if (!parameter.sum) continue;
        for (const auto *part : {&parameter.sum->sum(), &parameter.sum->reduced()})
            if (*part && traced) record.tensors.push_back({step_, tensor++, (*part)->statistics});
        std::optional<trace::Drift> drift = parameter.sum->drift();
        if (!drift) continue;
        drift->step = step_;
        drift->name = parameter.name;
        drift->layer = parameter.layer;
        record.drifts.push_back(std::move(*drift));
    }
}

void TrainingRun::gather_optimizer(StepRecord &record) const {
    trace::TensorId tensor = first_optimizer_tensor_;
    const auto state = [&](const number::RangeStatistics &statistics) {
        record.tensors.push_back({step_, tensor++, statistics});
    };
    for (const Parameter &parameter : optimizer_.parameters()) {
        if (parameter.stored_measured) state(parameter.stored_statistics);
        if (parameter.first.view.data) state(parameter.first.statistics);
        if (parameter.second.view.data) state(parameter.second.statistics);
        if (parameter.compensation.view.data) state(parameter.compensation.statistics);
        state(parameter.update.statistics);
    }
    if (average_)
        for (const AveragedWeight &average : average_->weights()) state(average.kept.statistics);
}

void TrainingRun::explain(std::span<const Batch> batches, StepRecord &record) {
    ++non_finite_steps_;
    if (!std::isfinite(record.step.loss)) {
        trace::Event event;
        event.step = step_;
        event.kind = "loss_not_finite";
        event.layer = graph_.value(graph_.loss).layer;
        event.detail = fmt::format("the loss is {}", record.step.loss);
        record.events.push_back(std::move(event));
    }
    if (non_finite_steps_ > replays_in_full && !std::has_single_bit(static_cast<std::uint64_t>(non_finite_steps_)))
        return;
    for (std::size_t micro = 0; micro < batches.size(); ++micro) {
        load_batch(batches[micro]);
        executor_.clear_statistics();
        executor_.set_loss_scale(seed_of(record.step.loss_scale));
        executor_.run(settings_.seed, key(micro), Measure::all);
        if (twin_) {
            twin_->load(optimizer_, 1);
            twin_->measure(batches[micro], key(micro));
        }
        const NonFiniteSources sources = find_non_finite_source(executor_, twin_ ? &twin_->executor() : nullptr);
        if (sources.infinity) report(*sources.infinity, "first_inf", batches[micro], micro, record);
        if (sources.nan) report(*sources.nan, "first_nan", batches[micro], micro, record);
        if (sources.infinity || sources.nan) return;
    }
    report_sum(record);
}

void TrainingRun::report_sum(StepRecord &record) const {
    trace::TensorId tensor = first_sum_tensor_;
    for (const Parameter &parameter : optimizer_.parameters()) {
        if (!parameter.sum) continue;
        const auto &sum = parameter.sum->sum(), &reduced = parameter.sum->reduced();
        tensor += static_cast<trace::TensorId>(sum.has_value()) + static_cast<trace::TensorId>(reduced.has_value());
        const ops::TensorView &result = parameter.sum->result();
        const std::vector<double> values = doubles_of(executor_.backend(), result);
        if (std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) continue;
        trace::Event event;
        event.step = step_;
        event.kind = "first_inf";
        event.tensor = tensor - 1;
        event.layer = parameter.layer;
        event.operation = reduced ? reduce_operation : sum_operation;
        event.backward = true;
        event.limit = largest_finite(result.dtype);
        event.scale_dependent = true;
        event.detail = fmt::format("the gradients of {} batches are finite, their sum in {} is not",
                                   settings_.batches_per_step(), ops::name_of(result.dtype));
        record.events.push_back(std::move(event));
        return;
    }
}

void TrainingRun::report(const NonFiniteSource &source, const char *kind, const Batch &batch, std::size_t micro,
                         StepRecord &record) {
    const model::Node &node = graph_.node(source.node);
    trace::Event event;
    event.step = step_;
    event.kind = kind;
    event.tensor = tensor_of_value_[static_cast<std::size_t>(source.value)];
    event.layer = graph_.value(source.value).layer;
    event.operation = std::string(ops::name_of(node.operation.kind));
    event.backward = node.phase == model::Phase::backward;
    event.input_amax = source.input_amax;
    event.limit = source.limit;
    event.detail = source.detail;
    if (event.backward) {
        load_batch(batch);
        executor_.clear_statistics();
        executor_.set_loss_scale(seed_of(record.step.loss_scale / replay_scale_divisor));
        executor_.run(settings_.seed, key(micro), Measure::all);
        event.scale_dependent = !held_non_finite(executor_, source.value);
    }
    record.events.push_back(std::move(event));
}

} // namespace halfscope::train
