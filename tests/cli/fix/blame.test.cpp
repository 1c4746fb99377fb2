// From findings to changes.
#include "cli/fix/blame.h"
#include "emulation/train/recipe/kept_formats.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::cli;
using analysis::Finding, analysis::RecipeAssessment, analysis::Severity;
using Changes = std::vector<Change>;

namespace {

Finding finding(std::string detector, Severity severity, std::string layer, std::string tensor = {}) {
    Finding f;
    f.detector = std::move(detector);
    f.severity = severity;
    f.layer = std::move(layer);
    f.tensor = std::move(tensor);
    return f;
}

const std::vector<std::string> layers{"stem", "block", "head"};

Changes blamed(const RecipeAssessment &assessment, const char *recipe) {
    const train::Recipe tried = train::recipe_named(recipe);
    return blamed_changes(assessment, tried, part_changes(tried, {}), layers);
}

} // namespace

TEST_CASE("a loss scale comes first among equals, out of the trace's window") {
    RecipeAssessment a;
    a.scale_window_log2 = std::pair(18, 23);
    a.findings = {finding("forward-overflow", Severity::warning, "block"),
                  finding("gradient-underflow", Severity::warning, "head"),
                  finding("subnormal-gradients", Severity::info, "stem")};
    const Change scale{ChangeKind::loss_scale, "torch:init=524288"}; // 2^19: four binades below the top
    train::Recipe o2 = train::recipe_named("fp16-o2");
    o2.loss_scale = "none";
    CHECK(blamed_changes(a, o2, {}, layers) ==
          Changes{scale, {ChangeKind::layer, "block"}, {ChangeKind::layer, "head"}});
    // A graver cause goes before it.
    a.findings[0].severity = Severity::critical;
    CHECK(blamed_changes(a, o2, {}, layers).front() == Change{ChangeKind::layer, "block"});
    // Beside a dynamic scale a static one; in bf16, or without a window, none.
    CHECK(loss_scale_change(a, train::recipe_named("fp16-amp")) == Change{ChangeKind::loss_scale, "static:524288"});
    CHECK(!loss_scale_change(a, train::recipe_named("bf16-amp")));
    a.scale_window_log2 = std::pair(-20, -3);
    CHECK(!loss_scale_change(a, o2));
    a.scale_window_log2.reset();
    CHECK(!loss_scale_change(a, o2));
}

TEST_CASE("lost updates and optimizer state ask for masters, where there are none; a NaN of the optimizer does too") {
    RecipeAssessment a;
    a.findings = {finding("lost-weight-updates", Severity::critical, "block"),
                  finding("optimizer-underflow", Severity::critical, "head"),
                  finding("nan-source", Severity::critical, "stem", "stem.weight")};
    analysis::TensorSummary weight;
    weight.name = "stem.weight";
    weight.role = "weight";
    analysis::LayerSummary stem;
    stem.name = "stem";
    stem.tensors = {weight};
    a.layers = {stem};
    CHECK(blamed(a, "bf16-pure") == Changes{{ChangeKind::masters}});
    CHECK(blamed(a, "bf16-amp").empty());
}

TEST_CASE("what is kept in 16 bits is asked for in fp32, each for its own cause, where the run keeps it") {
    train::TrainingSettings training;
    training.optimizer.kind = train::OptimizerKind::adam;
    training.ema_decay = 0.99;
    training.ranks = 4;
    train::KeptFormats kept;
    kept.average = kept.step_counter = kept.running_statistics = kept.all_reduce = ops::DType::bf16;
    const train::Recipe recipe = kept.in(train::recipe_named("bf16-amp"));
    for (const auto &[detector, kind] :
         {std::pair("stuck-ema", ChangeKind::average), std::pair("stuck-step-counter", ChangeKind::step_counter),
          std::pair("running-statistics", ChangeKind::statistics),
          std::pair("gradient-accumulation-16bit", ChangeKind::gradients),
          std::pair("all-reduce-overflow", ChangeKind::gradients)}) {
        RecipeAssessment a;
        a.findings = {finding(detector, Severity::critical, "head")};
        CHECK(blamed_changes(a, recipe, part_changes(recipe, training), layers) == Changes{{kind}});
        CHECK(blamed_changes(a, recipe, {}, layers).empty());
    }
}

TEST_CASE("layers that no override can match are left out; without findings the least faithful layers are blamed") {
    RecipeAssessment a;
    a.findings = {finding("forward-overflow", Severity::critical, "not a layer"),
                  finding("a detector of tomorrow", Severity::critical, "head")};
    CHECK(blamed(a, "fp16-amp") == Changes{{ChangeKind::layer, "head"}});
    a.findings.clear();
    for (const auto &[name, retained] : {std::pair("stem", 0.99), {"block", 0.5}, {"head", 0.2}}) {
        analysis::LayerSummary layer;
        layer.name = name;
        layer.fidelity_retained = retained;
        a.layers.push_back(layer);
    }
    CHECK(blamed(a, "bf16-amp") == Changes{{ChangeKind::layer, "head"}, {ChangeKind::layer, "block"}});
    CHECK(layers_by_blame(a, {"new", "stem", "block", "head"}) == Changes{{ChangeKind::layer, "head"},
                                                                          {ChangeKind::layer, "block"},
                                                                          {ChangeKind::layer, "stem"},
                                                                          {ChangeKind::layer, "new"}});
}

TEST_CASE("settings that a finding blames come before what costs memory") {
    train::TrainingSettings settings;
    settings.clip_norm = 1;
    settings.clip_scaled = true;
    settings.optimizer.kind = train::OptimizerKind::adam;
    const train::Recipe pure = train::recipe_named("fp16-pure");
    const auto with_settings = [&](const RecipeAssessment &a) {
        return blamed_changes(a, pure, setting_changes(settings, pure), layers);
    };
    RecipeAssessment a;
    a.findings = {finding("clip-before-unscale", Severity::critical, "")};
    CHECK(with_settings(a) == Changes{{ChangeKind::clipping}});
    // 1e-8 is zero in fp16, 1e-7 is not; if that does not do, the next is tried.
    a.findings = {finding("optimizer-underflow", Severity::critical, "head")};
    CHECK(with_settings(a) == Changes{{ChangeKind::epsilon, "1e-07"}});
    settings.optimizer.epsilon = 1e-7;
    CHECK(with_settings(a) == Changes{{ChangeKind::epsilon, "1e-05"}});
    settings.optimizer.epsilon = 1e-3;
    CHECK(with_settings(a).empty());
    settings.optimizer.round_hyperparameters = true;
    a.findings = {finding("rounded-hyperparameters", Severity::critical, "")};
    CHECK(with_settings(a) == Changes{{ChangeKind::hyperparameters}});
    // Nothing where the settings are not to blame.
    a.findings = {finding("forward-overflow", Severity::critical, "head")};
    CHECK(with_settings(a) == Changes{{ChangeKind::layer, "head"}});
    CHECK(setting_changes({}, pure).empty());
}
