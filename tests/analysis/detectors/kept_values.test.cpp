// What is kept in 16 bits: sums of gradients, averages of weights, step counters, running statistics. Each cause beside
// what only looks like it.
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <functional>
#include <limits>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Severity;
using analysis::Verdict;

namespace {

/// One layer, 100 steps; `lag` of the recipe's loss behind the twin's; `each` adds to the recipe's steps, and `finish`
/// the evaluations of each run.
struct Story {
    std::function<double(int)> loss = [](int t) { return learning_curve(t); };
    std::function<void(TraceBuilder &, int)> each = [](TraceBuilder &, int) {};
    std::function<void(TraceBuilder &, trace::Run::Kind)> finish = [](TraceBuilder &, trace::Run::Kind) {};
    std::map<std::string, std::string> settings;
    std::string optimizer = "sgd";
    double retained = 1; ///< of the updates
};

analysis::RecipeAssessment judged(const Story &story) {
    TraceBuilder builder;
    for (const auto &[name, value] : story.settings) builder.session.settings[name] = value;
    using Kind = trace::Run::Kind;
    for (const Kind kind : {Kind::reference, Kind::sibling, Kind::recipe}) {
        if (kind == Kind::recipe)
            builder.recipe("bf16-custom", "bf16").optimizer = story.optimizer;
        else
            builder.begin(kind, "fp32").optimizer = story.optimizer;
        builder.tensor("fc.out", activation("fc", "matmul", "fp32"));
        for (int t = 0; t < 100; ++t) {
            builder.put("fc.out", {1, 2});
            const bool recipe = kind == Kind::recipe;
            if (recipe && t % 10 == 0) {
                builder.fidelity("fc", story.retained, story.retained);
                story.each(builder, t);
            }
            builder.step(recipe ? story.loss(t) : learning_curve(t) * (kind == Kind::sibling ? 1.01 : 1));
        }
        story.finish(builder, kind);
        builder.end();
    }
    return builder.verdict();
}

/// Twin 0.3, sibling 0.31, and the recipe's own beside what fp32 would have kept of the same run.
std::function<void(TraceBuilder &, trace::Run::Kind)> losses(std::string metric, double own, double exact) {
    return [=](TraceBuilder &builder, trace::Run::Kind kind) {
        if (kind == trace::Run::Kind::recipe) {
            builder.evaluation(metric, own);
            builder.evaluation("exact_" + metric, exact);
        } else {
            builder.evaluation(metric, kind == trace::Run::Kind::sibling ? 0.31 : 0.3);
        }
    };
}

} // namespace

TEST_CASE("G13: a sum of micro-batches that stops halfway, beside one that only scatters") {
    Story story;
    story.retained = 0.4;
    story.loss = [](int t) { return learning_curve(t / 4); };
    story.each = [](TraceBuilder &builder, int) { builder.drift("gradient_sum", "fc", 0.4, 0.6, 512); };
    const auto a = judged(story);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE(a.findings.front().detector == "gradient-accumulation-16bit");
    CHECK(a.findings.front().severity == Severity::critical);
    CHECK(a.findings.front().layer == "fc");
    CHECK(contains(a.findings.front().evidence, "512 gradients"));

    story = {};
    story.each = [](TraceBuilder &builder, int) { builder.drift("gradient_sum", "fc", 0.999, 0.05, 16); };
    CHECK_FALSE(find(judged(story), "gradient-accumulation-16bit"));
    CHECK(judged(story).verdict == Verdict::safe);
    // Lost in the sum, and made up for: a counter alone is no verdict.
    story.each = [](TraceBuilder &builder, int) { builder.drift("gradient_sum", "fc", 0.4, 0.6, 512); };
    const auto harmless = judged(story);
    REQUIRE(find(harmless, "gradient-accumulation-16bit"));
    CHECK(harmless.verdict == Verdict::safe);
}

