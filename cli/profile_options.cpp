#include "cli/profile_options.h"

#include "emulation/ops/operation.h"
#include "emulation/train/loss_scaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace halfscope::cli {
namespace {

std::vector<std::string> split(const std::string &list, char separator) {
    std::vector<std::string> parts;
    for (std::size_t start = 0; start <= list.size();) {
        const std::size_t end = std::min(list.find(separator, start), list.size());
        if (end > start) parts.push_back(list.substr(start, end - start));
        start = end + 1;
    }
    return parts;
}

double number(const std::string &text, const std::string &flag) {
    double value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size())
        throw std::invalid_argument(fmt::format("{}: '{}' is not a number", flag, text));
    return value;
}

} // namespace

void add_training_options(CLI::App &command, ProfileOptions &o) {
    train::TrainingOptions &t = o.training;
    command.add_option("MODEL", o.model, "An .onnx file, or zoo:NAME (see 'halfscope zoo')")->required();
    command.add_option("--data", o.data, "fashion-mnist, synthetic, an IDX directory, an .npz, or a text file");
    command.add_option(
        "--loss", o.loss,
        "cross-entropy, mse, bce-with-logits, or output:NAME when the graph computes it (default: what the "
        "outputs and the data's targets look like; a note says which)");
    command.add_option(
        "--recipes", o.recipes,
        "Comma-separated: fp32, fp16-amp, bf16-amp, fp16-o2, bf16-o2, fp16-pure, bf16-pure, bf16-pure-sr, "
        "bf16-pure-kahan, or from --config (default fp16-amp,bf16-amp)");
    command.add_option("--steps", t.steps, "Training steps per recipe")->check(CLI::PositiveNumber);
    command.add_option("--batch", t.batch, "Samples per step")->check(CLI::PositiveNumber);
    command.add_option("--optimizer", o.optimizer, "sgd, adam or adamw")
        ->check(CLI::IsMember({"sgd", "adam", "adamw"}));
    command.add_option("--lr", t.learning_rate, "Learning rate")->check(CLI::NonNegativeNumber);
    command.add_option("--momentum", t.momentum, "SGD momentum")->check(CLI::Range(0.0, 1.0));
    command.add_option("--betas", o.betas, "Adam betas, as 0.9,0.999");
    command.add_option("--eps", t.epsilon, "Adam epsilon")->check(CLI::NonNegativeNumber);
    command.add_option("--weight-decay", t.weight_decay, "Weight decay (decoupled for adamw)")
        ->check(CLI::NonNegativeNumber);
    command.add_option("--clip-norm", t.clip_norm, "Clip the gradients' L2 norm to this, after unscaling")
        ->check(CLI::PositiveNumber);
    command.add_flag("--clip-before-unscale", o.clip_scaled, "Clip the scaled gradients: a common mistake, to see it");
    command.add_option(
        "--loss-scale", t.loss_scale,
        "none, static:K, dynamic, or RULE[:init=..,interval=..]: torch, apex, deepspeed, deepspeed-legacy, "
        "deepspeed-fp16opt, megatron, apex-hysteresis, paddle");
    command.add_option("--accumulate", t.accumulate,
                       "How matrix products accumulate: fma-chain, or a tensor-core model");
    command.add_option("--warmup", t.warmup, "Steps of linear learning-rate warm-up")->check(CLI::NonNegativeNumber);
    command.add_flag("--cosine", o.cosine, "Decay the learning rate to zero along a cosine");
    command.add_option("--grad-accumulation", t.micro_batches, "Batches whose gradients are added up per step")
        ->check(CLI::Range(1, 4096));
    command.add_option("--gradients", o.gradients, "Format they are added up in: fp32, fp16 or bf16");
    command
        .add_option("--ranks", t.ranks, "Emulated processes whose gradients are averaged, each with its own batches")
        ->check(CLI::Range(1, 4096));
    command.add_option("--all-reduce", o.all_reduce, "Format that ranks' gradients travel and are added up in");
    command.add_option("--all-reduce-order", o.all_reduce_order, "sum-first (default) or divide-first");
    command.add_option("--ema-decay", t.ema_decay, "Keep an average of the weights with this decay, and judge it too");
    command.add_option("--ema", o.ema, "Format the average is kept in: fp32, fp16 or bf16");
    command.add_option("--step-counter", o.step_counter, "Format that Adam counts its steps in");
    command.add_option("--running-statistics", o.running_statistics,
                       "Format of batch norms' running mean and variance");
    command.add_flag("--round-hyperparameters", o.round_hyperparameters,
                     "Round learning rate, betas and eps to the optimizer state's format, as some frameworks do");
    command.add_flag("--nesterov", o.nesterov, "SGD with Nesterov momentum");
    command.add_option("--seed", t.seed, "Seed of initialisation, data order and rounding (default 0)");
    command.add_option("--threads", t.threads, "Threads (0: all cores); results do not depend on it")
        ->check(CLI::NonNegativeNumber);
    command.add_option("--order", o.order, "Data order: shuffled (default), or file")
        ->check(CLI::IsMember({"shuffled", "file"}));
    command.add_option("--freeze", t.freeze, "Regular expression of weights that are not trained (repeatable)");
    command.add_option("--dimension", o.dimensions, "NAME=SIZE of a symbolic axis of an ONNX model (repeatable)");
    command.add_option("--config", o.config, "TOML file with recipes, layer overrides and settings");
}

