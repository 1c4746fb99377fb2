#include "emulation/train/profile/training_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace halfscope::train {
namespace {

using ops::OpKind;

struct ModelTraits {
    bool batch_norm = false, row_norm = false, softmax = false, embedding = false;
    std::int64_t parameters = 0;

    /// What such networks are trained with, unless they have batch norm.
    [[nodiscard]] bool wants_adam() const { return row_norm || softmax || embedding; }
    [[nodiscard]] std::string_view reason() const {
        if (batch_norm) return "has batch norm";
        if (row_norm && softmax) return "looks like a transformer";
        if (row_norm) return "normalises its rows";
        if (softmax) return "has a softmax inside";
        return embedding ? "has embeddings" : "is neither a transformer nor has batch norm";
    }
};

ModelTraits traits_of(const model::Graph &graph) {
    ModelTraits traits;
    for (const model::Node &node : graph.nodes) {
        const OpKind kind = node.operation.kind;
        traits.batch_norm = traits.batch_norm || kind == OpKind::batch_norm_training;
        traits.row_norm = traits.row_norm || kind == OpKind::layer_norm || kind == OpKind::rms_norm;
        traits.softmax = traits.softmax || kind == OpKind::softmax;
        traits.embedding = traits.embedding ||
                           (kind == OpKind::gather && graph.value(node.inputs.front()).role == model::Role::weight);
    }
    for (model::ValueId id : graph.weights) traits.parameters += graph.value(id).shape.elements();
    return traits;
}

constexpr std::int64_t large_model = 10'000'000;

double default_rate(OptimizerKind kind, const ModelTraits &traits) {
    if (kind != OptimizerKind::sgd) return traits.parameters >= large_model ? 3e-4 : 1e-3;
    return traits.batch_norm ? 0.05 : 0.01;
}

/// Full-size steps on fresh weights throw a network with batch norm far off (the cnn's loss rises tenfold in fp32 too),
/// and what follows is chaos that says nothing about precision: with a rate of our choosing comes a tenth of the run of
/// warm-up.
constexpr std::int64_t warmup_part = 10;

void require(bool holds, const char *flag, const char *range) {
    if (!holds) throw std::invalid_argument(fmt::format("{} must be {}", flag, range));
}

template <typename T> void take(std::optional<T> &mine, const std::optional<T> &other) {
    if (!mine) mine = other;
}

} // namespace

void TrainingOptions::complete_with(const TrainingOptions &other) {
    take(optimizer, other.optimizer), take(learning_rate, other.learning_rate), take(momentum, other.momentum);
    take(dampening, other.dampening), take(beta1, other.beta1), take(beta2, other.beta2);
    take(epsilon, other.epsilon), take(weight_decay, other.weight_decay), take(clip_norm, other.clip_norm);
    take(nesterov, other.nesterov), take(cosine, other.cosine), take(clip_scaled, other.clip_scaled);
    take(round_hyperparameters, other.round_hyperparameters);
    take(steps, other.steps), take(batch, other.batch), take(warmup, other.warmup);
    take(micro_batches, other.micro_batches), take(trace_every, other.trace_every), take(seed, other.seed);
    take(order, other.order), take(threads, other.threads), take(loss_scale, other.loss_scale);
    take(accumulate, other.accumulate), take(ranks, other.ranks), take(ema_decay, other.ema_decay);
    kept.complete_with(other.kept);
    if (freeze.empty()) freeze = other.freeze;
    if (recipes.empty()) recipes = other.recipes;
}

