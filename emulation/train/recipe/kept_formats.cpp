#include "emulation/train/recipe/kept_formats.h"

#include "emulation/train/nearest_name.h"

#include <fmt/format.h>

#include <stdexcept>
#include <vector>

namespace halfscope::train {
namespace {

template <typename T> void take(std::optional<T> &mine, const std::optional<T> &other) {
    if (!mine) mine = other;
}

} // namespace

void KeptFormats::complete_with(const KeptFormats &other) {
    take(gradients, other.gradients), take(all_reduce, other.all_reduce);
    take(all_reduce_order, other.all_reduce_order), take(average, other.average);
    take(step_counter, other.step_counter), take(running_statistics, other.running_statistics);
}

Recipe KeptFormats::in(Recipe recipe) const {
    if (recipe.policy == Policy::full) return recipe;
    recipe.gradients = gradients.value_or(recipe.gradients);
    recipe.all_reduce = all_reduce.value_or(recipe.all_reduce);
    recipe.all_reduce_order = all_reduce_order.value_or(recipe.all_reduce_order);
    recipe.average = average.value_or(recipe.average);
    recipe.step_counter = step_counter.value_or(recipe.step_counter);
    recipe.running_statistics = running_statistics.value_or(recipe.running_statistics);
    check(recipe);
    return recipe;
}

std::map<std::string, std::string> described(const KeptFormats &kept) {
    std::map<std::string, std::string> text;
    const auto put = [&](const char *name, const std::optional<ops::DType> &format) {
        if (format) text[name] = std::string(ops::name_of(*format));
    };
    put("gradients", kept.gradients), put("all-reduce", kept.all_reduce), put("ema", kept.average);
    put("step-counter", kept.step_counter), put("running-statistics", kept.running_statistics);
    if (kept.all_reduce_order) text["all-reduce-order"] = std::string(name_of(*kept.all_reduce_order));
    return text;
}

ReduceOrder reduce_order_named(std::string_view name, std::string_view what) {
    std::vector<std::string> names;
    for (const ReduceOrder order : {ReduceOrder::sum_first, ReduceOrder::divide_first}) {
        if (name_of(order) == name) return order;
        names.emplace_back(name_of(order));
    }
    throw std::invalid_argument(
        fmt::format("{} is sum-first or divide-first, not '{}'{}", what, name, did_you_mean(name, names)));
}

} // namespace halfscope::train
