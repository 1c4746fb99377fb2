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
    case ChangeKind::layer: recipe.layers.push_back({pattern_of_layer(change.value), DType::fp32}); break;
    case ChangeKind::state: recipe.state = DType::fp32; break;
    case ChangeKind::masters:
        recipe.master_weights = true;
        recipe.state = DType::fp32;
        recipe.update = train::UpdateRounding::nearest; // the others are for weights without masters
        break;
    case ChangeKind::norms: recipe.policy = Policy::o2; break;
    case ChangeKind::gradients: recipe.gradients = DType::fp32; break;
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

std::vector<Change> part_changes(const Recipe &recipe, int micro_batches) {
    std::vector<Change> changes;
    if (recipe.policy == Policy::full) return changes;
    const bool narrow = ops::is_16bit(recipe.weights);
    if (with_wide_accumulator(recipe.accumulation) != recipe.accumulation)
        changes.push_back({ChangeKind::accumulation});
    if (recipe.policy == Policy::pure) changes.push_back({ChangeKind::norms});
    if (narrow && micro_batches > 1 && ops::is_16bit(recipe.gradients)) changes.push_back({ChangeKind::gradients});
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
    case ChangeKind::state: return "optimizer state in fp32";
    case ChangeKind::masters: return "fp32 master weights and optimizer state";
    case ChangeKind::norms: return "norm layers' weights and the loss in fp32";
    case ChangeKind::gradients: return "gradients added up in fp32";
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
