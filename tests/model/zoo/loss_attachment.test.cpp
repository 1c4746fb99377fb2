#include "emulation/model/loss_attachment.h"

#include "tests/model/interpreter.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace halfscope;
using namespace halfscope::model;

namespace {

Graph with_output(const ops::Shape &shape, ops::DType dtype = ops::DType::fp32) {
    Graph graph;
    const ValueId x = graph.add_input("x", dtype, shape);
    graph.outputs = {graph.add_node({ops::OpKind::negate, {}, {}}, {x}, "logits", "neg")};
    return graph;
}

const Value &target(const Graph &graph) { return graph.value(graph.inputs.back()); }

} // namespace

TEST_CASE("cross-entropy finds the class axis and asks for targets without it") {
    const auto shape_of_target = [](const ops::Shape &logits) {
        Graph graph = with_output(logits);
        attach_loss(graph, "cross-entropy");
        CHECK(graph.value(graph.loss).role == Role::loss);
        CHECK(target(graph).role == Role::target);
        CHECK(target(graph).dtype == ops::DType::int64);
        return target(graph).shape;
    };
    CHECK(shape_of_target({4, 10}) == ops::Shape{4});
    CHECK(shape_of_target({4, 16, 50}) == ops::Shape{4, 16});
    CHECK(shape_of_target({4, 3, 8, 9}) == ops::Shape{4, 8, 9});
    Graph flat = with_output({4});
    CHECK_THROWS_AS(attach_loss(flat, "cross-entropy"), std::invalid_argument);
}

TEST_CASE("cross-entropy of a language model is the mean over positions that count") {
    Graph graph = with_output({1, 3, 2});
    attach_loss(graph, "cross-entropy");
    tests::Interpreter machine(graph);
    const float x[] = {1, 2, -1, 0.5f, 3, 3};
    std::copy(std::begin(x), std::end(x), machine[graph.inputs[0]].as<float>().begin());
    const std::int64_t labels[] = {1, -100, 0};
    std::copy(std::begin(labels), std::end(labels), machine[graph.inputs[1]].as<std::int64_t>().begin());
    machine.run();
    // logits are -x: position 0 is [-1, -2] with label 1, position 2 is a tie.
    const double expected = (std::log1p(std::exp(1.0)) + std::log(2.0)) / 2;
    // About ten fp32 roundings of numbers below 4.
    CHECK(std::abs(machine.at(graph.loss, 0) - expected) < 10 * 0x1p-24 * 4);
}

TEST_CASE("elementwise losses take targets of the output's shape") {
    for (const char *loss : {"mse", "bce-with-logits"}) {
        Graph graph = with_output({4, 3}, ops::DType::fp16);
        attach_loss(graph, loss);
        CHECK(target(graph).shape == ops::Shape{4, 3});
        CHECK(target(graph).dtype == ops::DType::fp32);
        CHECK(graph.value(graph.loss).shape == ops::Shape{});
    }
}

TEST_CASE("a loss inside the graph is named") {
    Graph graph = with_output(ops::Shape{});
    graph.rename(graph.outputs[0], "total");
    CHECK(default_loss(graph).loss == "output:total");
    attach_loss(graph, "output:total");
    CHECK(graph.loss == graph.outputs[0]);
    CHECK_THROWS_WITH_AS(attach_loss(graph, "output:sum"), "the model has no output 'sum'; it has 'total'",
                         std::invalid_argument);
    Graph vector = with_output({4});
    CHECK_THROWS_AS(attach_loss(vector, "output:logits"), std::invalid_argument);
    CHECK_THROWS_AS(attach_loss(vector, "crossentropy"), std::invalid_argument);
}

TEST_CASE("a sensible loss is chosen and explained") {
    const auto chosen = [](const ops::Shape &shape) {
        const Graph graph = with_output(shape);
        CHECK(default_loss(graph).reason.find("logits") != std::string::npos);
        return default_loss(graph).loss;
    };
    CHECK(chosen({4, 10}) == "cross-entropy");
    CHECK(chosen({4, 16, 50}) == "cross-entropy");
    CHECK(chosen({4, 1}) == "mse");
    CHECK(chosen({4}) == "mse");
}

TEST_CASE("targets tell scores of classes from a regression of the same shape") {
    const Graph graph = with_output({4, 3, 8, 8});
    const auto chosen = [&](bool floating, bool zeros_and_ones, std::int64_t elements) {
        return default_loss(graph, model::TargetFacts{floating, zeros_and_ones, elements}).loss;
    };
    CHECK(chosen(false, false, 64) == "cross-entropy"); // a class for each pixel
    CHECK(chosen(true, false, 64) == "cross-entropy");  // the same, stored as floats
    CHECK(chosen(true, false, 192) == "mse");
    CHECK(chosen(true, true, 192) == "bce-with-logits");
    CHECK(chosen(false, true, 192) == "cross-entropy"); // integers do not fit either way; its error says what does
    CHECK(default_loss(with_output({4, 1}), model::TargetFacts{true, true, 1}).loss == "mse");
}