void add_profile_options(CLI::App &command, ProfileOptions &o) {
    add_training_options(command, o);
    command.add_option("--device", o.device, "cpu or cuda")
        ->check(CLI::IsMember({"cpu", "cuda"}))
        ->capture_default_str();
    command.add_flag(
        "--lockstep", o.lockstep,
        "With --device cuda: run the emulator beside the device on the same operands and compare all bits");
    command
        .add_option("--seeds", o.siblings, "Extra fp32 runs with other seeds, for the spread that is not precision's")
        ->check(CLI::Range(0, 16));
    command.add_option("--trace-every", o.training.trace_every, "Trace every tensor each so many steps")
        ->check(CLI::PositiveNumber);
    command.add_option("--out", o.out, "Directory for trace.db, report.json and report.html")->capture_default_str();
    command.add_flag("--json", o.json, "Print report.json on standard output instead of a summary");
}

void settle(ProfileOptions &o) {
    train::TrainingOptions &t = o.training;
    if (!o.betas.empty()) {
        const auto parts = split(o.betas, ',');
        if (parts.size() != 2)
            throw std::invalid_argument(fmt::format("--betas: '{}' is not two numbers like 0.9,0.999", o.betas));
        t.beta1 = number(parts[0], "--betas");
        t.beta2 = number(parts[1], "--betas");
        for (const double beta : {*t.beta1, *t.beta2})
            if (!(beta >= 0 && beta < 1)) throw std::invalid_argument("--betas: both must lie in [0, 1)");
    }
    if (!o.optimizer.empty()) t.optimizer = train::optimizer_named(o.optimizer);
    if (!o.order.empty()) t.order = o.order == "file" ? data::Order::file : data::Order::shuffled;
    if (o.cosine) t.cosine = true;
    if (o.clip_scaled) t.clip_scaled = true;
    if (o.nesterov) t.nesterov = true;
    if (o.round_hyperparameters) t.round_hyperparameters = true;
    const auto format = [](const std::string &name, const char *flag, std::optional<ops::DType> &to) {
        if (!name.empty()) to = train::format_named(name, flag);
    };
    format(o.gradients, "--gradients", t.kept.gradients);
    format(o.all_reduce, "--all-reduce", t.kept.all_reduce);
    format(o.ema, "--ema", t.kept.average);
    format(o.step_counter, "--step-counter", t.kept.step_counter);
    format(o.running_statistics, "--running-statistics", t.kept.running_statistics);
    if (!o.all_reduce_order.empty())
        t.kept.all_reduce_order = train::reduce_order_named(o.all_reduce_order, "--all-reduce-order");
    if (!o.recipes.empty()) t.recipes = split(o.recipes, ',');
    if (!o.config.empty()) o.file = train::read_config(o.config);
    t.complete_with(o.file.training);
    if (t.recipes.empty()) t.recipes = {"fp16-amp", "bf16-amp"};
    for (auto it = t.recipes.begin(); it != t.recipes.end(); ++it)
        if (std::find(t.recipes.begin(), it, *it) != it)
            throw std::invalid_argument(fmt::format("--recipes: '{}' is named twice", *it));
    // Mistakes in names are told before any model is loaded.
    if (t.accumulate) (void)ops::accumulation_from(*t.accumulate);
    if (t.loss_scale) (void)train::parse_loss_scale(*t.loss_scale);
    for (const std::string &recipe : t.recipes) (void)t.kept.in(train::configured_recipe(o.file, recipe));
}

} // namespace halfscope::cli