TrainingSettings resolved(const TrainingOptions &options, const model::Graph &forward,
                          std::vector<std::string> &notes) {
    const ModelTraits traits = traits_of(forward);
    TrainingSettings settings;
    OptimizerSettings &optimizer = settings.optimizer;
    const bool sgd_suits = traits.batch_norm || !traits.wants_adam();
    optimizer.kind = options.optimizer.value_or(sgd_suits ? OptimizerKind::sgd : OptimizerKind::adam);
    const bool sgd = optimizer.kind == OptimizerKind::sgd;
    optimizer.learning_rate = options.learning_rate.value_or(default_rate(optimizer.kind, traits));
    // Momentum comes with the default optimizer; --optimizer sgd alone is plain SGD, as in PyTorch.
    optimizer.momentum = options.momentum.value_or(sgd && !options.optimizer ? 0.9 : 0.0);
    optimizer.dampening = options.dampening.value_or(0);
    optimizer.nesterov = options.nesterov.value_or(false);
    optimizer.beta1 = options.beta1.value_or(0.9);
    optimizer.beta2 = options.beta2.value_or(0.999);
    optimizer.epsilon = options.epsilon.value_or(1e-8);
    optimizer.weight_decay = options.weight_decay.value_or(optimizer.kind == OptimizerKind::adamw ? 0.01 : 0.0);
    settings.steps = options.steps.value_or(default_steps);
    settings.warmup = options.warmup.value_or(options.learning_rate ? 0 : settings.steps / warmup_part);
    settings.cosine = options.cosine.value_or(false);
    settings.clip_norm = options.clip_norm.value_or(0);
    settings.clip_scaled = options.clip_scaled.value_or(false);
    optimizer.round_hyperparameters = options.round_hyperparameters.value_or(false);
    const std::int64_t micro_batches = options.micro_batches.value_or(1), ranks = options.ranks.value_or(1);
    settings.seed = options.seed.value_or(0);
    settings.order = options.order.value_or(data::Order::shuffled);
    settings.freeze = options.freeze;
    settings.trace_every = options.trace_every.value_or(1);

    require(std::isfinite(optimizer.learning_rate) && optimizer.learning_rate >= 0, "--lr", "zero or positive");
    require(optimizer.momentum >= 0 && optimizer.momentum < 1, "--momentum", "in [0, 1)");
    require(optimizer.beta1 >= 0 && optimizer.beta1 < 1 && optimizer.beta2 >= 0 && optimizer.beta2 < 1, "--betas",
            "two numbers in [0, 1)");
    require(std::isfinite(optimizer.epsilon) && optimizer.epsilon >= 0, "--eps", "zero or positive");
    require(std::isfinite(optimizer.weight_decay) && optimizer.weight_decay >= 0, "--weight-decay", "zero or positive");
    require(std::isfinite(settings.clip_norm) && settings.clip_norm >= 0, "--clip-norm", "zero or positive");
    require(settings.steps >= 1, "--steps", "at least 1");
    require(settings.warmup >= 0, "the warm-up", "zero or more steps");
    require(micro_batches >= 1 && micro_batches <= 4096, "the number of accumulated batches", "from 1 to 4096");
    require(settings.trace_every >= 0, "--trace-every", "zero (never) or more");
    require(ranks >= 1 && ranks <= 4096, "the number of ranks", "from 1 to 4096");
    settings.micro_batches = static_cast<int>(micro_batches);
    settings.ranks = static_cast<int>(ranks);
    settings.ema_decay = options.ema_decay.value_or(0);
    const KeptFormats &kept = options.kept;
    const auto contradiction = [](const char *sentence) { throw std::invalid_argument(sentence); };
    if (kept.average && settings.ema_decay == 0)
        contradiction("--ema is the format of an average; --ema-decay asks for one");
    if ((kept.all_reduce || kept.all_reduce_order) && ranks == 1)
        contradiction("--all-reduce is between ranks; --ranks asks for more than one");
    if (kept.step_counter && sgd) contradiction("--step-counter is Adam's; sgd counts no steps");
    require(settings.ema_decay >= 0 && settings.ema_decay < 1, "--ema-decay", "in [0, 1)");

    if (!options.optimizer || !options.learning_rate)
        notes.push_back(
            fmt::format("optimizer: {} at learning rate {:g}{}, chosen because the model {}", name_of(optimizer.kind),
                        optimizer.learning_rate,
                        (sgd && optimizer.momentum != 0 ? fmt::format(", momentum {:g}", optimizer.momentum) : "") +
                            (settings.warmup > 0 ? fmt::format(", {} steps of warm-up", settings.warmup) : ""),
                        traits.reason()));
    return settings;
}

std::map<std::string, std::string> described(const TrainingSettings &settings) {
    const OptimizerSettings &optimizer = settings.optimizer;
    std::map<std::string, std::string> text{
        {"optimizer", std::string(name_of(optimizer.kind))},
        {"lr", fmt::format("{:g}", optimizer.learning_rate)},
        {"weight-decay", fmt::format("{:g}", optimizer.weight_decay)},
        {"steps", std::to_string(settings.steps)},
        {"warmup", std::to_string(settings.warmup)},
        {"cosine", settings.cosine ? "true" : "false"},
        {"clip-norm", fmt::format("{:g}", settings.clip_norm)},
        {"clip-before-unscaling", settings.clip_scaled ? "true" : "false"},
        {"accumulated-batches", std::to_string(settings.micro_batches)},
        {"seed", std::to_string(settings.seed)},
        {"order", settings.order == data::Order::file ? "file" : "shuffled"},
        {"trace-every", std::to_string(settings.trace_every)},
    };
    if (optimizer.kind == OptimizerKind::sgd) {
        text["momentum"] = fmt::format("{:g}", optimizer.momentum);
        text["nesterov"] = optimizer.nesterov ? "true" : "false";
    } else {
        text["betas"] = fmt::format("{:g},{:g}", optimizer.beta1, optimizer.beta2);
        text["eps"] = fmt::format("{:g}", optimizer.epsilon);
    }
    if (settings.ema_decay > 0) text["ema-decay"] = fmt::format("{:g}", settings.ema_decay);
    if (settings.ranks > 1) text["ranks"] = std::to_string(settings.ranks);
    if (optimizer.round_hyperparameters) text["round-hyperparameters"] = "true";
    if (!settings.freeze.empty()) text["freeze"] = fmt::format("{}", fmt::join(settings.freeze, " "));
    return text;
}

} // namespace halfscope::train
