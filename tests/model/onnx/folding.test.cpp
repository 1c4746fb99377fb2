// What only computes shapes and constants disappears.
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>

#include <limits>

namespace halfscope::tests {
namespace {

using ops::OpKind;

TEST_CASE("onnx: a reshape whose shape is computed from Shape, Gather, Div, Cast and Concat is one reshape") {
    ModelBuilder model;
    model.input("x", {-1, 6, 8}).index("zero", 0).index("two", 2).index("heads", 4).constant("axis", {0});
    model.node("Shape", {"x"}, {"shape"}).node("Gather", {"shape", "zero"}, {"batch"});
    model.node("Gather", {"shape", "two"}, {"width"}).node("Div", {"width", "heads"}, {"head"});
    model.node("Cast", {"head"}, {"head64"}, {Attribute("to", 7)});
    model.node("Unsqueeze", {"batch", "axis"}, {"b"}).node("Unsqueeze", {"heads", "axis"}, {"h"});
    model.node("Unsqueeze", {"head64", "axis"}, {"d"}).constant("free", {-1});
    model.node("Concat", {"b", "free", "h", "d"}, {"to"}, {Attribute("axis", 0)});
    model.node("Reshape", {"x", "to"}, {"y"}).output("y");
    model::ImportOptions options;
    options.batch = 3;
    const auto imported = model.import(options);
    REQUIRE(imported.graph.nodes.size() == 1);
    CHECK(imported.graph.nodes[0].operation.kind == OpKind::reshape);
    CHECK(imported.graph.value(imported.graph.outputs[0]).shape == ops::Shape{3, 6, 4, 2});
}

TEST_CASE("onnx: Range, ConstantOfShape, Expand, Equal, Where and Trilu sized by Shape make a constant mask") {
    ModelBuilder model(14);
    model.input("scores", {2, 3, 3}).index("last", 2).index("zero", 0).index("one", 1).number("off", -1e9f);
    model.node("Shape", {"scores"}, {"shape"}).node("Gather", {"shape", "last"}, {"n"});
    model.node("Range", {"zero", "n", "one"}, {"i"}).constant("column", {-1, 1});
    model.node("Reshape", {"i", "column"}, {"rows"}).node("Less", {"rows", "i"}, {"above"});
    model.node("Where", {"above", "off", "scores"}, {"y"}).output("y");
    const auto imported = model.import();
    CHECK(imported.graph.nodes.size() == 1);
    const auto y = run(imported.graph, {{"scores", std::vector<double>(18, 0.5)}});
    for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t row = i / 3 % 3, column = i % 3;
        CHECK(y[i] == (column > row ? -1e9 : 0.5));
    }
}

TEST_CASE("onnx: ConstantOfShape, Expand, Slice with clamped bounds and negative steps, ReduceProd, Mod, ScatterND") {
    ModelBuilder model(11);
    model.input("x", {4, 5})
        .constant("five", {5})
        .constant("starts", {-1})
        .constant("ends", {-100})
        .constant("axes", {0});
    model.constant("steps", {-2});
    model.node("ConstantOfShape", {"five"}, {"ones"}, {Attribute("value", integer_tensor("", {1}, {1}))});
    model.node("CumSum", {"ones", "zero"}, {"unused"}); // dead: must not matter
    model.constant("indices", {1, 3}).constant("values", {7, 9}).constant("pairs", {2, 1});
    model.node("Reshape", {"indices", "pairs"}, {"where"});
    model.node("ScatterND", {"ones", "where", "values"}, {"scattered"});               // 1 7 1 9 1
    model.node("Slice", {"scattered", "starts", "ends", "axes", "steps"}, {"picked"}); // 1 1 1
    model.node("ReduceProd", {"scattered"}, {"product"}, {Attribute("keepdims", 0)});  // 63
    model.index("ten", 10).node("Mod", {"product", "ten"}, {"three"});
    model.node("Concat", {"scattered", "picked"}, {"all"}, {Attribute("axis", 0)});
    model.node("Shape", {"all"}, {"eight"}).node("Cast", {"eight"}, {"scale"}, {Attribute("to", 1)});
    model.node("Cast", {"three"}, {"shift"}, {Attribute("to", 1)});
    model.node("Mul", {"x", "scale"}, {"scaled"}).node("Add", {"scaled", "shift"}, {"y"}).output("y");
    const auto imported = model.import();
    CHECK(imported.graph.nodes.size() == 2);
    CHECK(run(imported.graph, {{"x", std::vector<double>(20, 0.25)}})[0] == 0.25 * 8 + 3);
}

TEST_CASE("onnx: If on a constant takes its branch, If on data is refused") {
    onnx::GraphProto squeezed, kept;
    GraphBuilder(&squeezed)
        .node("Squeeze", {"x"}, {"s"}, {Attribute("axes", std::vector<std::int64_t>{1})})
        .output("s");
    GraphBuilder(&kept).node("Identity", {"x"}, {"k"}).output("k");
    ModelBuilder model(11);
    model.input("x", {2, 1, 3}).index("one", 1).node("Shape", {"x"}, {"shape"});
    model.node("Gather", {"shape", "one"}, {"size"}).node("Equal", {"size", "one"}, {"condition"});
    model.node("If", {"condition"}, {"y"}, {Attribute("then_branch", squeezed), Attribute("else_branch", kept)});
    model.node("Relu", {"y"}, {"z"}).output("z");
    CHECK(model.import().graph.value(model.import().graph.outputs[0]).shape == ops::Shape{2, 3});

    ModelBuilder dynamic(11);
    dynamic.input("x", {2, 1, 3}).input("flag", {}, onnx::TensorProto::BOOL);
    dynamic.node("If", {"flag"}, {"y"}, {Attribute("then_branch", squeezed), Attribute("else_branch", kept)});
    dynamic.output("y");
    CHECK(dynamic.error().find("If (node If_0): a condition that is only known when the model runs") !=
          std::string::npos);
}

TEST_CASE("onnx: axes as attribute and as operand, old softmax") {
    for (std::int64_t opset : {11, 13}) {
        ModelBuilder model(opset);
        model.input("x", {2, 3, 4}).constant("axes", {0});
        const std::vector<std::int64_t> first{0};
        if (opset == 11)
            model.node("Unsqueeze", {"x"}, {"u"}, {Attribute("axes", first)});
        else
            model.node("Unsqueeze", {"x", "axes"}, {"u"});
        if (opset == 11)
            model.node("ReduceSum", {"u"}, {"s"}, {Attribute("axes", first), Attribute("keepdims", 0)});
        else
            model.node("ReduceSum", {"u", "axes"}, {"s"}, {Attribute("keepdims", 0)});
        model.node("Softmax", {"s"}, {"y"}, {Attribute("axis", 1)}).output("y");
        const auto y = run(model.import().graph, {{"x", std::vector<double>(24, 1.0)}});
        // Opset 11 normalises rows of 3 * 4, opset 13 columns of 3.
        CHECK(y[0] == doctest::Approx(opset == 11 ? 1.0 / 12 : 1.0 / 3));
    }
}

TEST_CASE("onnx: free axes take the batch, named sizes, or a default that is said") {
    ModelBuilder model;
    model.input("x", {-1, -2}).input("z", {-1, 4}).node("Relu", {"x"}, {"y"}).output("y");
    model.node("Relu", {"z"}, {"w"}).output("w");
    model::ImportOptions options;
    options.batch = 5;
    options.dimensions["length"] = 7;
    const auto imported = model.import(options);
    CHECK(imported.graph.value(imported.graph.inputs[0]).shape == ops::Shape{5, 7});
    CHECK(imported.graph.value(imported.graph.inputs[1]).shape == ops::Shape{5, 4});
    CHECK(imported.notes.empty());
    const auto unnamed = model.import();
    CHECK(unnamed.graph.value(unnamed.graph.inputs[0]).shape ==
          ops::Shape{model::ImportOptions::free_batch, model::ImportOptions::free_axis});
    CHECK(mentions(unnamed.notes, "'length'"));

    const TemporaryFile file(model.bytes());
    const auto declared = model::declared_inputs(file.path());
    REQUIRE(declared.size() == 2);
    CHECK(declared[0].sizes == std::vector<std::int64_t>{-1, -1});
    CHECK(declared[0].symbols == std::vector<std::string>{"batch", "length"});
}

TEST_CASE("onnx: the batch may be the second axis") {
    ModelBuilder model;
    model.input("x", {-2, -1, 4}).node("Relu", {"x"}, {"y"}).output("y");
    model::ImportOptions options;
    options.batch = 6;
    const auto imported = model.import(options);
    CHECK(imported.graph.value(imported.graph.inputs[0]).shape == ops::Shape{model::ImportOptions::free_axis, 6, 4});
    CHECK(mentions(imported.notes, "Axis 0 of input 'x' ('length')"));
}

TEST_CASE("onnx: an initialiser listed as input is no input; int64 inputs stay integers") {
    ModelBuilder model;
    model.input("w", {10, 4}).weight("w", {10, 4}).input("i", {-1, 3}, onnx::TensorProto::INT64);
    model.node("Gather", {"w", "i"}, {"y"}).output("y");
    const auto graph = model.import().graph;
    REQUIRE(graph.inputs.size() == 1);
    CHECK(graph.value(graph.inputs[0]).dtype == ops::DType::int64);
    CHECK(graph.weights.size() == 1);
    CHECK(graph.nodes[0].policy == "embedding");
}

TEST_CASE("onnx: einsum becomes a batched product") {
    ModelBuilder model;
    model.input("a", {2, 3, 4}).input("b", {2, 5, 4});
    model.node("Einsum", {"a", "b"}, {"y"}, {Attribute("equation", "bts, bqs -> qbt")}).output("y");
    std::vector<double> a(24), b(40);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<double>(i) - 11;
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<double>(i % 7) - 3;
    const auto y = run(model.import().graph, {{"a", a}, {"b", b}});
    REQUIRE(y.size() == 30);
    for (std::size_t q = 0; q < 5; ++q)
        for (std::size_t n = 0; n < 2; ++n)
            for (std::size_t t = 0; t < 3; ++t) {
                double sum = 0; // small integers: exact
                for (std::size_t s = 0; s < 4; ++s) sum += a[(n * 3 + t) * 4 + s] * b[(n * 5 + q) * 4 + s];
                CHECK(y[(q * 2 + n) * 3 + t] == sum);
            }
}

TEST_CASE(
    "onnx: integers of a file behave as int64: division truncates, overflow wraps, Mod takes the divisor's sign") {
    ModelBuilder model;
    model.input("x", {3}).constant("a", {-7, 7, std::numeric_limits<std::int64_t>::max()}).constant("b", {2, -2, 1});
    model.node("Div", {"a", "b"}, {"d"}).node("Mod", {"a", "b"}, {"m"}).node("Add", {"a", "b"}, {"s"});
    model.output("d").output("m").output("s");
    const auto graph = model.import().graph;
    CHECK(run(graph, {}, 0) == std::vector<double>{-3, -3, 0x1p63});
    CHECK(run(graph, {}, 1) == std::vector<double>{1, -1, 0});
    CHECK(run(graph, {}, 2) == std::vector<double>{-5, 5, -0x1p63});
    ModelBuilder zero;
    zero.constant("a", {1}).constant("b", {0}).node("Div", {"a", "b"}, {"d"}).output("d");
    CHECK(zero.error().find("divided by zero") != std::string::npos);
}

} // namespace
} // namespace halfscope::tests
