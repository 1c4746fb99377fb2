// What the backward pass looks like in the graph: names, layers, roles, storage types, what is computed and what is
// not.
#include "emulation/model/autodiff/differentiate.h"
#include "tests/model/interpreter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

using namespace halfscope;
using namespace halfscope::model;
using ops::DType;
using ops::OpKind;

namespace {

ops::Operation op(OpKind kind) { return {kind, {}, {}}; }

ValueId weight(Graph &graph, const std::string &layer, const ops::Shape &shape, DType dtype = DType::fp32) {
    return graph.add_weight(layer + ".weight", layer, ops::HostTensor(dtype, shape));
}

std::vector<OpKind> backward_kinds(const Graph &graph) {
    std::vector<OpKind> kinds;
    for (const Node &node : graph.nodes)
        if (node.phase == Phase::backward) kinds.push_back(node.operation.kind);
    return kinds;
}

std::string failure(Graph &graph) {
    try {
        differentiate(graph);
    } catch (const std::invalid_argument &error) {
        return error.what();
    }
    return {};
}

/// x [4, 3] -> fc1 -> relu -> fc2 -> sum
struct TwoLayers {
    Graph graph;
    ValueId x, w1, w2, h, a, y;

    explicit TwoLayers(DType dtype = DType::fp32) {
        x = graph.add_input("x", dtype, {4, 3});
        w1 = weight(graph, "fc1", {3, 5}, dtype);
        w2 = weight(graph, "fc2", {5, 2}, dtype);
        ops::Matmul product;
        product.accumulation = ops::Accumulation::hopper;
        h = graph.add_node({OpKind::matmul, product, {ops::OutputRounding::Mode::nearest_even, true}}, {x, w1}, "fc1",
                           "linear");
        a = graph.add_node(op(OpKind::relu), {h}, "act", "relu");
        y = graph.add_node(op(OpKind::matmul), {a, w2}, "fc2", "linear");
        graph.loss = graph.add_node(op(OpKind::reduce_sum), {y}, "loss", "sum");
    }
};

} // namespace

TEST_CASE("gradients carry their forward value's name and layer, and a role") {
    TwoLayers model;
    differentiate(model.graph);
    Graph &graph = model.graph;
    CHECK(graph.value(graph.loss).role == Role::loss);
    CHECK(graph.value(graph.loss_scale).name == "loss_scale");
    CHECK(graph.value(graph.loss_scale).dtype == DType::fp32);
    REQUIRE(graph.weight_gradients.size() == 2);
    const Value &dw1 = graph.value(graph.weight_gradients[0]);
    CHECK(dw1.name == "fc1.weight.grad");
    CHECK(dw1.layer == "fc1");
    CHECK(dw1.role == Role::weight_gradient);
    CHECK(dw1.gradient_of == model.w1);
    const Value &dh = graph.value(graph.value(model.h).gradient);
    CHECK(dh.name == "fc1.grad");
    CHECK(dh.role == Role::gradient);
    const Node &rule = graph.node(dh.producer);
    CHECK(rule.name == "act.backward");
    CHECK(rule.policy == "relu");
    CHECK(rule.phase == Phase::backward);
    CHECK(graph.node(rule.differentiates).name == "act");
    std::set<std::string> names;
    for (const Node &node : graph.nodes) CHECK(names.insert(node.name).second);
}

