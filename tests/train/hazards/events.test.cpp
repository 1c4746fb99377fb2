// The first operation that made an infinity or a NaN is found, in the forward and in the backward pass, and told from
// infinities that are meant.
#include "tests/train/small_models.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <optional>

using namespace halfscope;
using namespace halfscope::train;
using namespace halfscope::train::testing;
using ops::DType;
using ops::OpKind;

namespace {

std::optional<trace::Event> event_of(const StepRecord &record, const std::string &kind) {
    for (const trace::Event &event : record.events)
        if (event.kind == kind) return event;
    return std::nullopt;
}

/// One step of a recipe with a twin beside it.
StepRecord first_step(const model::Graph &graph, const Batch &batch, const char *recipe, const char *rule) {
    TrainingSettings settings;
    settings.optimizer.learning_rate = 1e-3;
    const auto backend = ops::make_cpu_backend(1);
    Twin twin(graph, settings, *backend);
    TrainingRun run(graph, recipe_named(recipe), parse_loss_scale(rule), settings, *backend, &twin);
    return run.step({&batch, 1}, true, true);
}

/// A01: a feed-forward block whose first output is about 20 * 256 * 16 = 81920, residual add, RMS norm.
model::Graph ffn_overflow() {
    Normal normal(7);
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {8, 64});
    const auto t = graph.add_input("target", DType::fp32, {8, 64}, model::Role::target);
    const auto wi = graph.add_weight("wi", "ffn.wi", tensor({256, 64}, [&](std::size_t) { return normal() * 5; }));
    const auto wo = graph.add_weight(
        "wo", "ffn.wo", tensor({64, 256}, [&](std::size_t i) { return i < 256 ? 20.0 : 0.02 * normal(); }));
    const auto gamma = graph.add_weight("gamma", "norm", tensor({64}, [](std::size_t) { return 1.0; }));
    const auto h = node(graph, OpKind::relu, {linear(graph, x, wi, "ffn.wi")}, "ffn.relu", "relu");
    const auto o = linear(graph, h, wo, "ffn.wo");
    const auto r = node(graph, OpKind::add, {x, o}, "residual", "add");
    ops::Normalization attributes;
    attributes.axis = 1;
    const auto n = graph.add_node({OpKind::rms_norm, attributes, {}}, {r, gamma}, "norm", "rms_norm");
    graph.outputs.push_back(n);
    set_loss(graph, node(graph, OpKind::mse_loss, {n, t}, "loss", "mse_loss"));
    return graph;
}

Batch ffn_batch() {
    Normal normal(8);
    Batch batch;
    batch.push_back(tensor({8, 64}, [&](std::size_t) { return normal(); }));
    batch.push_back(tensor({8, 64}, [&](std::size_t) { return normal(); }));
    return batch;
}

} // namespace

TEST_CASE("A01: the feed-forward output overflows in fp16 on the first step, whatever the scale; bf16 is finite") {
    for (const char *recipe : {"fp16-amp", "fp16-o2", "fp16-pure"}) {
        CAPTURE(recipe);
        const StepRecord record = first_step(ffn_overflow(), ffn_batch(), recipe, "dynamic");
        const auto inf = event_of(record, "first_inf");
        REQUIRE(inf.has_value());
        CHECK(inf->layer == "ffn.wo");
        CHECK(inf->operation == "matmul");
        CHECK(!inf->backward);
        CHECK(!inf->scale_dependent);
        CHECK(inf->limit == 65504);
        CHECK(inf->tensor >= 0);
        const auto nan = event_of(record, "first_nan");
        REQUIRE(nan.has_value());
        CHECK(nan->layer == "norm"); // inf * rsqrt(inf)
        CHECK(event_of(record, "loss_not_finite").has_value());
        CHECK(record.step.skipped);
        CHECK(record.step.loss_scale_after == record.step.loss_scale / 2);
    }
    const StepRecord bf16 = first_step(ffn_overflow(), ffn_batch(), "bf16-amp", "none");
    CHECK(bf16.events.empty());
    CHECK(std::isfinite(bf16.step.loss));
}

TEST_CASE("a backward overflow that the loss scale makes is told from one it does not") {
    // The gradient of the prediction is 2 (p - y) / n * S: with p - y = 10 and S = 2^16 it is far over 65504.
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {1, 2});
    const auto y = graph.add_input("y", DType::fp32, {1, 2}, model::Role::target);
    const auto w = graph.add_weight("w", "fc", tensor({2, 2}, [](std::size_t) { return 0.5; }));
    const auto p = linear(graph, x, w, "fc");
    graph.outputs.push_back(p);
    set_loss(graph, node(graph, OpKind::mse_loss, {p, y}, "loss", "mse_loss"));
    Batch batch;
    batch.push_back(tensor({1, 2}, [](std::size_t) { return 1.0; }));
    batch.push_back(tensor({1, 2}, [](std::size_t) { return 11.0; }));
    const StepRecord record = first_step(graph, batch, "fp16-amp", "dynamic");
    const auto inf = event_of(record, "first_inf");
    REQUIRE(inf.has_value());
    CHECK(inf->backward);
    CHECK(inf->scale_dependent);
    CHECK(inf->layer == "fc");
    CHECK(record.step.skipped);
    CHECK(std::isfinite(record.step.loss));
    CHECK(first_step(graph, batch, "fp16-amp", "static:256").events.empty());
}

