// Functions that exporters take apart come back as one operation, and nothing that only looks like them does.
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>

#include <cmath>

namespace halfscope::tests {
namespace {

using ops::OpKind;

/// The nodes PyTorch's exporter writes for nn.LayerNorm.
void layer_norm_nodes(GraphBuilder &model, const std::string &x, const std::string &y, std::vector<std::int64_t> axes,
                      const std::string &at) {
    const auto n = [&](const char *name) { return "/" + at + "/" + name; };
    model.node("ReduceMean", {x}, {n("m")}, {Attribute("axes", axes)}, n("ReduceMean"));
    model.node("Sub", {x, n("m")}, {n("d")}, {}, n("Sub")).number(n("two"), 2).number(n("eps"), 1e-5f);
    model.node("Pow", {n("d"), n("two")}, {n("p")}, {}, n("Pow"));
    model.node("ReduceMean", {n("p")}, {n("v")}, {Attribute("axes", axes)}, n("ReduceMean_1"));
    model.node("Add", {n("v"), n("eps")}, {n("e")}, {}, n("Add")).node("Sqrt", {n("e")}, {n("s")}, {}, n("Sqrt"));
    model.node("Div", {n("d"), n("s")}, {n("n")}, {}, n("Div"));
    model.node("Mul", {n("n"), at + ".weight"}, {n("w")}, {}, n("Mul"));
    model.node("Add", {n("w"), at + ".bias"}, {y}, {}, n("Add_1"));
}

TEST_CASE("onnx: decomposed LayerNorm, with its parameters, name and epsilon") {
    ModelBuilder model;
    model.input("x", {2, 3, 8}).weight("h.0.ln.weight", {8}).weight("h.0.ln.bias", {8});
    layer_norm_nodes(model, "x", "y", {-1}, "h.0.ln");
    model.output("y");
    const auto graph = model.import().graph;
    REQUIRE(graph.nodes.size() == 1);
    const model::Node &node = graph.nodes[0];
    CHECK(node.operation.kind == OpKind::layer_norm);
    CHECK(node.policy == "layer_norm");
    CHECK(node.name == "h.0.ln");
    CHECK(node.inputs.size() == 3);
    CHECK(node.operation.get<ops::Normalization>().axis == 2);
    CHECK(static_cast<float>(node.operation.get<ops::Normalization>().epsilon) == 1e-5f);
    CHECK(graph.value(graph.outputs[0]).name == "y");
}

TEST_CASE("onnx: a norm over axes that are not the last, or whose inside is read elsewhere, stays arithmetic") {
    ModelBuilder middle;
    middle.input("x", {2, 8, 3}).weight("n.weight", {8, 1}).weight("n.bias", {8, 1});
    layer_norm_nodes(middle, "x", "y", {1}, "n");
    middle.output("y");
    CHECK(only(middle.import().graph, OpKind::layer_norm) == nullptr);

    ModelBuilder shared;
    shared.input("x", {2, 3, 8}).weight("n.weight", {8}).weight("n.bias", {8});
    layer_norm_nodes(shared, "x", "y", {-1}, "n");
    shared.output("y").output("/n/v"); // the variance is a result of the model
    CHECK(only(shared.import().graph, OpKind::layer_norm) == nullptr);
}

TEST_CASE("onnx: GELU by erf in the exporter's order and in BERT's") {
    for (bool bert : {false, true}) {
        ModelBuilder model;
        model.input("x", {4, 8}).number("root", 1.41421356f).number("one", 1).number("half", 0.5f);
        model.node("Div", {"x", "root"}, {"d"}).node("Erf", {"d"}, {"e"}).node("Add", {"e", "one"}, {"a"});
        if (bert)
            model.node("Mul", {"x", "half"}, {"h"}).node("Mul", {"h", "a"}, {"y"});
        else
            model.node("Mul", {"x", "a"}, {"m"}).node("Mul", {"m", "half"}, {"y"});
        model.output("y");
        const auto graph = model.import().graph;
        REQUIRE(graph.nodes.size() == 1);
        CHECK(graph.nodes[0].operation.kind == OpKind::gelu);
    }
    ModelBuilder other; // a whole, not a half: something else
    other.input("x", {4, 8}).number("root", 1.41421356f).number("one", 1).number("whole", 1);
    other.node("Div", {"x", "root"}, {"d"}).node("Erf", {"d"}, {"e"}).node("Add", {"e", "one"}, {"a"});
    other.node("Mul", {"x", "a"}, {"m"}).node("Mul", {"m", "whole"}, {"y"}).output("y");
    CHECK(only(other.import().graph, OpKind::gelu) == nullptr);
}

TEST_CASE("onnx: GELU by tanh: the exporter's is fused, the hand-written one is kept and said") {
    ModelBuilder exported;
    exported.input("x", {4, 8}).number("c", 0.044715f).number("r", 0.79788456f).number("one", 1).number("half", 0.5f);
    exported.node("Mul", {"x", "x"}, {"x2"}).node("Mul", {"x", "x2"}, {"x3"}).node("Mul", {"c", "x3"}, {"cx3"});
    exported.node("Add", {"x", "cx3"}, {"sum"}).node("Mul", {"r", "sum"}, {"t"}).node("Tanh", {"t"}, {"tanh"});
    exported.node("Add", {"one", "tanh"}, {"a"}).node("Mul", {"x", "a"}, {"xa"}).node("Mul", {"half", "xa"}, {"y"});
    exported.output("y");
    const auto fused = exported.import();
    REQUIRE(fused.graph.nodes.size() == 1);
    CHECK(fused.graph.nodes[0].operation.kind == OpKind::gelu_tanh);
    CHECK(fused.graph.nodes[0].policy == "gelu");

    ModelBuilder written;
    written.input("x", {4, 8}).number("c", 0.044715f).number("r", 0.79788456f).number("one", 1).number("half", 0.5f);
    written.number("three", 3).node("Mul", {"x", "half"}, {"h"}, {}, "/act/Mul");
    written.node("Pow", {"x", "three"}, {"x3"}, {}, "/act/Pow").node("Mul", {"x3", "c"}, {"cx3"}, {}, "/act/Mul_1");
    written.node("Add", {"x", "cx3"}, {"sum"}, {}, "/act/Add").node("Mul", {"sum", "r"}, {"t"}, {}, "/act/Mul_2");
    written.node("Tanh", {"t"}, {"tanh"}, {}, "/act/Tanh").node("Add", {"tanh", "one"}, {"a"}, {}, "/act/Add_1");
    written.node("Mul", {"h", "a"}, {"y"}, {}, "/act/Mul_3").output("y");
    const auto kept = written.import();
    CHECK(only(kept.graph, OpKind::gelu_tanh) == nullptr);
    const model::Node *cube = only(kept.graph, OpKind::power_scalar);
    REQUIRE(cube != nullptr);
    CHECK(cube->operation.get<ops::Scalars>().alpha == 3);
    CHECK(cube->policy == "pow");
    CHECK(mentions(kept.notes, "act"));
}

TEST_CASE("onnx: GELU by tanh written by hand with a product for its cube is kept too: its numbers come second") {
    ModelBuilder written;
    written.input("x", {4, 8}).number("c", 0.044715f).number("r", 0.79788456f).number("one", 1).number("half", 0.5f);
    written.node("Mul", {"x", "x"}, {"x2"}).node("Mul", {"x", "x2"}, {"x3"}).node("Mul", {"x3", "c"}, {"cx3"});
    written.node("Add", {"x", "cx3"}, {"sum"}).node("Mul", {"sum", "r"}, {"t"}).node("Tanh", {"t"}, {"tanh"});
    written.node("Add", {"tanh", "one"}, {"a"}).node("Mul", {"x", "a"}, {"xa"}).node("Mul", {"xa", "half"}, {"y"});
    written.output("y");
    const auto kept = written.import();
    CHECK(only(kept.graph, OpKind::gelu_tanh) == nullptr);
    CHECK(only(kept.graph, OpKind::tanh) != nullptr);
    CHECK(mentions(kept.notes, "written out by hand"));
}

TEST_CASE("onnx: SiLU and rsqrt") {
    ModelBuilder model;
    model.input("x", {4, 8}).number("one", 1).number("eps", 1e-6f);
    model.node("Sigmoid", {"x"}, {"s"}).node("Mul", {"x", "s"}, {"silu"});
    model.node("Add", {"silu", "eps"}, {"e"}).node("Sqrt", {"e"}, {"r"}).node("Div", {"one", "r"}, {"y"}).output("y");
    const auto graph = model.import().graph;
    REQUIRE(graph.nodes.size() == 3);
    CHECK(graph.nodes[0].operation.kind == OpKind::silu);
    CHECK(graph.nodes[2].operation.kind == OpKind::power_scalar);
    CHECK(graph.nodes[2].policy == "rsqrt");
}

TEST_CASE("onnx: GroupNorm as Reshape, InstanceNormalization, Reshape, Mul, Add") {
    ModelBuilder model(11);
    model.input("x", {2, 6, 4, 4}).weight("norm.weight", {6}).weight("norm.bias", {6});
    model.floats("ones", {3}, {1, 1, 1}).floats("zeros", {3}, {0, 0, 0});
    model.constant("folded", {0, 3, -1}).node("Reshape", {"x", "folded"}, {"f"}, {}, "/norm/Reshape");
    model.node("InstanceNormalization", {"f", "ones", "zeros"}, {"n"}, {Attribute("epsilon", 1e-5f)},
               "/norm/InstanceNormalization");
    model.node("Shape", {"x"}, {"shape"}).node("Reshape", {"n", "shape"}, {"u"}, {}, "/norm/Reshape_1");
    const std::vector<std::int64_t> axes{1, 2};
    model.node("Unsqueeze", {"norm.weight"}, {"w"}, {Attribute("axes", axes)});
    model.node("Unsqueeze", {"norm.bias"}, {"b"}, {Attribute("axes", axes)});
    model.node("Mul", {"u", "w"}, {"m"}, {}, "/norm/Mul").node("Add", {"m", "b"}, {"y"}, {}, "/norm/Add").output("y");
    // ones and zeros are constants only when nothing trains them: freeze is not needed, Constant nodes are usual.
    auto *graph_proto = &model.proto();
    for (const char *name : {"ones", "zeros"})
        for (auto &tensor : *graph_proto->mutable_initializer())
            if (tensor.name() == name) {
                auto *node = graph_proto->add_node();
                node->set_op_type("Constant");
                node->add_output(name);
                auto *value = node->add_attribute();
                value->set_name("value");
                value->set_type(onnx::AttributeProto::TENSOR);
                *value->mutable_t() = tensor;
            }
    while (graph_proto->initializer_size() > 2) graph_proto->mutable_initializer()->RemoveLast();
    auto *nodes = graph_proto->mutable_node();
    for (int moved = 0; moved < 2; ++moved)
        for (int i = nodes->size() - 1; i > 0; --i) nodes->SwapElements(i, i - 1);
    const auto graph = model.import().graph;
    REQUIRE(graph.nodes.size() == 1);
    CHECK(graph.nodes[0].operation.kind == OpKind::group_norm);
    CHECK(graph.nodes[0].operation.get<ops::Normalization>().groups == 3);
    CHECK(graph.nodes[0].name == "norm");
    CHECK(graph.value(graph.nodes[0].inputs[1]).name == "norm.weight");
}

TEST_CASE("onnx: linear layers: Gemm, MatMul with Transpose, folded MatMul; bias fused; names of the user's modules") {
    ModelBuilder model;
    model.input("x", {2, 3, 8}).weight("mlp.fc1.weight", {16, 8}).weight("mlp.fc1.bias", {16});
    model.node("Transpose", {"mlp.fc1.weight"}, {"t"}, {}, "/mlp/fc1/Transpose");
    model.node("MatMul", {"x", "t"}, {"p"}, {}, "/mlp/fc1/MatMul");
    model.node("Add", {"mlp.fc1.bias", "p"}, {"h"}, {}, "/mlp/fc1/Add");
    model.weight("onnx::MatMul_99", {16, 4}).weight("mlp.fc2.bias", {4});
    model.node("MatMul", {"h", "onnx::MatMul_99"}, {"q"}, {}, "/mlp/fc2/MatMul");
    model.node("Add", {"q", "mlp.fc2.bias"}, {"r"}, {}, "/mlp/fc2/Add");
    model.constant("flat", {6, 4}).node("Reshape", {"r", "flat"}, {"f"});
    model.weight("head.weight", {5, 4}).weight("head.bias", {5});
    model.node("Gemm", {"f", "head.weight", "head.bias"}, {"y"}, {Attribute("transB", 1)}, "Gemm_7").output("y");
    const auto graph = model.import().graph;
    CHECK(count(graph, OpKind::matmul) == 3);
    CHECK(count(graph, OpKind::add) == 0);
    CHECK(count(graph, OpKind::transpose) == 0);
    std::vector<std::string> names;
    for (const model::Node &node : graph.nodes)
        if (node.operation.kind == OpKind::matmul) {
            CHECK(node.policy == "linear");
            CHECK(node.inputs.size() == 3);
            names.push_back(node.name);
        }
    CHECK(names == std::vector<std::string>{"mlp.fc1", "mlp.fc2", "head"});
    CHECK(graph.find("mlp.fc2.weight") != model::none);
    CHECK(graph.find("onnx::MatMul_99") == model::none);
}

TEST_CASE("onnx: products of activations are matmul, and an Add of a matrix is no bias") {
    ModelBuilder model;
    model.input("q", {2, 3, 4}).input("k", {2, 4, 3}).weight("rel", {3, 3});
    model.node("MatMul", {"q", "k"}, {"s"}, {}, "/h.0/attn/MatMul").node("Add", {"s", "rel"}, {"y"}).output("y");
    const auto graph = model.import().graph;
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes[0].policy == "matmul");
    CHECK(graph.value(graph.nodes[0].outputs[0]).layer == "h.0.attn");
    CHECK(graph.nodes[1].policy == "add");
}

TEST_CASE("onnx: layer names follow scopes, and repeat no container") {
    ModelBuilder model;
    model.input("x", {1, 3, 8, 8}).weight("layer1.0.conv1.weight", {4, 3, 3, 3});
    model.node("Conv", {"x", "layer1.0.conv1.weight"}, {"/layer1/layer1.0/conv1/Conv_output_0"}, {},
               "/layer1/layer1.0/conv1/Conv");
    model.node("Relu", {"/layer1/layer1.0/conv1/Conv_output_0"}, {"r"}, {}, "/layer1/layer1.0/relu/Relu");
    model.node("Add", {"r", "r"}, {"s"}, {}, "/layer1/layer1.0/Add").node("Relu", {"s"}, {"y"}, {}, "Relu_9");
    model.output("y");
    const auto graph = model.import().graph;
    CHECK(graph.nodes[0].name == "layer1.0.conv1");
    CHECK(graph.nodes[0].policy == "conv2d");
    CHECK(graph.nodes[1].name == "layer1.0.relu");
    CHECK(graph.value(graph.nodes[2].outputs[0]).layer == "layer1.0");
    CHECK(graph.value(graph.nodes[3].outputs[0]).layer == "Relu_9");
    CHECK(graph.value(graph.outputs[0]).name == "y");
}

TEST_CASE("onnx: numbers of the user's Python become scalars of operations; PyTorch's loss becomes its two halves") {
    ModelBuilder model;
    model.input("z", {4, 10}).input("labels", {4}, onnx::TensorProto::INT64).number("t", 0.07f);
    model.node("Div", {"z", "t"}, {"s"});
    model.node("SoftmaxCrossEntropyLoss", {"s", "labels"}, {"loss"}, {Attribute("ignore_index", -100)}).output("loss");
    const auto graph = model.import().graph;
    REQUIRE(graph.nodes.size() == 3);
    CHECK(graph.nodes[0].operation.kind == OpKind::scale);
    CHECK(graph.nodes[0].policy == "div");
    CHECK(graph.nodes[1].policy == "log_softmax");
    CHECK(graph.nodes[2].policy == "nll_loss");
    CHECK(graph.value(graph.inputs[1]).role == model::Role::target);
    CHECK(graph.value(graph.outputs[0]).name == "loss");
}

} // namespace
} // namespace halfscope::tests
