// Weights, buffers, running statistics, dropout: what trains and what does not.
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace halfscope::tests {
namespace {

using ops::OpKind;

bool trains(const model::Graph &graph, const std::string &name) {
    const model::ValueId id = graph.find(name);
    return id != model::none && graph.value(id).role == model::Role::weight;
}

ModelBuilder batch_norm(std::int64_t opset, std::size_t outputs, int training_mode) {
    ModelBuilder model(opset);
    model.input("x", {8, 3, 4, 4}).weight("bn.weight", {3}).weight("bn.bias", {3}).weight("bn.running_mean", {3});
    model.floats("bn.running_var", {3}, {1, 2, 3});
    std::vector<std::string> names{"y"};
    for (std::size_t i = 1; i < outputs; ++i) names.push_back("out" + std::to_string(i));
    std::vector<Attribute> attributes{Attribute("momentum", 0.9f), Attribute("epsilon", 1e-5f)};
    if (training_mode >= 0) attributes.emplace_back("training_mode", training_mode);
    model.node("BatchNormalization", {"x", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}, names,
               attributes, "/bn/BatchNormalization");
    model.output("y");
    return model;
}

TEST_CASE("onnx: batch normalisation trains by training_mode, by five outputs below opset 14, or because we train") {
    model::ImportOptions as_is;
    as_is.infer_training = false;
    const auto kind = [&](const ModelBuilder &model, const model::ImportOptions &options) {
        return model.import(options).graph.nodes.at(0).operation.kind;
    };
    CHECK(kind(batch_norm(14, 3, 1), as_is) == OpKind::batch_norm_training);
    CHECK(kind(batch_norm(11, 5, -1), as_is) == OpKind::batch_norm_training);
    CHECK(kind(batch_norm(14, 1, 0), as_is) == OpKind::batch_norm_inference);
    CHECK(kind(batch_norm(11, 1, -1), as_is) == OpKind::batch_norm_inference);
    const auto inferred = batch_norm(11, 1, -1).import();
    CHECK(inferred.graph.nodes.at(0).operation.kind == OpKind::batch_norm_training);
    CHECK(mentions(inferred.notes, "inference mode"));

    const auto graph = batch_norm(14, 3, 1).import().graph;
    CHECK(graph.weights.size() == 2);
    REQUIRE(graph.buffers.size() == 2);
    CHECK(graph.value(graph.buffers[0]).updated_by == graph.nodes[0].outputs[3]);
    CHECK(graph.value(graph.buffers[1]).updated_by == graph.nodes[0].outputs[4]);
    // PyTorch's momentum, exactly as the user wrote it.
    CHECK(static_cast<float>(graph.nodes[0].operation.get<ops::Normalization>().momentum) == 0.1f);
}

TEST_CASE("onnx: two layers that share running statistics by value update their own") {
    ModelBuilder model(14);
    model.input("x", {8, 3, 4, 4}).weight("a.weight", {3}).weight("a.bias", {3});
    model.floats("a.running_mean", {3}, {0, 0, 0}).floats("a.running_var", {3}, {1, 1, 1});
    for (const char *name : {"weight", "bias", "running_mean", "running_var"})
        model.node("Identity", {std::string("a.") + name}, {std::string("b.") + name});
    // An alias across roles: this layer's weight is another's running variance.
    model.node("Identity", {"a.running_var"}, {"c.weight"});
    for (const char *layer : {"a", "b"}) {
        const std::string l = layer;
        model.node("BatchNormalization",
                   {l == "a" ? "x" : "ya", l + ".weight", l + ".bias", l + ".running_mean", l + ".running_var"},
                   {"y" + l}, {Attribute("training_mode", 1)});
    }
    model.node("BatchNormalization", {"yb", "c.weight", "a.bias", "a.running_mean", "a.running_var"}, {"y"},
               {Attribute("training_mode", 1)});
    model.output("y");
    const auto imported = model.import();
    const model::Graph &graph = imported.graph;
    CHECK(trains(graph, "b.weight"));
    CHECK(trains(graph, "c.weight"));
    CHECK_FALSE(trains(graph, "b.running_var"));
    std::vector<model::ValueId> statistics;
    for (const model::Node &node : graph.nodes)
        for (std::size_t i : {3u, 4u}) statistics.push_back(node.inputs[i]);
    std::sort(statistics.begin(), statistics.end());
    CHECK(std::adjacent_find(statistics.begin(), statistics.end()) == statistics.end());
    CHECK(mentions(imported.notes, "b.weight"));
}

TEST_CASE("onnx: dropout: trained since opset 12 by its operand, inactive before and said so") {
    ModelBuilder active(13);
    active.input("x", {4, 8}).number("ratio", 0.25f);
    onnx::TensorProto truth;
    truth.set_data_type(onnx::TensorProto::BOOL);
    truth.add_int32_data(1);
    active.node("Constant", {}, {"mode"}, {Attribute("value", truth)});
    active.node("Dropout", {"x", "ratio", "mode"}, {"y", "mask"}).node("Relu", {"y"}, {"z"}).output("z");
    const auto graph = active.import().graph;
    REQUIRE(only(graph, OpKind::dropout) != nullptr);
    CHECK(only(graph, OpKind::dropout)->operation.get<ops::Scalars>().alpha == 0.25);

    ModelBuilder old(11);
    old.input("x", {4, 8}).node("Dropout", {"x"}, {"y", "mask"}, {Attribute("ratio", 0.25f)}, "/drop/Dropout");
    old.node("Relu", {"y"}, {"z"}).output("z");
    const auto inactive = old.import();
    CHECK(inactive.graph.nodes.size() == 1);
    CHECK(mentions(inactive.notes, "drop"));

    ModelBuilder zero(11);
    zero.input("x", {4, 8}).node("Dropout", {"x"}, {"y"}, {Attribute("ratio", 0.0f)}).node("Relu", {"y"}, {"z"});
    zero.output("z");
    CHECK(zero.import().notes.empty());
}

TEST_CASE("onnx: a causal mask that is compared is folded away; masks and tables are guessed and said") {
    ModelBuilder model;
    model.input("scores", {2, 4, 4}).number("off", -std::numeric_limits<float>::infinity()).number("zero", 0);
    std::vector<float> triangle(36);
    for (std::size_t i = 0; i < 36; ++i) triangle[i] = i % 6 <= i / 6 ? 1.0f : 0.0f;
    model.floats("attn.bias", {6, 6}, triangle).constant("from", {0, 0}).constant("to", {4, 4});
    model.node("Slice", {"attn.bias", "from", "to"}, {"cut"}).node("Equal", {"cut", "zero"}, {"hidden"});
    model.node("Where", {"hidden", "off", "scores"}, {"masked"});
    std::vector<float> additive(16);
    for (std::size_t i = 0; i < 16; ++i) additive[i] = i % 4 <= i / 4 ? 0.0f : -1e9f;
    model.floats("additive", {4, 4}, additive).node("Add", {"masked", "additive"}, {"a"});
    model.weight("slope_table", {4, 4}).node("Add", {"a", "slope_table"}, {"b"});
    model.node("Softmax", {"b"}, {"p"}, {Attribute("axis", -1)}).output("p");
    const auto imported = model.import();
    CHECK(imported.graph.weights.empty());
    CHECK(only(imported.graph, OpKind::equal) == nullptr);
    CHECK(mentions(imported.notes, "attn.bias"));
    CHECK(mentions(imported.notes, "additive"));
    CHECK(mentions(imported.notes, "slope_table"));
}

TEST_CASE("onnx: sinusoidal positions are a table, learned positions train, and so does a bias before a softmax") {
    ModelBuilder model;
    model.input("x", {2, 8, 6});
    std::vector<float> table(48);
    for (std::size_t p = 0; p < 8; ++p)
        for (std::size_t i = 0; i < 3; ++i) {
            const double angle = static_cast<double>(p) * std::pow(100.0, -static_cast<double>(i) / 3);
            table[p * 6 + 2 * i] = static_cast<float>(std::sin(angle));
            table[p * 6 + 2 * i + 1] = static_cast<float>(std::cos(angle));
        }
    model.floats("pe", {1, 8, 6}, table).weight("pos_embed", {1, 8, 6});
    model.node("Add", {"x", "pe"}, {"a"}).node("Add", {"a", "pos_embed"}, {"b"});
    model.weight("head.weight", {6, 5}).weight("head.bias", {5}).weight("gain", {5});
    model.node("MatMul", {"b", "head.weight"}, {"c"}).node("Add", {"c", "head.bias"}, {"d"});
    model.node("Add", {"d", "gain"}, {"e"}).node("Softmax", {"e"}, {"y"}, {Attribute("axis", -1)}).output("y");
    const auto imported = model.import();
    CHECK_FALSE(trains(imported.graph, "pe"));
    CHECK(trains(imported.graph, "pos_embed"));
    CHECK(trains(imported.graph, "head.bias"));
    CHECK(trains(imported.graph, "gain"));
    CHECK(mentions(imported.notes, "sines and cosines, not trained, because of their content: pe."));
}

TEST_CASE("onnx: a learned position bias that is looked up trains; frequencies and pixel means do not") {
    ModelBuilder model;
    model.input("scores", {2, 3, 3}).weight("relative_position_bias_table", {5, 1});
    model.constant("index", {0, 1, 2, 1, 2, 3, 2, 3, 4}).constant("square", {3, 3});
    model.node("Gather", {"relative_position_bias_table", "index"}, {"g"}).node("Reshape", {"g", "square"}, {"bias"});
    model.node("Add", {"scores", "bias"}, {"s"}).node("Softmax", {"s"}, {"p"}, {Attribute("axis", -1)}).output("p");
    model.input("image", {1, 3, 2, 2}).weight("mean", {3, 1, 1}).node("Sub", {"image", "mean"}, {"i"}).output("i");
    model.input("positions", {4, 1}).weight("frequencies", {1, 3}).node("Mul", {"positions", "frequencies"}, {"angle"});
    model.node("Sin", {"angle"}, {"sine"}).output("sine");
    const auto imported = model.import();
    CHECK(trains(imported.graph, "relative_position_bias_table"));
    CHECK_FALSE(trains(imported.graph, "mean"));
    CHECK_FALSE(trains(imported.graph, "frequencies"));
    CHECK(mentions(imported.notes, "frequencies"));
    CHECK(mentions(imported.notes, "mean"));
}

TEST_CASE("onnx: a parameter of the model itself names what a node without a scope does with it") {
    ModelBuilder model;
    model.input("x", {3, 2, 8}).weight("pos_embed", {1, 2, 8}).weight("experts", {4, 8, 8}).weight("fc.weight", {8, 8});
    model.weight("twice", {8});
    model.node("MatMul", {"x", "fc.weight"}, {"a"}, {}, "/fc/MatMul");
    model.node("Add", {"a", "pos_embed"}, {"b"}, {}, "/Add");
    model.node("Einsum", {"b", "experts"}, {"c"}, {Attribute("equation", "btd,edf->bef")}, "/Einsum");
    model.node("Mul", {"c", "twice"}, {"d"}, {}, "/Mul").node("Add", {"d", "twice"}, {"y"}, {}, "/Add_1").output("y");
    const auto graph = model.import().graph;
    std::map<std::string, std::string> layer_of_weight;
    for (const auto weight : graph.weights) layer_of_weight[graph.value(weight).name] = graph.value(weight).layer;
    CHECK(layer_of_weight["pos_embed"] == "pos_embed");
    CHECK(layer_of_weight["experts"] == "experts");
    CHECK(layer_of_weight["fc.weight"] == "fc");
    CHECK(layer_of_weight["twice"] != "twice"); // two operations share it
    std::set<std::string> layers, names;
    for (const auto &node : graph.nodes) {
        const auto &made = graph.value(node.outputs.front());
        layers.insert(made.layer);
        CHECK(names.insert(made.name).second);
        CHECK_FALSE(layer_of_weight.contains(made.name));
    }
    CHECK(layers == std::set<std::string>{"pos_embed", "fc", "experts", "Mul", "Add_1"});
}

TEST_CASE("onnx: freeze keeps what it matches, still as a linear layer, and a bad pattern is refused") {
    ModelBuilder model;
    model.input("x", {2, 8}).weight("base.weight", {8, 8}).weight("adapter.weight", {4, 8});
    model.node("Transpose", {"base.weight"}, {"t"}).node("MatMul", {"x", "t"}, {"h"});
    model.node("Gemm", {"h", "adapter.weight"}, {"y"}, {Attribute("transB", 1)}).output("y");
    model::ImportOptions options;
    options.freeze = {"^base\\."};
    const auto graph = model.import(options).graph;
    CHECK(graph.weights.size() == 1);
    REQUIRE(graph.buffers.size() == 1);
    CHECK(graph.value(graph.buffers[0]).name == "base.weight");
    CHECK(count(graph, OpKind::transpose) == 0);
    options.freeze = {"("};
    CHECK(model.error(options).find("'(' is not a regular expression") != std::string::npos);
}

TEST_CASE("onnx: an exact transpose of a trained matrix is reported as a likely tie, a real tie stays one parameter") {
    ModelBuilder model;
    const auto values = varied(12);
    std::vector<float> transposed(12);
    for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t c = 0; c < 3; ++c) transposed[c * 4 + r] = values[r * 3 + c];
    model.input("i", {2}, onnx::TensorProto::INT64).floats("wte.weight", {4, 3}, values);
    model.floats("onnx::MatMul_7", {3, 4}, transposed).node("Gather", {"wte.weight", "i"}, {"e"}, {}, "/wte/Gather");
    model.node("MatMul", {"e", "onnx::MatMul_7"}, {"y"}, {}, "/lm_head/MatMul").output("y");
    const auto folded = model.import();
    CHECK(mentions(folded.notes, "lm_head.weight is the exact transpose of wte.weight"));

    ModelBuilder tied;
    tied.input("i", {2}, onnx::TensorProto::INT64).weight("wte.weight", {4, 3});
    tied.node("Gather", {"wte.weight", "i"}, {"e"}, {}, "/wte/Gather");
    tied.node("Transpose", {"wte.weight"}, {"t"}, {}, "/lm_head/Transpose");
    tied.node("MatMul", {"e", "t"}, {"y"}, {}, "/lm_head/MatMul").output("y");
    const auto graph = tied.import().graph;
    CHECK(graph.weights.size() == 1);
    CHECK(graph.nodes[0].name == "wte");
    CHECK(graph.nodes[1].name == "lm_head");
    CHECK(graph.nodes[1].inputs[1] == graph.weights[0]);
}

TEST_CASE("onnx: batch normalisation that the export folded away is missed") {
    ModelBuilder model;
    model.input("x", {1, 3, 8, 8}).weight("onnx::Conv_31", {4, 3, 3, 3}).weight("onnx::Conv_32", {4});
    model.node("Conv", {"x", "onnx::Conv_31", "onnx::Conv_32"}, {"y"}, {}, "/block/conv1/Conv").output("y");
    const auto imported = model.import();
    CHECK(mentions(imported.notes, "folded batch normalisation into these convolutions"));
    CHECK(mentions(imported.notes, "block.conv1"));
    CHECK(trains(imported.graph, "block.conv1.weight"));
    CHECK(trains(imported.graph, "block.conv1.bias"));
}

TEST_CASE("onnx: a 16-bit file is widened and said") {
    ModelBuilder model;
    model.input("x", {2, 2}, onnx::TensorProto::FLOAT16);
    onnx::TensorProto half;
    half.set_name("w");
    half.set_data_type(onnx::TensorProto::FLOAT16);
    half.add_dims(2);
    half.add_dims(2);
    for (int bits : {0x3c00, 0xc000, 0x0001, 0x7bff}) half.add_int32_data(bits);
    model.initializer(half).node("MatMul", {"x", "w"}, {"h"}).node("Cast", {"h"}, {"y"}, {Attribute("to", 1)});
    model.output("y");
    const auto imported = model.import();
    CHECK(mentions(imported.notes, "fp16"));
    const auto w = imported.graph.value(imported.graph.weights.at(0)).data->as<float>();
    CHECK(w[0] == 1);
    CHECK(w[1] == -2);
    CHECK(w[2] == 0x1p-24f);
    CHECK(w[3] == 65504);
    CHECK(imported.graph.nodes.size() == 1);
}

TEST_CASE("onnx: a parameter of rank 0 trains, a number that folding wrote does not") {
    ModelBuilder model;
    model.input("x", {2, 2}).floats("logit_scale", {}, {2.5f}).floats("onnx::Mul_12", {}, {0.5f});
    model.node("Exp", {"logit_scale"}, {"e"}).node("Mul", {"x", "e"}, {"a"}).node("Mul", {"a", "onnx::Mul_12"}, {"y"});
    model.output("y");
    const auto graph = model.import().graph;
    REQUIRE(graph.weights.size() == 1);
    CHECK(graph.value(graph.weights[0]).name == "logit_scale");
    CHECK(only(graph, OpKind::scale) != nullptr);
}

} // namespace
} // namespace halfscope::tests
