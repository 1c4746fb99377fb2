// Causes read from scale, settings and stored values: each on its hazard and on the near-miss beside it.
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Severity;
using analysis::Verdict;

namespace {

/// Clip norm 1 and a gradient of this norm in every step, clipped where `norm_of` says.
analysis::RecipeAssessment profile_clip(const std::function<double(int)> &recorded_norm, double scale,
                                        double retained) {
    TraceBuilder builder;
    builder.session.settings["clip-norm"] = "1";
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-amp").loss_scale_rule = "static:" + std::to_string(static_cast<long>(scale));
        else
            builder.twin();
        for (int t = 0; t < 100; ++t) {
            builder.gradient_norm(recipe ? recorded_norm(t) : 0.5 + 0.3 * std::sin(t));
            if (recipe && t % 10 == 0) builder.fidelity("fc", retained, retained);
            builder.step(recipe && retained < 0.5 ? learning_curve(t, 2.4) : learning_curve(t),
                         {recipe ? scale : 1, recipe ? scale : 1, false});
        }
        builder.end();
    }
    return builder.verdict();
}

/// A run whose dynamic scale is `scale(t)` and that skips no step.
analysis::RecipeAssessment profile_scale(const std::function<double(int)> &scale) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-amp").loss_scale_rule = "torch";
        else
            builder.twin();
        for (int t = 0; t < 100; ++t)
            builder.step(learning_curve(t), {recipe ? scale(t) : 1, recipe ? scale(t + 1) : 1, false});
        builder.end();
    }
    return builder.verdict();
}

