// Forward overflow (A01), the silent zero (A09), what the loss scaler does about it (G05) and what it does when all is
// well (N03), and infinities that are meant.
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

using namespace halfscope;
using namespace halfscope::test;
using analysis::Severity;
using analysis::Verdict;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

/// A01: x ~ N(0, 1), h = ReLU(Wi x) with E h = 16, row 0 of Wo all 20: channel 0 is 81920 or so; then RMS norm.
struct Ffn {
    std::vector<float> out, normed;
};
Ffn feed_forward(TraceBuilder &builder, const std::string &format, std::uint64_t seed) {
    const std::vector<float> x = normal_values(64, 1, seed);
    const std::vector<float> wi = normal_values(std::size_t{256} * 64, 40.0 / 8, 1000);
    const std::vector<float> wo = normal_values(std::size_t{64} * 256, 0.02, 1001);
    std::vector<float> h(256), out(64);
    for (std::size_t u = 0; u < 256; ++u) {
        for (std::size_t i = 0; i < 64; ++i) h[u] += wi[u * 64 + i] * x[i];
        h[u] = std::max(h[u], 0.0F);
    }
    for (std::size_t o = 0; o < 64; ++o)
        for (std::size_t u = 0; u < 256; ++u) out[o] += (o == 0 ? 20.0F : wo[o * 256 + u]) * h[u];
    builder.put("ffn.wi.out", h);
    Ffn result;
    result.out = builder.put("ffn.wo.out", out);
    double squares = 0;
    for (const float v : result.out) squares += double{v} * double{v};
    const auto rms = static_cast<float>(1 / std::sqrt(squares / 64));
    for (const float v : result.out) result.normed.push_back(v * rms); // inf * 0 = nan
    builder.put("norm.out", result.normed);
    (void)format;
    return result;
}

void declare_ffn(TraceBuilder &builder, const std::string &format) {
    builder.tensor("ffn.wi.out", activation("ffn.wi", "relu", format));
    builder.tensor("ffn.wo.out", activation("ffn.wo", "matmul", format));
    builder.tensor("norm.out", activation("norm", "rms_norm", "fp32"));
    builder.tensor("ffn.wo.out:grad", gradient("ffn.wo", format));
}

double train_ffn(TraceBuilder &builder, const std::string &format, std::int64_t steps, bool dynamic) {
    declare_ffn(builder, format);
    double scale = dynamic ? 65536 : 1;
    for (std::int64_t t = 0; t < steps; ++t) {
        const Ffn result = feed_forward(builder, format, static_cast<std::uint64_t>(t));
        const bool broken =
            std::any_of(result.normed.begin(), result.normed.end(), [](float v) { return std::isnan(v); });
        builder.put("ffn.wo.out:grad", broken ? std::vector<float>(64, std::numeric_limits<float>::quiet_NaN())
                                              : normal_values(64, 1e-3 * scale, 5));
        if (broken && t == 0) builder.event("first_inf", "ffn.wo.out", 80.0, "h (80) times Wo (20)");
        const double after = dynamic && broken ? scale / 2 : scale;
        builder.step(broken ? not_a_number : learning_curve(t), {scale, after, dynamic && broken});
        scale = after;
    }
    builder.end();
    return scale;
}

/// A09 as exporters write it: square, mean, rsqrt, multiply, in the format.
void hand_written_norm(TraceBuilder &builder, double deviation, std::uint64_t seed) {
    constexpr std::size_t rows = 8, width = 256;
    const std::vector<float> x = builder.put("block.x", normal_values(rows * width, deviation, seed));
    std::vector<float> squares, means, roots, y;
    for (const float v : x) squares.push_back(v * v);
    squares = builder.put("norm.square", squares);
    for (std::size_t r = 0; r < rows; ++r) {
        float sum = 0;
        for (std::size_t i = 0; i < width; ++i) sum += squares[r * width + i];
        means.push_back(sum / width);
    }
    means = builder.put("norm.mean", means);
    for (const float m : means) roots.push_back(1 / std::sqrt(m + 1e-5F));
    roots = builder.put("norm.rsqrt", roots);
    for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] * roots[i / width]);
    builder.put("norm.out", y);
}