TEST_CASE("nothing is computed that no trained weight needs") {
    SUBCASE("the input of the first layer gets no gradient") {
        TwoLayers model;
        differentiate(model.graph);
        CHECK(model.graph.value(model.x).gradient == none);
        // fc2: da and dw2; relu; fc1: dw1 alone. The seed and the sum's expansion come first.
        CHECK(std::ranges::count(backward_kinds(model.graph), OpKind::matmul) == 3);
    }
    SUBCASE("a frozen first layer ends the backward pass early") {
        TwoLayers model;
        const std::vector<ValueId> trained{model.w2};
        differentiate(model.graph, trained);
        CHECK(model.graph.weight_gradients[0] == none);
        CHECK(model.graph.weight_gradients[1] != none);
        CHECK(std::ranges::count(backward_kinds(model.graph), OpKind::matmul) == 1);
        CHECK(std::ranges::count(backward_kinds(model.graph), OpKind::relu_gradient) == 0);
    }
    SUBCASE("a weight beside the loss gets none") {
        TwoLayers model;
        weight(model.graph, "unused", {2});
        differentiate(model.graph);
        CHECK(model.graph.weight_gradients[2] == none);
    }
    SUBCASE("values behind an operation that lets nothing through get none") {
        Graph graph;
        const ValueId w = weight(graph, "w", {4}), v = weight(graph, "v", {4});
        const ValueId steps = graph.add_node(op(OpKind::floor), {v}, "floor", "floor");
        const ValueId product = graph.add_node(op(OpKind::multiply), {w, steps}, "product", "mul");
        graph.loss = graph.add_node(op(OpKind::reduce_sum), {product}, "loss", "sum");
        differentiate(graph);
        CHECK(graph.weight_gradients[0] != none);
        CHECK(graph.weight_gradients[1] == none);
    }
}

TEST_CASE("backward products keep the forward node's accumulation and rounding") {
    TwoLayers model;
    differentiate(model.graph);
    const Node &dw1 = model.graph.node(model.graph.value(model.graph.weight_gradients[0]).producer);
    CHECK(dw1.operation.get<ops::Matmul>().accumulation == ops::Accumulation::hopper);
    CHECK(dw1.operation.rounding.flush_subnormals);
    const Node &dw2 = model.graph.node(model.graph.value(model.graph.weight_gradients[1]).producer);
    CHECK(dw2.operation.get<ops::Matmul>().accumulation == ops::Accumulation::fma_chain);
    CHECK_FALSE(dw2.operation.rounding.flush_subnormals);
}

TEST_CASE("a gradient is stored in its value's type, and a cast's gradient is a cast back") {
    Graph graph;
    const ValueId w = weight(graph, "w", {4});
    const ValueId half = graph.add_node(op(OpKind::cast), {w}, "w.fp16", "cast", DType::fp16);
    graph.value(half).role = Role::weight;
    const ValueId square = graph.add_node(op(OpKind::multiply), {half, half}, "square", "mul");
    const ValueId wide = graph.add_node(op(OpKind::cast), {square}, "wide", "cast", DType::fp32);
    graph.loss = graph.add_node(op(OpKind::reduce_sum), {wide}, "loss", "sum");
    differentiate(graph);
    for (ValueId id : {w, half, square, wide}) {
        REQUIRE(graph.value(id).gradient != none);
        CHECK(graph.value(graph.value(id).gradient).dtype == graph.value(id).dtype);
    }
    // Both factors are the same value: two products, added in fp16.
    const Value &sum = graph.value(graph.value(half).gradient);
    CHECK(graph.node(sum.producer).operation.kind == OpKind::add);
    CHECK(sum.role == Role::weight_gradient);
    CHECK(graph.find("w.fp16.grad.1") != none);
    CHECK(graph.value(graph.find("w.fp16.grad.2")).dtype == DType::fp16);
}

TEST_CASE("a weight that is only added has a gradient value of its own") {
    Graph graph;
    const ValueId a = weight(graph, "a", {4}), b = weight(graph, "b", {4});
    const ValueId sum = graph.add_node(op(OpKind::add), {a, b}, "sum", "add");
    const ValueId y = graph.add_node(op(OpKind::exponential), {sum}, "y", "exp");
    graph.loss = graph.add_node(op(OpKind::reduce_sum), {y}, "loss", "sum");
    differentiate(graph);
    REQUIRE(graph.weight_gradients[0] != none);
    CHECK(graph.weight_gradients[0] != graph.weight_gradients[1]);
    CHECK(graph.value(graph.weight_gradients[0]).name == "a.weight.grad");
    CHECK(graph.value(graph.weight_gradients[1]).name == "b.weight.grad");
    CHECK(graph.value(graph.weight_gradients[1]).role == Role::weight_gradient);
    tests::Interpreter machine(graph);
    machine.set_loss_scale(3);
    machine.run();
    for (ValueId gradient : graph.weight_gradients) CHECK(machine.at(gradient, 2) == 3);
}

