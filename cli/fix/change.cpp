#include "cli/fix/change.h"

#include <fmt/format.h>

#include <algorithm>

namespace halfscope::cli {
namespace {

using ops::DType;
using train::Policy;
using train::Recipe;

/// The same products with an fp32 accumulator.
ops::Accumulation with_wide_accumulator(ops::Accumulation accumulation) {
    using enum ops::Accumulation;
    switch (accumulation) {
    case fp16_fma_chain:
    case bf16_fma_chain: return fma_chain;
    case volta_fp16acc: return volta;
    case turing_fp16acc: return turing;
    case ampere_fp16acc: return ampere;
    case ada_fp16acc: return ada;
    case hopper_fp16acc: return hopper;
    case blackwell_fp16acc: return blackwell;
    default: return accumulation;
    }
}

void make(Recipe &recipe, const Change &change, std::span<const Recipe> own) {
    switch (change.kind) {
    case ChangeKind::recipe: {
        const std::string name = recipe.name;
        recipe = train::recipe_named(change.value, own);
        recipe.name = name;
        break;
    }
    case ChangeKind::loss_scale: recipe.loss_scale = change.value; break;
    case ChangeKind::clipping:
    case ChangeKind::epsilon:
    case ChangeKind::hyperparameters: break; // the settings', not the recipe's
    case ChangeKind::layer: recipe.layers.push_back({pattern_of_layer(change.value), DType::fp32}); break;
    case ChangeKind::state: recipe.state = DType::fp32; break;
    case ChangeKind::masters:
        recipe.master_weights = true;
        recipe.state = DType::fp32;
        recipe.update = train::UpdateRounding::nearest; // the others are for weights without masters
        break;
    case ChangeKind::norms:
        recipe.policy = Policy::o2;
        recipe.running_statistics = DType::fp32;
        break;
    case ChangeKind::gradients: recipe.gradients = recipe.all_reduce = DType::fp32; break;
    case ChangeKind::average: recipe.average = DType::fp32; break;
    case ChangeKind::step_counter: recipe.step_counter = DType::fp32; break;
    case ChangeKind::statistics: recipe.running_statistics = DType::fp32; break;
    case ChangeKind::accumulation: recipe.accumulation = with_wide_accumulator(recipe.accumulation); break;
    }
}

} // namespace

Recipe changed(const Recipe &recipe, std::span<const Change> changes, std::span<const Recipe> own) {
    Recipe result = recipe;
    for (const Change &change : changes) make(result, change, own);
    if (!changes.empty()) result.description = fmt::format("{}, with {}", recipe.name, in_words(changes));
    train::check(result);
    return result;
}

train::TrainingSettings changed(const train::TrainingSettings &settings, std::span<const Change> changes) {
    train::TrainingSettings result = settings;
    for (const Change &change : changes) {
        if (change.kind == ChangeKind::clipping) result.clip_scaled = false;
        if (change.kind == ChangeKind::epsilon) result.optimizer.epsilon = std::stod(change.value);
        if (change.kind == ChangeKind::hyperparameters) result.optimizer.round_hyperparameters = false;
    }
    return result;
}

std::vector<Change> setting_changes(const train::TrainingSettings &settings, const Recipe &recipe) {
    std::vector<Change> changes;
    if (settings.clip_scaled && settings.clip_norm > 0) changes.push_back({ChangeKind::clipping});
    if (settings.optimizer.kind == train::OptimizerKind::sgd || !ops::is_16bit(recipe.state)) return changes;
    // fp16 holds nothing below 6e-8. PyTorch users go to 1e-7 first and to 1e-4 at last.
    if (recipe.state == DType::fp16)
        for (const double epsilon : {1e-7, 1e-5, 1e-4})
            if (settings.optimizer.epsilon < epsilon) {
                changes.push_back({ChangeKind::epsilon, fmt::format("{}", epsilon)});
                break;
            }
    if (settings.optimizer.round_hyperparameters) changes.push_back({ChangeKind::hyperparameters});
    return changes;
}

std::vector<Change> part_changes(const Recipe &recipe, const train::TrainingSettings &training) {
    std::vector<Change> changes;
    if (recipe.policy == Policy::full) return changes;
    const bool narrow = ops::is_16bit(recipe.weights);
    if (with_wide_accumulator(recipe.accumulation) != recipe.accumulation)
        changes.push_back({ChangeKind::accumulation});
    const bool adam = training.optimizer.kind != train::OptimizerKind::sgd;
    if (adam && ops::is_16bit(recipe.step_counter)) changes.push_back({ChangeKind::step_counter});
    if (ops::is_16bit(recipe.running_statistics)) changes.push_back({ChangeKind::statistics});
    if (recipe.policy == Policy::pure) changes.push_back({ChangeKind::norms});
    if ((training.micro_batches > 1 && ops::is_16bit(recipe.gradients)) ||
        (training.ranks > 1 && ops::is_16bit(recipe.all_reduce)))
        changes.push_back({ChangeKind::gradients});
    if (training.ema_decay > 0 && ops::is_16bit(recipe.average)) changes.push_back({ChangeKind::average});
    if (narrow && !recipe.master_weights)
        changes.push_back({ChangeKind::masters});
    else if (narrow && ops::is_16bit(recipe.state))
        changes.push_back({ChangeKind::state});
    return changes;
}

std::vector<Change> other_recipes(const Recipe &recipe) {
    std::vector<Change> changes;
    if (recipe.policy == Policy::full) return changes;
    const bool fp16 = recipe.compute == DType::fp16;
    const std::string_view same = fp16 ? "fp16" : "bf16", other = fp16 ? "bf16" : "fp16";
    if (recipe.policy == Policy::pure) changes.push_back({ChangeKind::recipe, fmt::format("{}-o2", same)});
    if (recipe.policy != Policy::autocast) changes.push_back({ChangeKind::recipe, fmt::format("{}-amp", same)});
    if (recipe.policy != Policy::autocast) changes.push_back({ChangeKind::recipe, fmt::format("{}-o2", other)});
    changes.push_back({ChangeKind::recipe, fmt::format("{}-amp", other)});
    return changes;
}

std::string in_words(const Change &change) {
    switch (change.kind) {
    case ChangeKind::recipe: return fmt::format("the recipe {} instead", change.value);
    case ChangeKind::loss_scale: return fmt::format("loss scale {}", change.value);
    case ChangeKind::layer: return fmt::format("`{}` in fp32", change.value);
    case ChangeKind::clipping: return "gradients clipped after unscaling";
    case ChangeKind::epsilon: return fmt::format("eps {}", change.value);
    case ChangeKind::hyperparameters: return "betas, eps and learning rate unrounded";
    case ChangeKind::state: return "optimizer state in fp32";
    case ChangeKind::masters: return "fp32 master weights and optimizer state";
    case ChangeKind::norms: return "norm layers' weights and the loss in fp32";
    case ChangeKind::gradients: return "gradients added up in fp32";
    case ChangeKind::average: return "the average of the weights in fp32";
    case ChangeKind::step_counter: return "the step counter in fp32";
    case ChangeKind::statistics: return "running statistics in fp32";
    case ChangeKind::accumulation: break;
    }
    return "matrix products that accumulate in fp32";
}

std::string in_words(std::span<const Change> changes) {
    std::string text;
    for (std::size_t i = 0; i < changes.size(); ++i)
        text += (i == 0 ? "" : i + 1 == changes.size() ? " and " : ", ") + in_words(changes[i]);
    return text;
}

std::string pattern_of_layer(std::string_view layer) {
    std::string pattern = "^";
    for (const char c : layer) {
        if (std::string_view("^$\\.*+?()[]{}|").find(c) != std::string_view::npos) pattern += '\\';
        pattern += c;
    }
    return pattern + '$';
}

} // namespace halfscope::cli