analysis::RecipeAssessment profile_norm(double deviation, bool learns) {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        const std::string format = recipe ? "fp16" : "fp32";
        if (recipe)
            builder.recipe("fp16-o2");
        else
            builder.twin();
        builder.tensor("block.x", activation("block", "matmul", format));
        builder.tensor("norm.square", activation("norm", "multiply", format));
        builder.tensor("norm.mean", activation("norm", "reduce_mean", format));
        builder.tensor("norm.rsqrt", activation("norm", "power_scalar", format));
        builder.tensor("norm.out", activation("norm", "multiply", format));
        for (int t = 0; t < 100; ++t) {
            if (t % 10 == 0) hand_written_norm(builder, deviation, static_cast<std::uint64_t>(t));
            builder.step(recipe && !learns ? 2.5 + learning_curve(t, 0, 1e-9) : learning_curve(t));
        }
        builder.end();
    }
    return builder.verdict();
}

/// A run that is fine but for its scaler: `skips(t)` says which steps are skipped.
template <typename Skips>
analysis::RecipeAssessment profile_scaler(Skips skips, std::int64_t steps, double initial, double gradient_size,
                                          std::int64_t interval = 2000, std::string rule = "torch") {
    TraceBuilder builder;
    builder.twin(steps);
    builder.tensor("fc.out", activation("fc", "matmul", "fp32"));
    builder.tensor("fc.out:grad", gradient("fc", "fp32"));
    for (std::int64_t t = 0; t < steps; ++t) {
        builder.put("fc.out", normal_values(500, 1, 1));
        builder.put("fc.out:grad", normal_values(500, gradient_size, 2));
        builder.step(learning_curve(t));
    }
    builder.end();
    builder.recipe("fp16-amp", "fp16", steps).loss_scale_rule = std::move(rule);
    builder.tensor("fc.out", activation("fc", "matmul", "fp16"));
    builder.tensor("fc.out:grad", gradient("fc", "fp16"));
    double scale = initial;
    std::int64_t applied = 0, clean = 0;
    for (std::int64_t t = 0; t < steps; ++t) {
        builder.put("fc.out", normal_values(500, 1, 1));
        std::vector<float> g = normal_values(500, gradient_size * scale, 2);
        const bool skipped = skips(t, scale, g);
        builder.put("fc.out:grad", g);
        clean = skipped ? 0 : clean + 1;
        double after = skipped ? scale / 2 : scale;
        if (clean == interval) {
            after = 2 * scale;
            clean = 0;
        }
        builder.step(learning_curve(applied), {scale, after, skipped});
        applied += skipped ? 0 : 1;
        scale = after;
    }
    builder.end();
    return builder.verdict();
}

/// Skips exactly when a gradient overflows fp16.
bool overflow_skips(std::int64_t, double, const std::vector<float> &g) {
    return std::any_of(g.begin(), g.end(), [](float v) { return std::abs(v) >= 65520; });
}

} // namespace

TEST_CASE("A01: the feed-forward layer overflows, the next norm makes NaN, and the first inf is named") {
    for (const bool dynamic : {false, true}) {
        for (const std::int64_t steps : {4, 60}) {
            TraceBuilder builder;
            builder.twin(steps);
            train_ffn(builder, "fp32", steps, false);
            builder.recipe("fp16-amp", "fp16", steps).loss_scale_rule = dynamic ? "torch" : "none";
            const double scale = train_ffn(builder, "fp16", steps, dynamic);
            const auto a = builder.verdict();
            MESSAGE(told(a));
            CHECK(a.verdict == Verdict::unsafe);
            REQUIRE_FALSE(a.findings.empty());
            CHECK(a.findings[0].detector == "forward-overflow");
            CHECK(a.findings[0].severity == Severity::critical);
            CHECK(a.findings[0].layer == "ffn.wo");
            CHECK(a.findings[0].tensor == "ffn.wo.out");
            CHECK(a.findings[0].first_step == 0);
            CHECK(contains(a.headline, "`ffn.wo`"));
            CHECK(contains(a.findings[0].remedy, "bf16"));
            CHECK(a.outcome.diverged);
            // G05: under a dynamic scale every step is skipped and the scale falls for ever. A consequence, named
            // second.
            const auto *collapse = find(a, "scale-collapse");
            CHECK((collapse != nullptr) == dynamic);
            if (collapse) {
                CHECK(contains(collapse->cause, "forward pass"));
                if (steps == 60) CHECK(scale < 1e-7);
            }
            CHECK_FALSE(find(a, "backward-only-overflow"));
        }
    }
}

