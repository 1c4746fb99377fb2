#include "sample_assessment.h"

#include "sample_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace halfscope::tests {
namespace {

using analysis::LayerSummary, analysis::RecipeAssessment, analysis::Severity, analysis::Verdict;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::string layer_name(int layer, int layers) {
    if (layer == 0) return "stem.conv";
    if (layer == layers - 1) return "head.fc";
    return fmt::format("stage{}.block{}.conv{}", 1 + (layer - 1) / 8, ((layer - 1) % 8) / 2, 1 + (layer - 1) % 2);
}

struct RunPlan {
    Limits activations, weights;
    double gradient_shift = 0; ///< log2 of the loss scale the traced gradients carry
    int breaks_at = -1;        ///< step from which the backward pass holds inf and NaN
    double lost_updates = 0;
};

std::vector<LayerSummary> trace_layers(const RunPlan &plan, const SampleSize &size, std::uint64_t run) {
    std::vector<LayerSummary> layers;
    for (int i = 0; i < size.layers; ++i) {
        const double depth = static_cast<double>(i) / std::max(1, size.layers - 1); // 0 at the input
        LayerSummary layer;
        layer.name = layer_name(i, size.layers);
        const bool linear = i == size.layers - 1;
        layer.policy = linear ? "linear" : "conv2d";
        layer.has_gradients = true;
        const double gradient = -20 + 7 * depth + plan.gradient_shift; // gradients fade towards the input
        const std::string op = linear ? "matmul" : "convolution";
        const std::vector<TensorPlan> tensors = {
            {layer.name + ".output", "activation", op, {-1.0 + depth, 1.8, 0.02, 0, 200704}, 0.8, false, false, -1},
            {layer.name + ".weight", "weight", "weight", {-5.5, 1.3, 0, 0, 9216}, 0.4, false, false, -1},
            {layer.name + ".bias", "weight", "weight", {-7.5, 1.0, 0, 0, 64}, 1.5, false, false, -1},
            {layer.name + ".output.grad",
             "gradient",
             op + "_backward",
             {gradient - 2, 3.0, 0.45, 0, 200704},
             -4.5,
             true,
             plan.gradient_shift != 0,
             plan.breaks_at},
            {layer.name + ".weight.grad",
             "weight_gradient",
             op + "_weight_gradient",
             {gradient + 5.5, 2.2, 0, 0, 9216},
             -4.0,
             true,
             plan.gradient_shift != 0,
             plan.breaks_at},
        };
        for (std::size_t t = 0; t < tensors.size(); ++t) {
            const bool weight = tensors[t].role == "weight";
            layer.tensors.push_back(trace_tensor(tensors[t], weight ? plan.weights : plan.activations, size,
                                                 static_cast<std::int64_t>(10 * i) + static_cast<std::int64_t>(t),
                                                 100 * run + 10 * static_cast<std::uint64_t>(i) + t));
        }
        layer.fidelity_cosine = 1 - 1e-6 - plan.lost_updates * (1 - depth) * 0.9;
        layer.fidelity_norm_ratio = 1 - 0.001 - plan.lost_updates * (1 - depth);
        layer.fidelity_retained = *layer.fidelity_cosine * *layer.fidelity_norm_ratio;
        layer.fidelity_moved = 1 - plan.lost_updates * (1.05 - 0.8 * depth);
        if (plan.activations.name == "fp16")
            layer.scale_window_log2 = {
                {static_cast<int>(std::lround(12 - 7 * depth)), 23 - static_cast<int>(5 * depth)}};
        layers.push_back(std::move(layer));
    }
    return layers;
}

double twin_loss(int step, std::uint64_t seed) {
    return 0.32 + 1.98 * std::exp(-step / 28.0) +
           0.06 * jitter(seed, static_cast<std::uint64_t>(step)) * (0.4 + std::exp(-step / 40.0));
}

std::vector<trace::Step> twin_steps(const SampleSize &size) {
    std::vector<trace::Step> steps;
    for (int i = 0; i < size.steps; ++i) {
        trace::Step step;
        step.step = i;
        step.loss = twin_loss(i, 7);
        step.gradient_norm = 0.4 + 2.2 * std::exp(-i / 20.0);
        step.learning_rate = 0.05;
        step.seconds = 0.21;
        steps.push_back(step);
    }
    return steps;
}

RecipeAssessment recipe(const std::string &name, const SampleSize &size) {
    RecipeAssessment r;
    r.run.recipe = name;
    r.run.optimizer = "sgd";
    r.run.state_format = "fp32";
    r.run.weight_format = "fp32";
    r.run.loss_scale_rule = "none";
    r.run.seed = 1;
    r.run.planned_steps = size.steps;
    r.run.cost = {1'639'368, 0, 1'092'912, 1'092'912, 31'457'280, 15'728'640'000, 15'597'000'000};
    r.complete = true;
    r.steps = twin_steps(size);
    for (int step = 0; step < size.steps; step += std::max(1, size.steps / 12))
        r.steps[static_cast<std::size_t>(step)].loss_in_fp32 = r.steps[static_cast<std::size_t>(step)].loss;
    for (int step = 0; step < size.steps; step += std::max(1, size.steps / 12))
        r.fidelity.push_back({step, 0.99997, 0.9992, 0.999, 0.9991});
    r.evaluations = {{size.steps - 1, "accuracy", 0.874}};
    r.outcome.reference_final = 0.3284;
    r.outcome.final = 0.3286;
    r.outcome.difference = 0.0002;
    r.outcome.noise = 0.011;
    r.outcome.noise_source = "2 fp32 seeds";
    return r;
}

RecipeAssessment fp16_amp(const SampleSize &size) {
    auto r = recipe("fp16-amp", size);
    r.run.compute_format = "fp16";
    r.run.description = "Matrix products in fp16, the rest in fp32, fp32 weights, dynamic loss scale.";
    r.run.loss_scale_rule = "torch:init=65536,growth=2,backoff=0.5,interval=40";
    double scale = 65536;
    int clean = 0;
    for (auto &step : r.steps) {
        step.loss += 0.004 * jitter(31, static_cast<std::uint64_t>(step.step));
        step.loss_scale = scale;
        step.skipped = step.step < 2 || (scale >= 65536 && step.step > 60);
        r.skipped_steps += step.skipped ? 1 : 0;
        clean = step.skipped ? 0 : clean + 1;
        if (step.skipped) scale /= 2, step.gradient_norm = infinity;
        if (clean == 40) scale *= 2, clean = 0;
        step.loss_scale_after = scale;
    }
    r.layers = trace_layers({fp16, fp32, 14, -1, 0}, size, 1);
    r.verdict = Verdict::safe;
    r.headline = "Trains like fp32: the loss stays within the noise of two fp32 seeds.";
    r.confidence = "medium: 120 steps; a longer run would show late underflow";
    r.outcome.sentence = "Final loss 0.3286 against 0.3284 in fp32, a difference of 0.0002 within the noise of 0.011.";
    r.scale_window_log2 = {{12, 18}};
    r.scale_window_sentence = "Every layer's gradients fit fp16 with a loss scale from 2^12 to 2^18.";
    r.findings = {{"loss-scale-warm-up", Severity::info, "", "", 0,
                   "The scaler skipped steps 0 and 1 while it came down from 65536 to 16384.",
                   "The default initial scale is too large for this model; the scaler corrects it by itself.",
                   "Nothing to do; an initial scale of 16384 would save the two steps.", 0.1}};
    return r;
}

RecipeAssessment bf16_amp(const SampleSize &size) {
    auto r = recipe("bf16-amp", size);
    r.run.compute_format = "bf16";
    r.run.description = "Matrix products in bf16, the rest in fp32, fp32 weights.";
    for (auto &step : r.steps) step.loss += 0.006 * jitter(32, static_cast<std::uint64_t>(step.step));
    r.layers = trace_layers({bf16, fp32, 0, -1, 0}, size, 2);
    r.verdict = Verdict::safe;
    r.headline = "Trains like fp32: the loss stays within the noise of two fp32 seeds.";
    r.confidence = "high";
    r.outcome.sentence = "Final loss 0.3291 against 0.3284 in fp32, a difference of 0.0007 within the noise of 0.011.";
    r.scale_window_sentence = "bf16 has the range of fp32: no loss scale is needed.";
    r.scale_window_log2 = {{-90, 110}};
    return r;
}

RecipeAssessment bf16_pure(const SampleSize &size) {
    auto r = recipe("bf16-pure", size);
    r.run.compute_format = r.run.weight_format = r.run.state_format = "bf16";
    r.run.master_weights = false;
    r.run.description = "Everything in bf16: weights, gradients and optimizer state, no fp32 masters.";
    for (auto &step : r.steps)
        step.loss += 0.05 * (1 - std::exp(-static_cast<double>(step.step) / 60)) +
                     0.01 * jitter(33, static_cast<std::uint64_t>(step.step));
    r.layers = trace_layers({bf16, bf16, 0, -1, 0.35}, size, 3);
    for (auto &point : r.fidelity) {
        const double t = static_cast<double>(point.step) / size.steps;
        point = {point.step, 0.96 - 0.25 * t, 0.93 - 0.3 * t, 0.82 - 0.45 * t, 0.89 - 0.5 * t};
    }
    r.verdict = Verdict::risky;
    r.headline = "Learns, but slower than fp32: 41 % of the weight updates round away.";
    r.confidence = "medium: the gap is four times the noise and growing";
    r.outcome.final = 0.372;
    r.outcome.difference = 0.0436;
    r.outcome.parts_at = size.steps / 3;
    r.outcome.sentence = "Final loss 0.372 against 0.328 in fp32, a difference of 0.044 where seeds differ by 0.011.";
    r.scale_window_log2 = {{-90, 110}};
    r.scale_window_sentence = "bf16 has the range of fp32: no loss scale is needed.";
    r.findings = {
        {"lost-weight-updates", Severity::warning, "stem.conv", "stem.conv.weight", size.steps / 6,
         "From step 20 on, 41 % of the elements with a non-zero fp32 update do not move; the update keeps 63 % "
         "of its length.",
         "An update smaller than half a unit in the last place of a bf16 weight (2^-9 of it) rounds away.",
         "Keep fp32 master weights (bf16-amp or bf16-o2), or round the update stochastically (bf16-pure-sr).", 0.41}};
    return r;
}

/// Two changes, found in three re-runs.
analysis::Fix fix_of_fp16_pure() {
    analysis::Fix fix;
    fix.found = fix.minimal = true;
    fix.changes = {"loss scale torch:init=4096", "`stem.conv` in fp32"};
    fix.sentence =
        "fp16-pure is safe with loss scale torch:init=4096 and `stem.conv` in fp32 (3 re-runs, 71 s). Without "
        "any one of these changes it is not safe. With seed 2 the verdict is safe.";
    fix.headline = "It trains like the fp32 twin: final loss 0.331 against 0.328 in fp32.";
    fix.confirmed_seed = 2;
    fix.confirmed_verdict = Verdict::safe;
    fix.cost = {{552'960, 0, 552'960, 552'960, 29'360'640, 15'728'640'000, 15'500'000'000}};
    fix.cost_sentence = "A step holds 29.58 MiB, as much as the unchanged recipe. Of 1.57e+10 multiply-adds 1.5 % are "
                        "kept at full precision (none in the unchanged recipe).";
    fix.overlay = "# What makes fp16-pure safe.\n\n[recipes.fp16-pure]\nloss-scale = \"torch:init=4096\"\n\n"
                  "[[recipes.fp16-pure.layers]]\nmatch = '^stem\\.conv$'\nformat = \"fp32\"\n";
    fix.overlay_file = "out/fix-fp16-pure.toml";
    fix.command = "halfscope profile zoo:resnet20 --config out/fix-fp16-pure.toml --out out-fixed";
    fix.pytorch = {"import torch", "in_fp32(model.get_submodule(\"stem.conv\"))",
                   "scaler = torch.amp.GradScaler(\"cuda\", init_scale=2.0**12)"};
    fix.attempts = {{{fix.changes[0]}, Verdict::unsafe, "The gradients of stem.conv are lost all the same."},
                    {fix.changes, Verdict::safe, fix.headline},
                    {{fix.changes[1]}, Verdict::unsafe, "Gradients are below 2^-25."}};
    fix.seconds = 71.3;
    return fix;
}

RecipeAssessment fp16_pure(const SampleSize &size) {
    auto r = recipe("fp16-pure", size);
    const int breaks_at = size.steps * 2 / 3;
    r.run.compute_format = r.run.weight_format = r.run.state_format = "fp16";
    r.run.master_weights = false;
    r.run.description = "Everything in fp16: weights, gradients and optimizer state, no loss scale.";
    for (auto &step : r.steps) {
        const auto i = static_cast<double>(step.step);
        step.loss = 1.35 + 0.95 * std::exp(-i / 12) + 0.05 * jitter(34, static_cast<std::uint64_t>(step.step));
        step.gradient_norm *= 0.3;
        if (step.step == breaks_at) step.loss = infinity, step.gradient_norm = infinity;
        if (step.step > breaks_at) step.loss = not_a_number, step.gradient_norm = not_a_number;
    }
    r.layers = trace_layers({fp16, fp16, 0, breaks_at, 0.8}, size, 4);
    for (auto &layer : r.layers) layer.scale_window_log2.reset();
    for (std::size_t i = 0; i < r.layers.size(); i += 2) r.layers[i].scale_window_log2 = {{9, 14}};
    for (auto &point : r.fidelity) {
        const bool broken = point.step >= breaks_at;
        const double t = static_cast<double>(point.step) / size.steps;
        point = {point.step, broken ? not_a_number : 0.71 - 0.5 * t, broken ? not_a_number : 0.4 - 0.3 * t,
                 0.31 - 0.3 * t, broken ? not_a_number : 0.28 - 0.27 * t};
    }
    r.verdict = Verdict::unsafe;
    const double lost = r.layers[0].tensors[3].underflow_share;
    r.headline = fmt::format(
        "Does not train: {:.0f} % of the gradients of stem.conv are zero in fp16, and the loss becomes NaN.",
        100 * lost);
    r.confidence = "high";
    r.outcome.final = not_a_number;
    r.outcome.difference = not_a_number;
    r.outcome.diverged = true;
    r.outcome.stalled = true;
    r.outcome.parts_at = size.steps / 12;
    r.outcome.sentence = "The loss is NaN from step 81 on; the fp32 twin reaches 0.328.";
    r.scale_window_sentence =
        "No single loss scale fits: the layers near the input need at least 2^12, head.fc overflows from 2^11.";
    r.findings = {
        {"gradient-underflow", Severity::critical, "stem.conv", "stem.conv.output.grad", 3,
         fmt::format(
             "{:.0f} % of the gradients that are non-zero in fp32 are zero in fp16; the median gradient is 2^-24, "
             "the smallest fp16 number.",
             100 * lost),
         "Without a loss scale the gradients of the early layers lie below fp16's smallest number.",
         "Use a loss scale of at least 2^12: --loss-scale dynamic, or the recipe fp16-amp.", lost},
        {"lost-weight-updates", Severity::critical, "stem.conv", "stem.conv.weight", 10,
         "79 % of the weights with a non-zero fp32 update do not move.",
         "Without fp32 master weights an update below half a unit in the last place rounds away.",
         "Keep fp32 master weights: the recipes fp16-o2 or fp16-amp.", 0.79},
        {"nan-source", Severity::warning, "head.fc", "head.fc.output.grad", breaks_at,
         fmt::format(
             "At step {} the first inf appears in the backward pass of head.fc: largest operand 48,120, limit 65,504.",
             breaks_at),
         "A product of finite operands left fp16's range.", "Accumulate in fp32 and clip the gradient norm to 1.", 0.2},
    };
    r.events = {
        {breaks_at, "first_inf", 0, "head.fc", "matmul_backward", true, 48120, 65504, false,
         "head.fc.output.grad x head.fc.weight"},
        {breaks_at + 1, "loss_not_finite", -1, "", "cross_entropy", false, not_a_number, 65504, false, "loss is NaN"}};
    r.evaluations = {{size.steps - 1, "accuracy", 0.1}};
    r.fix = fix_of_fp16_pure();
    return r;
}

} // namespace

analysis::Assessment sample_assessment(SampleSize size) {
    analysis::Assessment a;
    a.session.halfscope_version = "0.1.0";
    a.session.model = "zoo:resnet20";
    a.session.model_name = "resnet20";
    a.session.data = "fashion-mnist";
    a.session.command = fmt::format("halfscope profile zoo:resnet20 --data fashion-mnist --recipes "
                                    "fp16-amp,bf16-amp,bf16-pure,fp16-pure --steps {} --seed 1 --out out",
                                    size.steps);
    a.session.parameters = 272474;
    a.session.environment = {{"cpu", "AMD EPYC 7763 64-Core Processor"},
                             {"simd", "AVX2"},
                             {"threads", "2"},
                             {"compiler", "GNU 12.2.0"},
                             {"os", "Debian GNU/Linux 12"}};
    a.session.settings = {{"optimizer", "sgd"},
                          {"lr", "0.05"},
                          {"momentum", "0.9"},
                          {"batch", "64"},
                          {"steps", fmt::format("{}", size.steps)},
                          {"seed", "1"},
                          {"loss", "cross-entropy"}};
    a.session.notes = {"The images were normalised to mean 0 and deviation 1.",
                       "Hostile text stays text: </script><script>alert(1)</script> & \"quotes\" \xE2\x80\xA8 <!-- "};
    a.reference.run.recipe = "fp32";
    a.reference.run.kind = trace::Run::Kind::reference;
    a.reference.run.compute_format = a.reference.run.weight_format = a.reference.run.state_format = "fp32";
    a.reference.run.optimizer = "sgd";
    a.reference.run.loss_scale_rule = "none";
    a.reference.run.seed = 1;
    a.reference.run.planned_steps = size.steps;
    a.reference.run.cost = {1'092'912, 0, 1'092'912, 1'092'912, 58'720'256, 15'728'640'000, 0};
    a.reference.run.description = "The twin: the same seed, batches and order, everything in fp32.";
    a.reference.complete = true;
    a.reference.steps = twin_steps(size);
    a.reference.layers = trace_layers({fp32, fp32, 0, -1, 0}, size, 0);
    for (std::uint64_t seed : {11U, 12U}) {
        auto &losses = a.reference.sibling_losses.emplace_back();
        for (int step = 0; step < size.steps; ++step) losses.push_back(twin_loss(step, seed));
    }
    a.reference.evaluations = {{size.steps - 1, "accuracy", 0.876}};
    a.recipes = {fp16_amp(size), bf16_amp(size), bf16_pure(size), fp16_pure(size)};
    return a;
}

} // namespace halfscope::tests