TEST_CASE("the scale seeds the backward pass in the loss's type: 65536 is inf in fp16") {
    for (const auto &[dtype, expected] :
         {std::pair{DType::fp32, 65536.0}, {DType::bf16, 65536.0}, {DType::fp16, double{INFINITY}}}) {
        Graph graph;
        const ValueId w = weight(graph, "w", {1}, dtype);
        graph.loss = graph.add_node(op(OpKind::reduce_sum), {w}, "loss", "sum");
        differentiate(graph);
        tests::Interpreter machine(graph);
        machine.set_loss_scale(65536);
        machine.run();
        CHECK(machine.at(graph.weight_gradients[0], 0) == expected);
        CHECK(graph.value(graph.find("loss.grad")).dtype == dtype);
    }
}

TEST_CASE("3x^2 is rounded on its own: NaN in fp16 where the factor is 0 (hazard A13)") {
    for (const auto &[x, is_nan] : {std::pair{147.0f, false}, {149.0f, true}}) {
        Graph graph;
        ops::HostTensor data(DType::fp16, ops::Shape{1});
        data.as<std::uint16_t>()[0] = number::round_to_16bit(x, number::FormatId::fp16);
        const ValueId w = graph.add_weight("x", "x", std::move(data));
        const ValueId cube = graph.add_node({OpKind::power_scalar, ops::Scalars{3, 0}, {}}, {w}, "cube", "pow");
        const ValueId y = graph.add_node({OpKind::scale, ops::Scalars{0, 0}, {}}, {cube}, "y", "mul");
        graph.loss = graph.add_node(op(OpKind::reduce_sum), {y}, "loss", "sum");
        differentiate(graph);
        tests::Interpreter machine(graph);
        machine.set_loss_scale(1);
        machine.run();
        CHECK(std::isnan(machine.at(graph.weight_gradients[0], 0)) == is_nan);
    }
}

TEST_CASE("what cannot be differentiated is said, all of it at once") {
    Graph graph;
    const ValueId w = weight(graph, "w", {4});
    const ValueId a = graph.add_node(op(OpKind::tanh_gradient), {w, w}, "first", "");
    const ValueId b = graph.add_node(op(OpKind::silu_gradient), {a, w}, "second", "");
    graph.loss = graph.add_node(op(OpKind::reduce_sum), {b}, "loss", "sum");
    const std::string message = failure(graph);
    CHECK(message.find("'first' (tanh_gradient)") != std::string::npos);
    CHECK(message.find("'second' (silu_gradient)") != std::string::npos);

    TwoLayers without_loss;
    without_loss.graph.loss = none;
    CHECK(failure(without_loss.graph).find("no scalar floating loss") != std::string::npos);
    TwoLayers vector;
    vector.graph.loss = vector.y;
    CHECK(failure(vector.graph).find("no scalar floating loss") != std::string::npos);
    TwoLayers twice;
    CHECK(failure(twice.graph).empty());
    CHECK(failure(twice.graph).find("differentiated before") != std::string::npos);
    TwoLayers frozen;
    CHECK_THROWS_AS(differentiate(frozen.graph, std::span<const ValueId>{}), std::invalid_argument);
}

TEST_CASE("a norm's saved statistics cannot be trained through") {
    Graph graph;
    const ValueId w = weight(graph, "w", {2, 4});
    ops::Normalization rows;
    rows.axis = 1;
    graph.add_node({OpKind::layer_norm, rows, {}}, {w}, "ln", "layer_norm");
    const ValueId rstd = graph.nodes.back().outputs[2];
    graph.loss = graph.add_node(op(OpKind::reduce_sum), {rstd}, "loss", "sum");
    CHECK(failure(graph).find("saved statistics") != std::string::npos);
}