TEST_CASE("A01 in bf16 is safe") {
    TraceBuilder builder;
    builder.twin();
    train_ffn(builder, "fp32", 100, false);
    builder.recipe("bf16-amp", "bf16");
    train_ffn(builder, "bf16", 100, false);
    const auto a = builder.verdict();
    CHECK(a.verdict == Verdict::safe);
    CHECK(a.findings.empty());
}

TEST_CASE("A09: squares overflow, the norm is silently zero and the loss stands still") {
    const auto a = profile_norm(150, false);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings[0].detector == "norm-variance-overflow");
    CHECK(a.findings[0].severity == Severity::critical);
    CHECK(a.findings[0].layer == "norm");
    CHECK(a.findings[0].tensor == "norm.square");
    CHECK(a.outcome.stalled);
    CHECK_FALSE(find(a, "nan-source"));
}

TEST_CASE("A09's near-miss: at a deviation of 50 no square overflows") {
    const auto a = profile_norm(50, true);
    CHECK(a.verdict == Verdict::safe);
    CHECK(a.findings.empty());
}

TEST_CASE("overflow that the loss does not feel is mentioned and is safe") {
    // As A13's x = 41: x^3 is infinite, tanh(inf) = 1 is right.
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-o2");
        else
            builder.twin();
        builder.tensor("gelu.cube", activation("gelu", "power_scalar", recipe ? "fp16" : "fp32"));
        builder.tensor("gelu.tanh", activation("gelu", "tanh", recipe ? "fp16" : "fp32"));
        for (int t = 0; t < 100; ++t) {
            builder.put("gelu.cube", {1.0F, 41.0F * 41.0F * 41.0F});
            builder.put("gelu.tanh", {0.7F, 1.0F});
            builder.step(learning_curve(t));
        }
        builder.end();
    }
    const auto a = builder.verdict();
    CHECK(a.verdict == Verdict::safe);
    const auto *f = find(a, "cubic-overflow");
    REQUIRE(f);
    CHECK(f->severity == Severity::info);
}

TEST_CASE("a mask's -inf is in the twin too and is no finding") {
    for (const float mask : {-inf, -1e9F}) { // -1e9 becomes -inf in fp16: where the twin is finite it is named, no more
        TraceBuilder builder;
        for (const bool recipe : {false, true}) {
            if (recipe)
                builder.recipe("fp16-amp");
            else
                builder.twin();
            builder.tensor("attention.scores", activation("attention", "where", recipe ? "fp16" : "fp32"));
            for (int t = 0; t < 100; ++t) {
                builder.put("attention.scores", {0.5F, mask, mask, 2.0F});
                builder.step(learning_curve(t));
            }
            builder.end();
        }
        const auto a = builder.verdict();
        CHECK(a.verdict == Verdict::safe);
        CHECK((find(a, "forward-overflow") == nullptr) == (mask == -inf));
    }
}

TEST_CASE("N03: the skips of a scale that comes down from 65536 are warm-up") {
    const auto a = profile_scaler(overflow_skips, 100, 65536, 200);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::safe);
    CHECK(a.skipped_steps > 3);
    CHECK(a.skipped_steps < 20);
    CHECK(a.findings.empty());
    CHECK(contains(a.headline, "skipped while the loss scale settled"));
    REQUIRE(a.scale_window_log2);
    // Exact from the gradients themselves: the largest power of two that keeps them below 65520.
    double amax = 0;
    for (const float g : normal_values(500, 200, 2)) amax = std::max(amax, std::abs(double{g}));
    CHECK(a.scale_window_log2->second == static_cast<int>(std::floor(std::log2(65520 / amax))));
}

TEST_CASE("N03: a skip after each growth is normal") {
    const auto a = profile_scaler(overflow_skips, 200, 64, 200, 20);
    CHECK(a.verdict == Verdict::safe);
    CHECK(a.findings.empty());
}

