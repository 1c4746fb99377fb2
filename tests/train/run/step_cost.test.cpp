// Memory and multiply-adds of a step against figures counted by hand.
#include "emulation/train/run/step_cost.h"

#include "emulation/model/zoo/zoo.h"
#include "tests/train/small_models.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::train;
using namespace halfscope::train::testing;
using ops::OpKind;

namespace {

trace::StepCost cost_of(const model::Graph &graph, const char *recipe, OptimizerKind kind, double ema_decay = 0) {
    const auto backend = ops::make_cpu_backend(1);
    TrainingSettings settings;
    settings.optimizer.kind = kind;
    settings.optimizer.momentum = 0.9;
    settings.ema_decay = ema_decay;
    TrainingRun run(graph, recipe_named(recipe), parse_loss_scale("none"), settings, *backend, nullptr);
    return step_cost(run.graph(), run.optimizer(), run.average() ? &*run.average() : nullptr);
}

/// 8 samples, 5 -> 16 relu -> 3, mean squared error: 80 + 48 weights.
model::Graph two_layers() {
    model::Graph graph;
    Normal normal(1);
    const auto weight = [&](const char *name, const ops::Shape &shape) {
        return graph.add_weight(name, name, tensor(shape, [&](std::size_t) { return normal(); }));
    };
    const auto x = graph.add_input("x", ops::DType::fp32, {8, 5});
    const auto h = node(graph, OpKind::relu, {linear(graph, x, weight("w1", {16, 5}), "fc1")}, "act", "relu");
    graph.outputs = {linear(graph, h, weight("w2", {3, 16}), "fc2")};
    model::attach_loss(graph, "mse");
    return graph;
}

} // namespace

TEST_CASE("fp32 with momentum, counted by hand") {
    const trace::StepCost cost = cost_of(two_layers(), "fp32", OptimizerKind::sgd);
    CHECK(cost.weight_bytes == 128 * 4);
    CHECK(cost.master_bytes == 0);
    CHECK(cost.gradient_bytes == 128 * 4);
    CHECK(cost.state_bytes == 128 * 4);
    // x for the first weight gradient, relu's result (its own gradient and the second weight gradient), prediction and
    // target for the loss.
    CHECK(cost.activation_bytes == 4 * (8 * 5 + 8 * 16 + 8 * 3 + 8 * 3));
    // Forward and weight gradients of both layers; the input gradient of the second alone.
    CHECK(cost.multiply_adds == 8 * (2 * 128 + 48));
    CHECK(cost.multiply_adds_16bit == 0);
}

TEST_CASE("autocast holds fp32 weights and their casts, and saves 16-bit activations") {
    const trace::StepCost cost = cost_of(two_layers(), "fp16-amp", OptimizerKind::adam);
    CHECK(cost.weight_bytes == 128 * (4 + 2));
    CHECK(cost.master_bytes == 0);
    CHECK(cost.gradient_bytes == 128 * 4);
    CHECK(cost.state_bytes == 2 * 128 * 4);
    // The loss reads the prediction's fp32 cast.
    CHECK(cost.activation_bytes == 2 * (8 * 5 + 8 * 16) + 4 * (8 * 3 + 8 * 3));
    CHECK(cost.multiply_adds == 8 * (2 * 128 + 48));
    CHECK(cost.multiply_adds_16bit == cost.multiply_adds);
}

TEST_CASE("masters beside 16-bit weights, and everything in 16 bits") {
    const trace::StepCost o2 = cost_of(two_layers(), "bf16-o2", OptimizerKind::adam);
    CHECK(o2.weight_bytes == 128 * 2);
    CHECK(o2.master_bytes == 128 * 4);
    CHECK(o2.state_bytes == 2 * 128 * 4);
    CHECK(cost_of(two_layers(), "bf16-o2", OptimizerKind::adam, 0.99).state_bytes == 3 * 128 * 4);
    const trace::StepCost pure = cost_of(two_layers(), "bf16-pure", OptimizerKind::adam);
    CHECK(pure.weight_bytes == 128 * 2);
    CHECK(pure.master_bytes == 0);
    CHECK(pure.gradient_bytes == 128 * 2);
    CHECK(pure.state_bytes == 2 * 128 * 2);
    CHECK(pure.activation_bytes == 2 * (8 * 5 + 8 * 16 + 8 * 3 + 8 * 3));
    CHECK(cost_of(two_layers(), "bf16-pure-kahan", OptimizerKind::adam).state_bytes == 3 * 128 * 2);
}

TEST_CASE("convolutions: forward, input gradient and weight gradient cost the same") {
    model::Graph graph;
    Normal normal(2);
    const auto filter = [&](const char *name, const ops::Shape &shape) {
        return graph.add_weight(name, name, tensor(shape, [&](std::size_t) { return normal(); }));
    };
    const auto convolve = [&](model::ValueId x, model::ValueId w, std::int64_t stride, std::int64_t groups,
                              const char *name) {
        const ops::Convolution attributes{{stride, stride}, {1, 1}, {1, 1}, {1, 1}, groups};
        return graph.add_node({OpKind::convolution, attributes, {}}, {x, w}, name, "conv2d");
    };
    const auto x = graph.add_input("x", ops::DType::fp32, {2, 4, 8, 8});
    const auto y = convolve(x, filter("w1", {6, 4, 3, 3}), 2, 1, "conv1"); // [2, 6, 4, 4]
    graph.outputs = {convolve(y, filter("w2", {6, 3, 3, 3}), 1, 2, "conv2")};
    model::attach_loss(graph, "mse");
    const trace::StepCost cost = cost_of(graph, "fp16-amp", OptimizerKind::sgd);
    const std::int64_t first = 2 * 6 * 4 * 4 * (4 * 9), second = 2 * 6 * 4 * 4 * (3 * 9);
    CHECK(cost.multiply_adds == 2 * first + 3 * second); // the images need no gradient
    CHECK(cost.multiply_adds_16bit == cost.multiply_adds);
}
