#include "emulation/train/recipe/recipe.h"

#include "emulation/train/autocast/op_lists.h"
#include "emulation/train/loss_scaler.h"
#include "emulation/train/nearest_name.h"

#include <fmt/format.h>

#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

namespace halfscope::train {
namespace {

using ops::DType;

Recipe amp(DType compute, const char *loss_scale) {
    Recipe recipe;
    recipe.name = fmt::format("{}-amp", ops::name_of(compute));
    recipe.description =
        fmt::format("autocast to {0}: matrix products and convolutions in {0}, norms, softmax and loss "
                    "in fp32, weights fp32",
                    ops::name_of(compute));
    recipe.policy = Policy::autocast;
    recipe.compute = compute;
    recipe.loss_scale = loss_scale;
    return recipe;
}

Recipe o2(DType compute, const char *loss_scale) {
    Recipe recipe;
    recipe.name = fmt::format("{}-o2", ops::name_of(compute));
    recipe.description =
        fmt::format("weights and activations in {}, norm layers' weights, master weights and optimizer "
                    "state in fp32",
                    ops::name_of(compute));
    recipe.policy = Policy::o2;
    recipe.compute = recipe.weights = recipe.gradients = recipe.all_reduce = compute;
    recipe.loss_scale = loss_scale;
    return recipe;
}

Recipe pure(DType compute, const char *suffix, UpdateRounding update, const char *what) {
    Recipe recipe;
    recipe.name = fmt::format("{}-pure{}", ops::name_of(compute), suffix);
    recipe.description = fmt::format("weights, activations, gradients and optimizer state in {}, no master weights{}",
                                     ops::name_of(compute), what);
    recipe.policy = Policy::pure;
    recipe.compute = recipe.weights = recipe.gradients = recipe.all_reduce = recipe.state = compute;
    recipe.average = recipe.running_statistics = compute;
    recipe.master_weights = false;
    recipe.update = update;
    return recipe;
}

Recipe full() {
    Recipe recipe;
    recipe.name = "fp32";
    recipe.description = "everything in fp32: the twin the other recipes are held against";
    return recipe;
}

} // namespace

std::span<const Recipe> built_in_recipes() {
    static const std::array<Recipe, 9> recipes{
        full(),
        amp(DType::fp16, "dynamic"),
        amp(DType::bf16, "none"),
        o2(DType::fp16, "dynamic"),
        o2(DType::bf16, "none"),
        pure(DType::fp16, "", UpdateRounding::nearest, ""),
        pure(DType::bf16, "", UpdateRounding::nearest, ""),
        pure(DType::bf16, "-sr", UpdateRounding::stochastic, ", updates rounded stochastically"),
        pure(DType::bf16, "-kahan", UpdateRounding::kahan, ", updates with Kahan compensation"),
    };
    return recipes;
}

Recipe recipe_named(std::string_view name, std::span<const Recipe> own) {
    std::vector<std::string> names;
    for (const auto &recipes : {own, built_in_recipes()})
        for (const Recipe &recipe : recipes) {
            if (recipe.name == name) return recipe;
            names.push_back(recipe.name);
        }
    throw std::invalid_argument(fmt::format("no recipe is called '{}'{}; there are {}", name, did_you_mean(name, names),
                                            fmt::join(names, ", ")));
}

void check(const Recipe &recipe) {
    const auto contradiction = [&](const std::string &reason) {
        throw std::invalid_argument(fmt::format("recipe '{}': {}", recipe.name, reason));
    };
    const bool narrow_weights = ops::is_16bit(recipe.weights);
    if (recipe.policy == Policy::full && (ops::is_16bit(recipe.compute) || narrow_weights))
        contradiction("policy 'fp32' computes in fp32, but a 16-bit format is set for it; choose autocast, o2 or pure");
    if (recipe.policy != Policy::full && !ops::is_16bit(recipe.compute))
        contradiction(fmt::format("policy '{}' needs compute = \"fp16\" or \"bf16\"", name_of(recipe.policy)));
    if (recipe.policy == Policy::autocast && narrow_weights)
        contradiction("autocast keeps weights in fp32; use policy o2 or pure for 16-bit weights");
    if ((recipe.policy == Policy::o2 || recipe.policy == Policy::pure) && recipe.weights != recipe.compute)
        contradiction(fmt::format("policy '{}' stores weights in its compute format {}, but weights = \"{}\"",
                                  name_of(recipe.policy), ops::name_of(recipe.compute), ops::name_of(recipe.weights)));
    if (!narrow_weights && !recipe.master_weights)
        contradiction("fp32 weights are their own masters; master-weights = false needs 16-bit weights");
    if (recipe.update != UpdateRounding::nearest && (!narrow_weights || recipe.master_weights))
        contradiction(fmt::format("a {} update is for 16-bit weights without masters", name_of(recipe.update)));
    if (ops::is_16bit(recipe.state) && recipe.master_weights && recipe.policy == Policy::full)
        contradiction("the fp32 policy keeps its optimizer state in fp32");
    if (!narrow_weights && ops::is_16bit(recipe.state))
        contradiction(fmt::format("state = \"{}\" goes with weights in 16 bits, but these are fp32 and so is their "
                                  "state; use policy o2 or pure",
                                  ops::name_of(recipe.state)));
    for (const auto &[what, format] :
         {std::pair("gradients", recipe.gradients), std::pair("all-reduce", recipe.all_reduce),
          std::pair("ema", recipe.average), std::pair("step-counter", recipe.step_counter),
          std::pair("running-statistics", recipe.running_statistics)})
        if (recipe.policy == Policy::full && ops::is_16bit(format))
            contradiction(fmt::format("the fp32 policy keeps everything in fp32, but {} = \"{}\"; use policy autocast, "
                                      "o2 or pure",
                                      what, ops::name_of(format)));
    (void)autocast_lists_of(recipe.autocast_lists);
    (void)parse_loss_scale(recipe.loss_scale);
}

ops::DType format_named(std::string_view name, std::string_view what) {
    for (DType dtype : {DType::fp32, DType::fp16, DType::bf16})
        if (ops::name_of(dtype) == name) return dtype;
    const std::vector<std::string> names{"fp32", "fp16", "bf16"};
    throw std::invalid_argument(fmt::format("{}: '{}' is not a storage format{}; use fp32, fp16 or bf16", what, name,
                                            did_you_mean(name, names)));
}

std::string_view name_of(Policy policy) {
    constexpr std::array<std::string_view, 4> names{"fp32", "autocast", "o2", "pure"};
    return names[static_cast<std::size_t>(policy)];
}

std::string_view name_of(UpdateRounding update) {
    constexpr std::array<std::string_view, 3> names{"nearest", "stochastic", "kahan"};
    return names[static_cast<std::size_t>(update)];
}

std::string_view name_of(ReduceOrder order) { return order == ReduceOrder::sum_first ? "sum-first" : "divide-first"; }

} // namespace halfscope::train