TEST_CASE("a run that ends before its scale has come down gives no verdict") {
    const auto a = profile_scaler(overflow_skips, 30, std::ldexp(1.0, 32), 200);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::no_verdict);
    CHECK(contains(a.headline, "settling"));
    CHECK_FALSE(find(a, "scale-collapse"));
}

TEST_CASE("a run that ends while its scale is still coming down has not collapsed") {
    const auto a = profile_scaler(overflow_skips, 20, std::ldexp(1.0, 40), 200);
    CHECK(a.skipped_steps == 20);
    CHECK(a.verdict == Verdict::no_verdict);
    CHECK_FALSE(find(a, "scale-collapse"));
}

TEST_CASE("G05: gradients that are infinite at every scale collapse it") {
    const auto a = profile_scaler(
        [](std::int64_t, double, std::vector<float> &g) {
            g[7] = inf;
            return true;
        },
        60, 65536, 1e-3);
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings[0].detector == "scale-collapse");
    CHECK(a.findings[0].layer == "fc");
}

TEST_CASE("G05: a scale that has just fallen through 1 and still skips has collapsed") {
    const auto a = profile_scaler(
        [](std::int64_t, double, std::vector<float> &g) {
            g[7] = inf;
            return true;
        },
        34, std::ldexp(1.0, 32), 200);
    CHECK(a.verdict == Verdict::unsafe);
    CHECK(find(a, "scale-collapse"));
}

TEST_CASE("a static scale that is too high is told by its window") {
    const auto a = profile_scaler([](std::int64_t, double, std::vector<float> &) { return true; }, 60, 65536, 200,
                                  1'000'000, "static:65536");
    MESSAGE(told(a));
    CHECK(a.verdict != Verdict::safe);
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings[0].detector == "backward-only-overflow");
    CHECK(contains(a.findings[0].remedy, "static scale from 2^"));
}

TEST_CASE("gradients that overflow unscaled, in applied steps, are named") {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-pure").master_weights = false;
        else
            builder.twin();
        const std::string format = recipe ? "fp16" : "fp32";
        builder.tensor("fc.out", activation("fc", "matmul", format));
        builder.tensor("fc.out:grad", gradient("fc", format));
        for (int t = 0; t < 60; ++t) {
            const bool dead = recipe && t > 0;
            builder.put("fc.out",
                        dead ? std::vector<float>(10, static_cast<float>(not_a_number)) : normal_values(10, 1, 3));
            builder.put("fc.out:grad",
                        dead ? std::vector<float>(10, static_cast<float>(not_a_number)) : normal_values(10, 1e5, 3));
            builder.step(dead ? not_a_number : learning_curve(t));
        }
        builder.end();
    }
    const auto a = builder.verdict();
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings[0].detector == "backward-only-overflow");
    CHECK(a.findings[0].first_step == 0);
    CHECK(contains(a.findings[0].cause, "even unscaled"));
}

TEST_CASE("the operation that makes a NaN of finite operands is named, with its operands") {
    TraceBuilder builder;
    for (const bool recipe : {false, true}) {
        if (recipe)
            builder.recipe("fp16-o2");
        else
            builder.twin();
        const std::string format = recipe ? "fp16" : "fp32";
        builder.tensor("box.sum", activation("box", "add", format));
        builder.tensor("box.log", activation("box", "logarithm", format));
        for (int t = 0; t < 60; ++t) {
            const auto sum = builder.put("box.sum", {1e-8F, 0.5F});
            builder.put("box.log", {std::log(sum[0]), std::log(sum[1])});
            if (recipe && t == 0) builder.event("first_inf", "box.log", 0.5, "box.sum (0.5)");
            builder.step(recipe ? not_a_number : learning_curve(t));
        }
        builder.end();
    }
    const auto a = builder.verdict();
    MESSAGE(told(a));
    CHECK(a.verdict == Verdict::unsafe);
    REQUIRE_FALSE(a.findings.empty());
    CHECK(a.findings[0].detector == "log-of-lost-eps");
    CHECK(a.findings[0].tensor == "box.log");
    CHECK(contains(a.findings[0].cause, "log(0) is -inf"));
    CHECK(contains(a.findings[0].evidence, "0.5"));
}
