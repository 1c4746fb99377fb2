// Changes of recipes, and recipes as TOML.
#include "cli/fix/change.h"
#include "cli/fix/overlay.h"
#include "cli/fix/pytorch_lines.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/config/config.h"
#include "emulation/train/lowering/lower.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

using namespace halfscope;
using namespace halfscope::cli;
using train::Recipe;

namespace {

void check_same(const Recipe &a, const Recipe &b) {
    CHECK(a.name == b.name);
    CHECK(a.description == b.description);
    CHECK(a.policy == b.policy);
    CHECK(a.compute == b.compute);
    CHECK(a.autocast_lists == b.autocast_lists);
    CHECK(a.weights == b.weights);
    CHECK(a.master_weights == b.master_weights);
    CHECK(a.state == b.state);
    CHECK(a.gradients == b.gradients);
    CHECK(a.all_reduce == b.all_reduce);
    CHECK(a.all_reduce_order == b.all_reduce_order);
    CHECK(a.average == b.average);
    CHECK(a.step_counter == b.step_counter);
    CHECK(a.running_statistics == b.running_statistics);
    CHECK(a.accumulation == b.accumulation);
    CHECK(a.loss_scale == b.loss_scale);
    CHECK(a.update == b.update);
    CHECK(a.flush_subnormals == b.flush_subnormals);
    REQUIRE(a.layers.size() == b.layers.size());
    for (std::size_t i = 0; i < a.layers.size(); ++i) {
        CHECK(a.layers[i].pattern == b.layers[i].pattern);
        CHECK(a.layers[i].format == b.layers[i].format);
    }
}

model::Graph mlp() {
    model::Graph graph = model::build_zoo_model("zoo:mlp:in=8,hidden=16,classes=4", 4, 0, {});
    model::attach_loss(graph, "cross-entropy");
    return graph;
}

/// Adam with an average, and so many micro-batches: everything that is kept matters.
train::TrainingSettings settings_with(int micro_batches) {
    train::TrainingSettings settings;
    settings.optimizer.kind = train::OptimizerKind::adam;
    settings.ema_decay = 0.99;
    settings.micro_batches = micro_batches;
    return settings;
}

std::string script(const Recipe &recipe, std::vector<std::string> layers = {}, int micro_batches = 1) {
    train::TrainingSettings settings;
    settings.micro_batches = micro_batches;
    return fmt::format("{}\n", fmt::join(pytorch_lines(recipe, settings, mlp(), layers), "\n"));
}

} // namespace

TEST_CASE("every change of every recipe gives one that is accepted, and whose TOML reads back the same") {
    for (const Recipe &recipe : train::built_in_recipes()) {
        std::vector<std::vector<Change>> sets{{}};
        std::vector<Change> all = part_changes(recipe, settings_with(4));
        for (const Change &change : all) sets.push_back({change});
        sets.push_back(all);
        if (recipe.policy != train::Policy::full) {
            sets.push_back({{ChangeKind::loss_scale, "static:1024"}});
            sets.push_back({{ChangeKind::layer, "h.0.attn (proj)"}, {ChangeKind::layer, "it's \"odd\"\\"}});
            for (const Change &change : other_recipes(recipe)) sets.push_back({change});
        }
        for (const auto &changes : sets) {
            CAPTURE(recipe.name);
            CAPTURE(in_words(changes));
            const Recipe fixed = changed(recipe, changes);
            CHECK(fixed.name == recipe.name);
            ProfileOptions options;
            options.training.steps = 12;
            options.training.learning_rate = 3e-4;
            const train::Config config = train::parse_config(overlay_of(fixed, {}, options, "two\nlines"), "overlay");
            CHECK(config.training.recipes == std::vector{recipe.name});
            CHECK(config.training.steps == 12);
            CHECK(config.training.learning_rate == 3e-4);
            check_same(train::configured_recipe(config, recipe.name), fixed);
        }
    }
}

TEST_CASE("nothing is left to keep in fp32 once all parts are; a recipe of one's own is written out") {
    for (const Recipe &recipe : train::built_in_recipes())
        CHECK(part_changes(changed(recipe, part_changes(recipe, settings_with(2))), settings_with(2)).empty());
    Recipe mine = train::recipe_named("fp16-pure");
    mine.name = "my own";
    mine.accumulation = ops::Accumulation::hopper_fp16acc;
    const Recipe fixed = changed(mine, std::vector<Change>{{ChangeKind::accumulation}});
    CHECK(fixed.accumulation == ops::Accumulation::hopper);
    const train::Config config = train::parse_config(overlay_of(fixed, {}, {}, ""), "overlay");
    check_same(train::configured_recipe(config, "my own"), fixed);
}

TEST_CASE("a layer's pattern matches that layer alone") {
    const model::Graph graph = mlp();
    for (const model::Node &node : graph.nodes) {
        const std::string layer = graph.value(node.outputs.front()).layer;
        const Recipe fixed = changed(train::recipe_named("fp16-amp"), std::vector<Change>{{ChangeKind::layer, layer}});
        CHECK_NOTHROW((void)train::lower(graph, fixed));
    }
    CHECK(pattern_of_layer("h.0.(a|b)") == "^h\\.0\\.\\(a\\|b\\)$");
}