TEST_CASE("U05: an average that stays where it began is unsafe though the training loss is fp32's") {
    Story story;
    story.settings = {{"ema-decay", "0.999"}};
    story.each = [](TraceBuilder &builder, int t) { builder.drift("average", "fc", 0, 1, t); };
    story.finish = losses("averaged_loss", 0.9, 0.3);
    const auto a = judged(story);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE(a.findings.front().detector == "stuck-ema");
    CHECK(a.findings.front().severity == Severity::critical);
    CHECK(contains(a.headline, "finished model"));
    CHECK(contains(a.findings.front().evidence, "0.9 on held-out samples against 0.3"));

    // Stuck, and worth as much as fp32's.
    story.finish = losses("averaged_loss", 0.302, 0.3);
    const auto harmless = judged(story);
    REQUIRE(find(harmless, "stuck-ema"));
    CHECK(find(harmless, "stuck-ema")->severity == Severity::info);
    CHECK(harmless.verdict == Verdict::safe);
    // As bad in fp32: not the format's doing.
    story.finish = losses("averaged_loss", 0.9, 0.89);
    CHECK(judged(story).verdict == Verdict::safe);
    // A gap within what another seed changes.
    story.finish = [](TraceBuilder &builder, trace::Run::Kind kind) {
        losses("averaged_loss", 0.36, 0.3)(builder, kind);
        if (kind == trace::Run::Kind::sibling) builder.evaluation("averaged_loss", 0.4);
    };
    CHECK(judged(story).verdict == Verdict::safe);
    // Between: risky.
    story.finish = losses("averaged_loss", 0.322, 0.3);
    CHECK(judged(story).verdict == Verdict::risky);
    story.finish = losses("averaged_loss", std::numeric_limits<double>::infinity(), 0.3);
    CHECK(judged(story).verdict == Verdict::unsafe);
    // Without held-out samples it is read from training samples.
    story.finish = [](TraceBuilder &builder, trace::Run::Kind kind) {
        builder.evaluation("training_averaged_loss", kind == trace::Run::Kind::recipe ? 0.9 : 0.3);
        if (kind == trace::Run::Kind::recipe) builder.evaluation("training_exact_averaged_loss", 0.3);
    };
    const auto training = judged(story);
    CHECK(training.verdict == Verdict::unsafe);
    CHECK(contains(training.findings.front().evidence, "on training samples"));
}

TEST_CASE("U09: a counter that stopped at 256 and what beta2 makes of it") {
    Story story;
    story.optimizer = "adam";
    story.settings = {{"betas", "0.9,0.999"}};
    story.loss = [](int t) { return learning_curve(t / 3); };
    story.retained = 0.6;
    story.each = [](TraceBuilder &builder, int) { builder.drift("step_counter", "", 256.0 / 1000, 0.744, 1000); };
    const auto a = judged(story);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE(a.findings.front().detector == "stuck-step-counter");
    // sqrt((1 - 0.999^256) / (1 - 0.999^1000))
    CHECK(contains(a.findings.front().evidence, "is 0.5978 times as long"));
    story.settings = {{"betas", "0.9,0.99"}};
    CHECK_FALSE(find(judged(story), "stuck-step-counter"));
    story.settings = {{"betas", "0.9,0.999"}};
    story.each = [](TraceBuilder &builder, int) { builder.drift("step_counter", "", 1, 0, 200); };
    CHECK_FALSE(find(judged(story), "stuck-step-counter"));
}

TEST_CASE("U12: running statistics that stop short, in evaluation mode alone") {
    Story story;
    story.each = [](TraceBuilder &builder, int t) {
        builder.drift("running_statistics", "norm", 0.97, 0.8, t, "running_mean");
        builder.drift("running_statistics", "norm", 0.98, 0.02, t, "running_var");
    };
    story.finish = losses("loss", 0.7, 0.3);
    const auto a = judged(story);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE(a.findings.front().detector == "running-statistics");
    CHECK(a.findings.front().tensor == "norm.running_mean");
    CHECK(contains(a.findings.front().evidence, "80 % of a standard deviation"));
    story.finish = losses("loss", 0.3, 0.3);
    CHECK(judged(story).verdict == Verdict::safe);
    CHECK(find(judged(story), "running-statistics")->severity == Severity::info);
    story.each = [](TraceBuilder &builder, int t) {
        builder.drift("running_statistics", "norm", 1, 0.01, t, "running_mean");
    };
    CHECK_FALSE(find(judged(story), "running-statistics"));
}

TEST_CASE("G12: a sum over ranks that overflows under a static scale, and under one that finds its place") {
    const auto judge = [](const std::string &rule, int skipped_until, const std::string &operation) {
        TraceBuilder builder;
        builder.session.settings["ranks"] = "32";
        for (const bool recipe : {false, true}) {
            if (recipe)
                builder.recipe("fp16-custom").loss_scale_rule = rule;
            else
                builder.twin();
            builder.tensor("fc.out", activation("fc", "matmul", "fp32"));
            Kind sum = weight_gradient("fc", recipe ? "fp16" : "fp32");
            sum.operation = operation;
            builder.tensor("fc.weight.grad.all_reduce", sum);
            for (int t = 0; t < 100; ++t) {
                const bool skipped = recipe && t < skipped_until;
                builder.put("fc.out", {1, 2});
                builder.put("fc.weight.grad.all_reduce", {skipped ? 131072.0F : 1.0F});
                builder.step(learning_curve(skipped ? 0 : t), {4096, 4096, skipped});
            }
            builder.end();
        }
        return builder.verdict();
    };
    const auto a = judge("static:4096", 100, "all_reduce");
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    CHECK(a.findings.front().detector == "all-reduce-overflow");
    CHECK(contains(a.findings.front().cause, "32 ranks"));
    CHECK_FALSE(find(judge("torch", 4, "all_reduce"), "all-reduce-overflow"));
    CHECK_FALSE(find(judge("static:4096", 100, "matmul"), "all-reduce-overflow"));
}