TEST_CASE("G04: a loss held in fp16 cannot be scaled by 65536: the seed gradient itself is infinite") {
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {4, 2});
    const auto w = graph.add_weight("w", "fc", tensor({1, 2}, [](std::size_t) { return 0.5; }));
    const auto p = linear(graph, x, w, "fc");
    const auto loss = graph.add_node({OpKind::reduce_mean, ops::Reduction{}, {}}, {p}, "loss", "mean");
    graph.outputs.push_back(loss);
    set_loss(graph, loss);
    const Batch batch{tensor({4, 2}, [](std::size_t) { return 1.0; })};
    const StepRecord record = first_step(graph, batch, "fp16-pure", "dynamic");
    const auto inf = event_of(record, "first_inf");
    REQUIRE(inf.has_value());
    CHECK(inf->backward);
    CHECK(inf->operation == "cast");
    CHECK(inf->scale_dependent);
    CHECK(first_step(graph, batch, "fp16-pure", "static:1024").events.empty());
}

TEST_CASE("a mask of -inf or of -1e9 is meant; the event names what really broke") {
    const auto masked = [](double fill, bool all_masked) {
        model::Graph graph;
        const auto x = graph.add_input("x", DType::fp32, {2, 4});
        const auto w =
            graph.add_weight("w", "scores", tensor({4, 4}, [](std::size_t i) { return 0.1 * static_cast<double>(i); }));
        const auto mask = graph.add_constant(
            tensor({2, 4}, [&](std::size_t i) { return all_masked || i % 4 >= 2 ? fill : 0.0; }), "mask");
        const auto scores = linear(graph, x, w, "scores");
        const auto added = node(graph, OpKind::add, {scores, mask}, "masked", "add");
        const auto s = graph.add_node({OpKind::softmax, ops::Axis{1}, {}}, {added}, "softmax", "softmax");
        graph.outputs.push_back(s);
        const auto t = graph.add_input("t", DType::fp32, {2, 4}, model::Role::target);
        set_loss(graph, node(graph, OpKind::mse_loss, {s, t}, "loss", "mse_loss"));
        return graph;
    };
    Batch batch;
    batch.push_back(tensor({2, 4}, [](std::size_t) { return 1.0; }));
    batch.push_back(tensor({2, 4}, [](std::size_t) { return 0.25; }));
    const double inf = std::numeric_limits<double>::infinity();
    for (const char *recipe : {"fp16-amp", "fp16-o2", "fp16-pure"}) {
        CAPTURE(recipe);
        CHECK(first_step(masked(-inf, false), batch, recipe, "none").events.empty()); // N04
        CHECK(first_step(masked(-1e9, false), batch, recipe, "none").events.empty());
    }
    // T04: all tokens masked with -1e9. fp32 gives equal weights; in fp16 the mask is -inf and the softmax NaN.
    const StepRecord record = first_step(masked(-1e9, true), batch, "fp16-pure", "none");
    const auto nan = event_of(record, "first_nan");
    REQUIRE(nan.has_value());
    CHECK(nan->layer == "softmax");
    CHECK(!event_of(record, "first_inf").has_value());
    // Where fp32 gives NaN as well, precision is not to blame.
    const StepRecord both = first_step(masked(-inf, true), batch, "fp16-amp", "none");
    CHECK(!event_of(both, "first_nan").has_value());
    CHECK(!event_of(both, "first_inf").has_value());
    CHECK(event_of(both, "loss_not_finite").has_value());
}

TEST_CASE("G05: a scale-independent overflow collapses the scale and leaves every weight as it was") {
    const model::Graph graph = ffn_overflow();
    const Batch batch = ffn_batch();
    TrainingSettings settings;
    const auto backend = ops::make_cpu_backend(1);
    TrainingRun run(graph, recipe_named("fp16-amp"), parse_loss_scale("dynamic"), settings, *backend, nullptr);
    const auto before = doubles_of(*backend, run.optimizer().parameters()[0].value);
    int located = 0;
    for (int step = 0; step < 40; ++step) {
        const StepRecord record = run.step({&batch, 1}, false, false);
        CHECK(record.step.skipped);
        located += event_of(record, "first_inf").has_value();
    }
    CHECK(run.step({&batch, 1}, false, false).step.loss_scale < 1e-7);
    CHECK(doubles_of(*backend, run.optimizer().parameters()[0].value) == before);
    CHECK(located >= 4); // replays become rare, but the cause is on record
    CHECK(located < 12);
    // DeepSpeed would end the run.
    TrainingRun ended(graph, recipe_named("fp16-amp"), parse_loss_scale("deepspeed:init=4"), settings, *backend,
                      nullptr);
    StepRecord last;
    int steps = 0;
    while (ended.stop_reason().empty() && steps++ < 20) last = ended.step({&batch, 1}, false, false);
    CHECK(steps == 4); // hysteresis absorbs one, then 2, 1, and the minimum
    CHECK(event_of(last, "stopped").has_value());
}
