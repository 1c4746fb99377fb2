#include "emulation/model/graph.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::model;
using ops::DType;
using ops::OpKind;

namespace {

ops::Operation op(OpKind kind) { return {kind, {}, {}}; }

ValueId scalar_of(Graph &graph, DType dtype) { return graph.add_input("s", dtype, ops::Shape{}); }
ValueId vector_of(Graph &graph, DType dtype) { return graph.add_input("v", dtype, {4}); }

DType sum_type(DType a, DType b) {
    Graph graph;
    const ValueId x = vector_of(graph, a), y = vector_of(graph, b);
    return graph.value(graph.add_node(op(OpKind::add), {x, y}, "sum", "add")).dtype;
}

} // namespace

TEST_CASE("names are unique and findable") {
    Graph graph;
    const ValueId a = graph.add_input("x", DType::fp32, {2});
    const ValueId b = graph.add_input("x", DType::fp32, {2});
    CHECK(graph.value(a).name == "x");
    CHECK(graph.value(b).name == "x_2");
    CHECK(graph.find("x_2") == b);
    CHECK(graph.find("y") == none);
    graph.rename(b, "y");
    CHECK(graph.find("y") == b);
    CHECK(graph.find("x_2") == none);
    graph.rename(b, "x");
    CHECK(graph.value(b).name != "x");
    graph.value(a).name = "written by hand";
    CHECK(graph.find("written by hand") == a);
    CHECK(graph.find("x") == none);
}

TEST_CASE("a node's values take its name, its layer and its statistics' roles") {
    Graph graph;
    const ValueId x = graph.add_input("x", DType::fp16, {8, 4});
    ops::Normalization attributes;
    attributes.axis = 1;
    const ValueId y = graph.add_node({OpKind::layer_norm, attributes, {}}, {x}, "block.ln", "layer_norm");
    const Node &node = graph.nodes.back();
    CHECK(graph.value(y).name == "block.ln");
    CHECK(graph.value(y).layer == "block.ln");
    CHECK(graph.value(y).role == Role::activation);
    CHECK(graph.value(y).dtype == DType::fp16);
    REQUIRE(node.outputs.size() == 3);
    CHECK(graph.value(node.outputs[1]).name == "block.ln.mean");
    CHECK(graph.value(node.outputs[1]).role == Role::saved);
    CHECK(graph.value(node.outputs[2]).dtype == DType::fp32);
    CHECK(graph.value(node.outputs[2]).shape == ops::Shape{8});
}

TEST_CASE("storage types promote as PyTorch promotes them") {
    CHECK(sum_type(DType::fp16, DType::fp16) == DType::fp16);
    CHECK(sum_type(DType::fp16, DType::bf16) == DType::fp32);
    CHECK(sum_type(DType::bf16, DType::fp32) == DType::fp32);
    CHECK(sum_type(DType::fp16, DType::fp64) == DType::fp64);
    CHECK(sum_type(DType::int64, DType::fp16) == DType::fp16);
    CHECK(sum_type(DType::int64, DType::int64) == DType::int64);

    Graph graph;
    const ValueId half = vector_of(graph, DType::fp16);
    SUBCASE("constants of one element do not promote") {
        CHECK(graph.value(graph.add_node(op(OpKind::add), {half, graph.add_scalar(2)}, "n", "add")).dtype ==
              DType::fp16);
    }
    SUBCASE("computed scalars do") {
        const ValueId wide = scalar_of(graph, DType::fp32);
        CHECK(graph.value(graph.add_node(op(OpKind::add), {half, wide}, "n", "add")).dtype == DType::fp32);
    }
    SUBCASE("the caller may ask for another type") {
        const ValueId y = graph.add_node(op(OpKind::add), {half, half}, "n", "add", DType::fp32);
        CHECK(graph.value(y).dtype == DType::fp32);
    }
}

TEST_CASE("batch norm's running statistics replace their buffers and keep their types") {
    Graph graph;
    const ValueId x = graph.add_input("x", DType::fp16, {2, 3, 5, 5});
    const auto parameter = [&](const char *name) {
        return graph.add_weight(name, "bn", ops::HostTensor(DType::fp32, {3}));
    };
    const ValueId weight = parameter("weight"), bias = parameter("bias");
    const ValueId mean = graph.add_buffer("mean", "bn", ops::HostTensor(DType::bf16, {3}));
    const ValueId variance = graph.add_buffer("variance", "bn", ops::HostTensor(DType::fp32, {3}));
    const ValueId y =
        graph.add_node(op(OpKind::batch_norm_training), {x, weight, bias, mean, variance}, "bn", "batch_norm");
    CHECK(graph.value(y).dtype == DType::fp16);
    const auto &outputs = graph.nodes.back().outputs;
    CHECK(graph.value(mean).updated_by == outputs[3]);
    CHECK(graph.value(variance).updated_by == outputs[4]);
    CHECK(graph.value(outputs[3]).dtype == DType::bf16);
    CHECK(graph.value(outputs[1]).dtype == DType::fp32);
}

TEST_CASE("a node that does not fit leaves the graph as it was") {
    Graph graph;
    const ValueId a = graph.add_input("a", DType::fp32, {64, 784}), b = graph.add_input("b", DType::fp32, {785, 10});
    CHECK_THROWS_WITH_AS(
        graph.add_node(op(OpKind::matmul), {a, b}, "fc1", "linear"),
        "node 'fc1' (matmul): inner sizes 784 and 785 differ; operands are fp32 [64, 784], fp32 [785, 10]",
        std::invalid_argument);
    CHECK(graph.nodes.empty());
    CHECK(graph.values.size() == 2);
    CHECK_THROWS_AS(graph.add_node(op(OpKind::add), {a, 17}, "n", "add"), std::invalid_argument);
}
