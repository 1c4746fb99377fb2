// What mixtures of experts, graph networks, VAEs and loops leave in a file: TopK, scatters, random values, Loop.
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>

#include <cmath>

namespace halfscope::tests {
namespace {

using ops::OpKind;
using Row = std::vector<double>;

std::size_t count_of(const model::Graph &graph, OpKind kind) {
    return static_cast<std::size_t>(std::count_if(
        graph.nodes.begin(), graph.nodes.end(), [&](const model::Node &node) { return node.operation.kind == kind; }));
}

} // namespace

TEST_CASE("onnx: TopK, k as attribute and as operand, values and indices, smallest") {
    for (const std::int64_t opset : {9, 11, 17}) {
        CAPTURE(opset);
        ModelBuilder model(opset);
        model.input("x", {2, 4});
        if (opset < 10)
            model.node("TopK", {"x"}, {"v", "i"}, {Attribute("k", 2)});
        else
            model.constant("k", {2}).node("TopK", {"x", "k"}, {"v", "i"});
        model.node("Cast", {"i"}, {"f"}, {Attribute("to", 1)}).node("Add", {"v", "f"}, {"y"}).output("y");
        CHECK(run(model.import().graph, {{"x", {1, 30, 20, 4, /**/ -8, -5, -5, -7}}}) == Row{31, 22, -4, -3});
    }
    ModelBuilder smallest(11);
    smallest.input("x", {4, 2}).constant("k", {1});
    smallest.node("TopK", {"x", "k"}, {"y", "i"}, {Attribute("axis", 0), Attribute("largest", 0)}).output("y");
    CHECK(run(smallest.import().graph, {{"x", {1, 30, 20, 4, /**/ -8, -5, -5, -7}}}) == Row{-8, -7});
    ModelBuilder wide(11);
    wide.input("x", {4, 2}).constant("k", {3}).node("TopK", {"x", "k"}, {"y", "i"}, {}, "/gate/TopK").output("y");
    CHECK(has(wide.error(), "TopK (node /gate/TopK): its k = 3 is outside an axis of 2"));
}

TEST_CASE("onnx: ScatterElements of what a model computes replaces or adds") {
    const auto made = [](const char *reduction, float base) {
        ModelBuilder model(16);
        model.input("u", {2, 2})
            .input("at", {2, 2}, onnx::TensorProto::INT64)
            .floats("table", {2, 4}, std::vector<float>(8, base));
        model.node("ScatterElements", {"table", "at", "u"}, {"y"},
                   {Attribute("axis", 1), Attribute("reduction", reduction)});
        model.output("y");
        return model;
    };
    const std::map<std::string, Row> fed{{"u", {10, 20, 30, 40}}, {"at", {3, 0, -3, 2}}};
    CHECK(run(made("none", 7).import().graph, fed) == Row{20, 7, 7, 10, /**/ 7, 30, 40, 7});
    CHECK(run(made("add", 7).import().graph, fed) == Row{27, 7, 7, 17, /**/ 7, 37, 47, 7});
    CHECK(has(made("mul", 7).error(), "ScatterElements (node ScatterElements_0): attribute reduction = mul"));
}

TEST_CASE("onnx: a scatter into zeros is one operation, and adds what comes to one place") {
    ModelBuilder model(16);
    model.input("u", {4, 3}).input("at", {4, 3}, onnx::TensorProto::INT64).constant("shape", {2, 3});
    model.node("ConstantOfShape", {"shape"}, {"zeros"});
    model.node("ScatterElements", {"zeros", "at", "u"}, {"y"}, {Attribute("axis", 0), Attribute("reduction", "add")});
    model.output("y");
    const auto imported = model.import();
    CHECK(imported.graph.nodes.size() == 1);
    CHECK(mentions(imported.notes, "rounds a 16-bit result after every addition"));
    CHECK(run(imported.graph, {{"u", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
                               {"at", {0, 0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 1}}}) == Row{8, 2, 12, 14, 24, 18});
}

TEST_CASE("onnx: ScatterND and GatherND by tuples that a model computes") {
    ModelBuilder model(16);
    model.input("x", {2, 3, 2}).input("u", {2, 2}).input("at", {2, 2}, onnx::TensorProto::INT64);
    model.node("ScatterND", {"x", "at", "u"}, {"s"}).node("GatherND", {"s", "at"}, {"g"});
    model.constant("flat", {-1}).node("Reshape", {"s", "flat"}, {"a"}).node("Reshape", {"g", "flat"}, {"b"});
    model.node("Concat", {"a", "b"}, {"y"}, {Attribute("axis", 0)}).output("y");
    CHECK(run(model.import().graph,
              {{"x", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}, {"u", {50, 51, 60, 61}}, {"at", {1, -1, 0, 0}}}) ==
          Row{60, 61, 2, 3, 4, 5, 6, 7, 8, 9, 50, 51, /**/ 50, 51, 60, 61});
}

TEST_CASE("onnx: random values are drawn when the model runs, not at import, and pass no gradient") {
    ModelBuilder model(15);
    model.input("x", {64, 64})
        .node("RandomNormalLike", {"x"}, {"e"}, {Attribute("dtype", 1), Attribute("scale", 2.0f)});
    model.node(
        "RandomUniform", {}, {"u"},
        {Attribute("shape", std::vector<std::int64_t>{64, 64}), Attribute("low", 5.0f), Attribute("high", 6.0f)});
    model.constant("axis", {0}).node("Bernoulli", {"x"}, {"b"}, {Attribute("dtype", 1)});
    model.node("Concat", {"e", "u", "b"}, {"y"}, {Attribute("axis", 0)}).output("y");
    const auto imported = model.import();
    CHECK(count_of(imported.graph, OpKind::random_normal) == 1);
    CHECK(count_of(imported.graph, OpKind::random_uniform) == 2);
    const auto y = run(imported.graph, {{"x", Row(4096, 0.25)}});
    double variance = 0, ones = 0;
    for (std::size_t i = 0; i < 4096; ++i) {
        variance += y[i] * y[i] / 4096;
        CHECK(y[4096 + i] >= 5);
        CHECK(y[4096 + i] < 6);
        ones += y[8192 + i];
    }
    CHECK(std::abs(variance / 4 - 1) < 5 * std::sqrt(2.0 / 4096));
    CHECK(std::abs(ones / 4096 - 0.25) < 5 * std::sqrt(0.25 * 0.75 / 4096));
}

TEST_CASE("onnx: a Loop of known length is unrolled; its body's weight is one weight") {
    onnx::GraphProto body;
    GraphBuilder(&body)
        .input("turn", {}, onnx::TensorProto::INT64)
        .input("go", {}, onnx::TensorProto::BOOL)
        .input("state", {2})
        .floats("w", {2}, {3, 5})
        .node("Cast", {"turn"}, {"t"}, {Attribute("to", 1)})
        .node("Mul", {"state", "w"}, {"scaled"})
        .node("Add", {"scaled", "t"}, {"next"})
        .node("Identity", {"go"}, {"still"})
        .output("still")
        .output("next")
        .output("next");
    ModelBuilder model(16);
    model.input("x", {2}).index("turns", 3).constant("zero", {0});
    model.node("Loop", {"turns", "", "x"}, {"last", "all"}, {Attribute("body", body)});
    model.node("Unsqueeze", {"last", "zero"}, {"row"}).node("Concat", {"row", "all"}, {"y"}, {Attribute("axis", 0)});
    model.output("y");
    const auto imported = model.import();
    CHECK(imported.graph.weights.size() == 1);
    // x -> 3x + 0 -> ... + 1 -> ... + 2, and with 5.
    CHECK(run(imported.graph, {{"x", {1, 1}}}) == Row{32, 132, /**/ 3, 5, 10, 26, 32, 132});

    ModelBuilder endless(16);
    endless.input("x", {2}).node("Loop", {"", "", "x"}, {"y", "all"}, {Attribute("body", body)}, "/l/Loop").output("y");
    CHECK(has(endless.error(), "Loop (node /l/Loop): more than 4096 turns"));
    onnx::GraphProto nested;
    GraphBuilder(&nested)
        .input("turn", {}, onnx::TensorProto::INT64)
        .input("go", {}, onnx::TensorProto::BOOL)
        .input("state", {2})
        .index("turns", 300)
        .node("Loop", {"turns", "", "state"}, {"next"}, {Attribute("body", body)})
        .node("Identity", {"go"}, {"still"})
        .output("still")
        .output("next");
    ModelBuilder explosive(16);
    explosive.input("x", {2}).index("n", 300);
    explosive.node("Loop", {"n", "", "x"}, {"y"}, {Attribute("body", nested)}).output("y");
    CHECK(has(explosive.error(), "more than 65536 turns in all"));
    ModelBuilder unknown(16);
    unknown.input("x", {2}).input("n", {}, onnx::TensorProto::INT64);
    unknown.node("Loop", {"n", "", "x"}, {"y", "all"}, {Attribute("body", body)}, "/l/Loop").output("y");
    CHECK(has(unknown.error(), "Loop (node /l/Loop): its number of turns depends on values"));
}

} // namespace halfscope::tests