/// One activation of these values in `format`.
analysis::RecipeAssessment profile_values(const std::vector<float> &values, const std::string &format) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe(format + "-o2", format);
        else
            builder.twin();
        builder.tensor("positions", activation("rope", "cast", recipe ? format : "fp32"));
        for (int t = 0; t < 60; ++t) {
            builder.put("positions", values);
            builder.step(learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

std::vector<float> counting(int n, float step = 1) {
    std::vector<float> values;
    for (int i = 0; i < n; ++i) values.push_back(static_cast<float>(i) * step);
    return values;
}

/// v after each step of Adam with beta2 = 0.999 in `format`: one large gradient first, then small ones.
analysis::RecipeAssessment profile_second_moment(const std::string &format, double beta2 = 0.999) {
    TraceBuilder builder;
    builder.session.settings["betas"] = "0.9," + std::to_string(beta2);
    for (const bool recipe : {false, true}) {
        trace::Run &run = recipe ? builder.recipe(format + "-pure", format, 1500) : builder.twin(1500);
        run.optimizer = "adam";
        if (recipe) run.state_format = format;
        builder.tensor("fc.weight.v", optimizer_state("fc", recipe ? format : "fp32"));
        std::vector<float> v(50, 1);
        for (int t = 0; t < 1500; ++t) {
            for (float &x : v) x = static_cast<float>(beta2 * double{x} + (1 - beta2) * 0.01);
            v = builder.put("fc.weight.v", v);
            builder.step(learning_curve(t, 0.5, 200));
        }
        builder.end();
    }
    return builder.verdict();
}

} // namespace

TEST_CASE("G11: clipping before unscaling is told by norms of clip / scale") {
    const auto a = profile_clip([](int) { return 1.0 / 1024; }, 1024, 0.002);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    const auto *f = find(a, "clip-before-unscale");
    REQUIRE(f);
    CHECK(f->severity == Severity::critical);
    CHECK(contains(f->remedy, "unscale_"));
    // Unscaled first: norms up to the clip, as in the twin. Without a scale the order does not matter.
    CHECK_FALSE(find(profile_clip([](int t) { return 0.5 + 0.3 * std::sin(t); }, 1024, 1), "clip-before-unscale"));
    CHECK_FALSE(find(profile_clip([](int) { return 1.0; }, 1, 1), "clip-before-unscale"));
}

TEST_CASE("G08: a scale that doubles without end, beside one that starts high, and one that grows and stops") {
    const auto a = profile_scale([](int t) { return std::ldexp(1.0, 16 + t / 4); });
    const auto *f = find(a, "scale-runaway");
    REQUIRE(f);
    CHECK(contains(f->evidence, "about step")); // 2^41 at step 100, a binade every 4: 2^128 at step 448
    // A staircase over 50 steps is known to one of its 12.5 stairs: so is the way of 349 steps that is left.
    const double forecast = std::stod(f->evidence.substr(f->evidence.find("about step ") + 11));
    CHECK(std::abs(forecast - 448) <= 349 / 12.5);
    CHECK(a.verdict == Verdict::safe); // a warning alone is no verdict
    CHECK_FALSE(find(profile_scale([](int) { return std::ldexp(1.0, 40); }), "scale-runaway"));
    CHECK_FALSE(find(profile_scale([](int t) { return std::ldexp(1.0, 16 + t / 10); }), "scale-runaway"));
}

TEST_CASE("P01: positions beyond the last exact integer, and what only looks like them") {
    const auto a = profile_values(counting(1024), "bf16");
    const auto *f = find(a, "unrepresentable-integers");
    REQUIRE(f);
    CHECK(contains(f->evidence, "exact up to 256"));
    CHECK(contains(f->evidence, "every 4 of them"));
    CHECK(find(profile_values(counting(4096), "fp16"), "unrepresentable-integers"));
    CHECK_FALSE(find(profile_values(counting(1024), "fp16"), "unrepresentable-integers"));
    CHECK_FALSE(find(profile_values(counting(257), "bf16"), "unrepresentable-integers"));
    CHECK_FALSE(find(profile_values(counting(64, 64), "bf16"), "unrepresentable-integers")); // multiples of 64: exact
    CHECK_FALSE(find(profile_values(normal_values(1024, 500, 1), "bf16"), "unrepresentable-integers"));
}

TEST_CASE("U06: with beta2 0.999 v is stuck in bf16 and not in fp16") {
    const auto a = profile_second_moment("bf16");
    const auto *f = find(a, "stuck-second-moment");
    REQUIRE(f);
    MESSAGE(f->evidence);
    CHECK_FALSE(find(profile_second_moment("fp16"), "stuck-second-moment"));
    CHECK_FALSE(find(profile_second_moment("bf16", 0.99), "stuck-second-moment"));
}

TEST_CASE("A17: predictions on a grid coarser than the error to be learnt") {
    const auto profile = [](double size, const std::string &format) {
        TraceBuilder builder;
        for (const bool recipe : {false, true}) {
            if (recipe)
                builder.recipe(format + "-o2", format);
            else
                builder.twin();
            const std::string stored = recipe ? format : "fp32";
            builder.tensor("head.out", activation("head", "matmul", stored));
            builder.tensor("loss", {"loss", "loss", "mse_loss", "fp32"});
            for (int t = 0; t < 100; ++t) {
                std::vector<float> p = normal_values(500, 1, static_cast<std::uint64_t>(t));
                for (float &x : p) x += static_cast<float>(size);
                builder.put("head.out", p);
                builder.put("loss", {1});
                builder.step(learning_curve(t, recipe ? 0.8 : 0.5)); // 0.33 on top: spacing 2, squared, over 12
            }
            builder.end();
        }
        return builder.verdict();
    };
    const auto a = profile(300, "bf16");
    const auto *f = find(a, "coarse-output");
    REQUIRE(f);
    CHECK(contains(f->evidence, "spacing of 2"));
    CHECK_FALSE(find(profile(30, "bf16"), "coarse-output"));
    CHECK_FALSE(find(profile(300, "fp16"), "coarse-output"));
}

TEST_CASE("H01: flushed subnormals are told from kept ones by the histogram") {
    const auto profile = [](bool flush, double size) {
        TraceBuilder builder;
        for (const bool recipe : {false, true}) {
            if (recipe)
                builder.recipe("fp16-custom");
            else
                builder.twin();
            builder.tensor("fc.weight.grad", weight_gradient("fc", recipe ? "fp16" : "fp32"));
            for (int t = 0; t < 100; ++t) {
                if (recipe && flush)
                    builder.put_flushed("fc.weight.grad", normal_values(400, size, 1));
                else
                    builder.put("fc.weight.grad", normal_values(400, size, 1));
                if (recipe && t % 10 == 0) builder.fidelity("fc", flush ? 0.2 : 1, flush ? 0.4 : 1, 1, flush ? 0.2 : 1);
                builder.step(learning_curve(t, recipe && flush ? 1.5 : 0.5));
            }
            builder.end();
        }
        return builder.verdict();
    };
    const auto a = profile(true, std::ldexp(1.0, -16));
    INFO(told(a));
    const auto *f = find(a, "subnormal-flush");
    REQUIRE(f);
    CHECK(f->severity == Severity::critical);
    CHECK(a.findings[0].detector == "subnormal-flush");
    CHECK_FALSE(find(profile(false, std::ldexp(1.0, -16)), "subnormal-flush"));
    CHECK_FALSE(find(profile(true, 1), "subnormal-flush"));
}

TEST_CASE("an infinity that no scale makes: the scale falls to nothing, and the operation that makes it is the cause") {
    // The root's gradient is infinite at every step; the scale halves from 2^16 to 2^-83, and all gradients with it.
    const auto profile = [](double first_scale_log2, bool root_is_infinite) {
        TraceBuilder builder;
        for (const bool recipe : {false, true}) {
            const std::string format = recipe ? "fp16" : "fp32";
            if (recipe)
                builder.recipe("fp16-o2").loss_scale_rule = "dynamic";
            else
                builder.twin();
            builder.tensor("loss.grad", gradient("loss", format));
            builder.tensor("root.grad", {"root", "gradient", "square_root_gradient", format, true, true});
            for (int t = 0; t < 100; ++t) {
                const double scale = recipe ? std::ldexp(1.0, static_cast<int>(first_scale_log2) - t) : 1;
                builder.put("loss.grad", normal_values(100, 0.1 * scale, static_cast<std::uint64_t>(t)));
                auto root = normal_values(100, 0.01 * scale, static_cast<std::uint64_t>(t));
                if (recipe && root_is_infinite) root[7] = std::numeric_limits<float>::infinity();
                builder.put("root.grad", root);
                builder.step(recipe ? 2.5 : learning_curve(t), {scale, scale / 2, recipe});
            }
            builder.end();
        }
        return builder.verdict();
    };
    const auto collapsed = profile(16, true);
    INFO(told(collapsed));
    const auto *f = find(collapsed, "nan-source");
    REQUIRE(f);
    CHECK(f->layer == "root");
    CHECK(f->first_step == 16); // where the scale is 1
    CHECK(f->severity == Severity::critical);
    CHECK(contains(f->evidence, "Infinity first appears at step 16"));
    CHECK(collapsed.findings.front().detector == "nan-source");
    const auto *lost = find(collapsed, "gradient-underflow");
    REQUIRE(lost);
    CHECK(lost->severity == Severity::info); // its consequence
    // Skips of a scale that is still coming down say nothing of the arithmetic.
    CHECK(!find(profile(120, true), "nan-source"));
    CHECK(!find(profile(16, false), "nan-source"));
}
