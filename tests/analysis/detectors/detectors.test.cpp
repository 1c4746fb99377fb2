// Detectors that the verdict tests do not reach, and the pages `halfscope explain` prints.
#include "analysis/detectors/detector.h"
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Severity;
using analysis::Verdict;

namespace {

/// Adam with its state in `format`; second moments are squares of gradients of size `gradient_size`.
analysis::RecipeAssessment profile_adam(const std::string &format, double eps, double gradient_size, bool breaks,
                                        double retained = 1) {
    TraceBuilder builder;
    builder.session.settings["eps"] = std::to_string(eps);
    if (eps < 1e-5) builder.session.settings["eps"] = "1e-08";
    for (const bool recipe : {false, true}) {
        const std::string stored = recipe ? format : "fp32";
        if (recipe) {
            trace::Run &run = builder.recipe(format + "-pure", format);
            run.master_weights = false;
            run.state_format = format;
            run.optimizer = "adam";
        } else {
            builder.twin().optimizer = "adam";
        }
        builder.tensor("fc.out", activation("fc", "matmul", stored));
        builder.tensor("fc.weight.v", optimizer_state("fc", stored));
        for (int t = 0; t < 100; ++t) {
            const bool dead = recipe && breaks && t > 0;
            std::vector<float> v = normal_values(500, gradient_size, 1);
            for (float &x : v) x *= x;
            builder.put("fc.out",
                        dead ? std::vector<float>(10, static_cast<float>(not_a_number)) : normal_values(10, 1, 3));
            builder.put("fc.weight.v", v);
            if (recipe && !dead && t % 10 == 0) builder.fidelity("fc", retained, retained);
            builder.step(dead ? not_a_number : learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

/// One activation whose largest value at step t is amax(t), in fp16 and in the twin alike.
analysis::RecipeAssessment profile_growth(const std::function<double(int)> &amax) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-amp");
        else
            builder.twin();
        builder.tensor("block.out", activation("block", "add", recipe ? "fp16" : "fp32"));
        for (int t = 0; t < 100; ++t) {
            builder.put("block.out", {1, static_cast<float>(amax(t))});
            builder.step(learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

} // namespace

TEST_CASE("U08: eps 1e-8 is zero in fp16 state, 0/0 is NaN at the first step") {
    const auto a = profile_adam("fp16", 1e-8, 1e-2, true);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings[0].detector == "optimizer-underflow");
    CHECK(a.findings[0].severity == Severity::critical);
    CHECK(contains(a.findings[0].evidence, "1e-08"));
    CHECK(contains(a.headline, "eps"));
}

TEST_CASE("U08's near-misses: bf16 state holds eps, fp32 state too, and a lost eps need not hurt") {
    CHECK_FALSE(find(profile_adam("bf16", 1e-8, 1e-2, false), "optimizer-underflow"));
    CHECK_FALSE(find(profile_adam("fp16", 1e-4, 1e-2, false), "optimizer-underflow"));
    const auto a = profile_adam("fp16", 1e-8, 1, false);
    CHECK(a.verdict == Verdict::safe);
    const auto *f = find(a, "optimizer-underflow");
    REQUIRE(f);
    CHECK(f->severity == Severity::warning);
}

TEST_CASE("U07: second moments of small gradients underflow, and the updates grow too long") {
    const auto a = profile_adam("fp16", 1e-4, 1e-4, false, 3);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::risky); // the loss does not show it
    const auto *f = find(a, "optimizer-underflow");
    REQUIRE(f);
    CHECK(f->layer == "fc");
    CHECK(contains(f->evidence, "second moments"));
}

TEST_CASE("activations that double every 20 steps and stand at 20000 are a risk") {
    const auto a = profile_growth([](int t) { return 20000 * std::exp2((t - 99) / 20.0); });
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::risky);
    const auto *f = find(a, "activation-growth");
    REQUIRE(f);
    CHECK(f->layer == "block");
    CHECK(contains(a.headline, "`block`"));
}

TEST_CASE("growth that is slow, far from the end, settled or mere noise is none") {
    CHECK(profile_growth([](int t) { return 100 * std::exp2((t - 99) / 200.0); }).verdict == Verdict::safe);
    CHECK(profile_growth([](int t) { return 5 * std::exp2((t - 99) / 20.0); }).verdict == Verdict::safe);
    CHECK(profile_growth([](int t) { return 30000 * (1 - std::exp(-t / 5.0)); }).verdict == Verdict::safe);
    CHECK(profile_growth([](int t) { return t % 2 ? 20000 : 45000 * std::exp2((t - 99) / 40.0); }).verdict ==
          Verdict::safe);
    CHECK(profile_growth([](int t) { return 30000 + 2000 * std::sin(1.7 * t); }).verdict == Verdict::safe);
}

TEST_CASE("lost weight decay is exact and a warning") {
    const auto profile = [](bool masters, double decay) {
        TraceBuilder builder;
        builder.session.settings["weight-decay"] = std::to_string(decay);
        builder.twin();
        for (int t = 0; t < 60; ++t) builder.step(learning_curve(t), {}, 1e-3);
        builder.end();
        trace::Run &run = builder.recipe("bf16-pure", "bf16");
        run.master_weights = masters;
        run.optimizer = "adamw";
        for (int t = 0; t < 60; ++t) builder.step(learning_curve(t), {}, 1e-3);
        builder.end();
        return builder.verdict();
    };
    const auto a = profile(false, 0.1);
    CHECK(a.verdict == Verdict::safe);
    REQUIRE(find(a, "lost-weight-decay"));
    CHECK(find(a, "lost-weight-decay")->severity == Severity::warning);
    CHECK_FALSE(find(profile(true, 0.1), "lost-weight-decay"));
    CHECK_FALSE(find(profile(false, 3), "lost-weight-decay")); // 3e-3 is above 2^-9
}

TEST_CASE("a gradient that underflows in fp16 and is then cast to fp32 is said to be lost in fp16") {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-amp");
        else
            builder.twin();
        builder.tensor("head.grad", gradient("head", recipe ? "fp16" : "fp32"));
        builder.tensor("fc.weight.grad", weight_gradient("fc", "fp32"));
        for (int t = 0; t < 100; ++t) {
            std::vector<float> values = normal_values(1000, std::ldexp(1.0, -25), 7);
            values = builder.put("head.grad", values);
            builder.put("fc.weight.grad", values); // the cast: exact
            if (recipe && t % 10 == 0) builder.fidelity("fc", 0.1, 0.1, 0.1, 0.1);
            builder.step(recipe ? learning_curve(t, 1.5) : learning_curve(t));
        }
        builder.end();
    }
    const auto a = builder.verdict();
    MESSAGE(told(a));
    const analysis::Finding *f = find(a, "gradient-underflow");
    REQUIRE(f);
    CHECK(f->tensor == "fc.weight.grad");
    CHECK(contains(f->evidence, "lost in `head.grad`, which is fp16"));
    CHECK(contains(f->cause, "Gradients of `head` are below 2^-25, where fp16 rounds to zero"));
    CHECK_FALSE(contains(f->cause, "fp32"));
}

TEST_CASE("every detector has its page, and its name is the one it signs findings with") {
    std::set<std::string_view> ids;
    for (const analysis::Detector &detector : analysis::detectors()) {
        const analysis::DetectorInfo &info = detector.info;
        CHECK(ids.insert(info.id).second);
        for (const std::string_view text : {info.title, info.looks_for, info.threshold, info.example, info.remedy})
            CHECK(text.size() > 10);
        CHECK(analysis::find_detector(info.id) == &info);
        CHECK(static_cast<bool>(detector.find));
    }
    CHECK(analysis::find_detector("no-such-detector") == nullptr);
}