TEST_CASE("PyTorch: autocast, masters, a layer in fp32, a scale by hand") {
    const auto has = [](const std::string &text, const char *part) { return text.find(part) != std::string::npos; };
    std::string layer;
    const model::Graph graph = mlp();
    layer = graph.value(graph.weights.front()).layer;
    const std::string amp = script(train::recipe_named("fp16-amp"), {layer});
    CHECK(has(amp, ("in_fp32(model.get_submodule(\"" + layer + "\"))").c_str()));
    CHECK(has(amp, "torch.autocast(device_type=\"cuda\", dtype=torch.float16)"));
    CHECK(has(amp, "GradScaler(\"cuda\", init_scale=2.0**16)"));
    CHECK(!has(amp, "masters"));
    const std::string bf16 = script(train::recipe_named("bf16-amp"));
    CHECK(!has(bf16, "GradScaler"));
    CHECK(!has(bf16, "in_fp32"));
    const Recipe pure = train::recipe_named("fp16-pure");
    CHECK(!has(script(pure), "masters"));
    const std::vector<Change> by_masters{{ChangeKind::masters}, {ChangeKind::loss_scale, "static:1000"}};
    const std::string masters = script(changed(pure, by_masters));
    CHECK(has(masters, "torch.optim.SGD(masters"));
    CHECK(has(masters, "init_scale=1000, growth_interval=2**31 - 1"));
    CHECK(has(masters, "weight.copy_(master)"));
    const std::string by_hand = script(changed(pure, std::vector<Change>{{ChangeKind::loss_scale, "static:1024"}}));
    CHECK(has(by_hand, "scale = 2.0**10"));
    CHECK(!has(by_hand, "GradScaler("));
    train::TrainingSettings averaged;
    averaged.ema_decay = 0.98;
    const std::vector<Change> wide{{ChangeKind::average}};
    const auto lines = pytorch_lines(changed(train::recipe_named("bf16-pure"), wide), averaged, graph, {});
    CHECK(std::count(lines.begin(), lines.end(), "            average.lerp_(weight.to(average.dtype), 0.02)") == 1);
    CHECK(has(script(pure, {"no weights here"}), "# 'no weights here' is no module: in the forward code"));
}

TEST_CASE("PyTorch: a layer without a module of its own is its module, or a line of forward code") {
    model::Graph graph = mlp();
    const auto lines_for = [&](std::string name, const std::string &layer) {
        graph.rename(graph.weights.front(), std::move(name));
        graph.value(graph.weights.front()).layer = layer;
        std::string text;
        for (const std::string &line : pytorch_lines(train::recipe_named("fp16-amp"), {}, graph, std::vector{layer}))
            text += line + "\n";
        return text;
    };
    CHECK(lines_for("attn.in_proj_weight", "attn.in_proj").find("in_fp32(model.get_submodule(\"attn\"))") !=
          std::string::npos);
    const std::string bare = lines_for("experts", "experts");
    CHECK(bare.find("# 'experts' is no module: in the forward code") != std::string::npos);
    CHECK(bare.find("get_submodule") == std::string::npos);
}

TEST_CASE("changes of the settings are in the training, in the overlay and in the PyTorch lines, not in the recipe") {
    const std::vector<Change> changes{
        {ChangeKind::clipping}, {ChangeKind::epsilon, "1e-07"}, {ChangeKind::hyperparameters}};
    train::TrainingSettings settings;
    settings.clip_norm = 1;
    settings.clip_scaled = settings.optimizer.round_hyperparameters = true;
    settings.optimizer.kind = train::OptimizerKind::adam;
    const train::TrainingSettings fixed = changed(settings, changes);
    CHECK(!fixed.clip_scaled);
    CHECK(!fixed.optimizer.round_hyperparameters);
    CHECK(fixed.optimizer.epsilon == 1e-7);
    CHECK(fixed.clip_norm == 1);
    const Recipe amp = train::recipe_named("fp16-amp");
    CHECK(changed(amp, changes).loss_scale == amp.loss_scale);
    ProfileOptions options;
    options.training.clip_norm = 1;
    options.training.clip_scaled = true;
    const std::string overlay = overlay_of(amp, changes, options, "");
    CHECK(overlay.find("clip-before-unscaling = false") != std::string::npos);
    CHECK(overlay.find("1e-07") != std::string::npos);
    const auto lines = pytorch_lines(amp, fixed, mlp(), {});
    const auto at = [&](const char *part) {
        return std::find_if(lines.begin(), lines.end(),
                            [part](const std::string &line) { return line.find(part) != std::string::npos; });
    };
    CHECK(at("eps=1e-07") != lines.end());
    CHECK(at("scaler.unscale_(optimizer)") < at("clip_grad_norm_"));
}
