// Bad files get one clear sentence that names the file; damaged ones never crash.
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>

#include <random>

namespace halfscope::tests {
namespace {

std::string error_of(const std::filesystem::path &path) {
    try {
        (void)model::import_onnx(path);
    } catch (const std::exception &reason) {
        return reason.what();
    }
    return {};
}

TEST_CASE("onnx: files that are no models") {
    CHECK(error_of("/nowhere/model.onnx") == "/nowhere/model.onnx: there is no such file");
    const TemporaryFile empty(""), words("this is not a protobuf, is it?"), checkpoint("PK\x03\x04 something");
    CHECK(has(error_of(empty.path()), "it is empty"));
    CHECK(has(error_of(empty.path()), empty.path().string()));
    CHECK(has(error_of(words.path()), "not an ONNX model"));
    CHECK(has(error_of(checkpoint.path()), "torch.onnx.export"));
    CHECK(has(error_of(empty.folder()), "it is a folder"));
    onnx::ModelProto bare;
    bare.set_ir_version(8);
    const TemporaryFile graphless(bare.SerializeAsString());
    CHECK(has(error_of(graphless.path()), "no graph"));
}

TEST_CASE("onnx: opsets outside 7 to 21") {
    for (std::int64_t opset : {6, 22}) {
        ModelBuilder model(opset);
        model.input("x", {1}).node("Relu", {"x"}, {"y"}).output("y");
        CHECK(has(model.error(), "it uses ONNX opset " + std::to_string(opset)));
    }
    for (std::int64_t opset = 7; opset <= 21; ++opset) {
        ModelBuilder model(opset);
        model.input("x", {1}).node("Relu", {"x"}, {"y"}).output("y");
        CHECK(model.error() == "");
    }
}

TEST_CASE("onnx: every unsupported operator is listed, with name, node and opset, and dead ones are not") {
    ModelBuilder model(14);
    model.input("x", {2, 3, 4}).node("Foo", {"x"}, {"a"}, {}, "/a/Foo").node("Bar", {"a"}, {"b"}, {}, "/l/Bar");
    model.node("Det", {"x"}, {"c"}, {}, "/c/Det").node("Relu", {"c"}, {"y"});
    model.node("Gone", {"x"}, {"dead"}, {}, "/gone");
    model.node("Resize", {"x", "", "s"}, {"z"}, {Attribute("mode", "magic")}, "/up/Resize").floats("s", {3}, {1, 1, 2});
    model.output("y").output("b").output("z");
    const std::string message = model.error();
    CHECK(has(message, "at opset 14"));
    CHECK(has(message, "Foo (node /a/Foo)"));
    CHECK(has(message, "Det (node /c/Det)"));
    CHECK(has(message, "Resize (node /up/Resize): attribute mode = magic"));
    CHECK_FALSE(has(message, "Gone"));
    ModelBuilder other(14);
    other.input("x", {2}).node("Relu", {"x"}, {"y"}).output("y");
    other.proto().mutable_node(0)->set_domain("com.microsoft");
    CHECK(has(other.error(), "com.microsoft.Relu"));
}

TEST_CASE("onnx: an output without a name is damage, in a branch too") {
    ModelBuilder model(14);
    model.input("x", {2}).node("Relu", {"x"}, {"y"}).output("y").output("");
    CHECK(has(model.error(), "an output has no name or no value"));
    onnx::GraphProto body;
    GraphBuilder(&body)
        .input("turn", {}, onnx::TensorProto::INT64)
        .input("go", {}, onnx::TensorProto::BOOL)
        .input("state", {2})
        .node("Relu", {"state"}, {"next"})
        .output("")
        .output("next");
    ModelBuilder loop(14);
    loop.input("x", {2}).index("turns", 2).node("Loop", {"turns", "", "x"}, {"y"}, {Attribute("body", body)});
    loop.output("y");
    CHECK(has(loop.error(), "an output has no name or no value"));
}

TEST_CASE("onnx: shapes that depend on data, misfits and missing values name their node") {
    ModelBuilder dynamic;
    dynamic.input("x", {4}).input("shape", {2}, onnx::TensorProto::INT64);
    dynamic.node("Reshape", {"x", "shape"}, {"y"}, {}, "/r/Reshape").output("y");
    CHECK(has(dynamic.error(), "Reshape (node /r/Reshape): the shape it reshapes to depends on values"));
    ModelBuilder misfit;
    misfit.input("x", {2, 3}).input("z", {4, 5}).node("MatMul", {"x", "z"}, {"y"}, {}, "/m").output("y");
    CHECK(has(misfit.error(), "MatMul (node /m)"));
    ModelBuilder baked;
    baked.input("x", {-1, 8}).constant("to", {2, 4}).node("Reshape", {"x", "to"}, {"y"}).output("y");
    CHECK(has(baked.error(), "baked into the file"));
    ModelBuilder nothing;
    nothing.input("x", {4}).node("Add", {"x", "ghost"}, {"y"}).output("y");
    CHECK(has(nothing.error(), "nothing makes the value 'ghost'"));
    ModelBuilder unmade;
    unmade.input("x", {4}).output("y");
    CHECK(has(unmade.error(), "'y'"));
}

TEST_CASE("onnx: external data: missing, too short, outside the folder, right") {
    const auto with = [](const std::string &location, const std::string &content) {
        ModelBuilder model;
        model.input("x", {1, 2});
        onnx::TensorProto tensor;
        tensor.set_name("w");
        tensor.set_data_type(onnx::TensorProto::FLOAT);
        tensor.add_dims(2);
        tensor.add_dims(1);
        tensor.set_data_location(onnx::TensorProto::EXTERNAL);
        auto *entry = tensor.add_external_data();
        entry->set_key("location");
        entry->set_value(location);
        entry = tensor.add_external_data();
        entry->set_key("offset");
        entry->set_value("4");
        model.initializer(tensor).node("MatMul", {"x", "w"}, {"y"}).output("y");
        const TemporaryFile file(model.bytes());
        if (!content.empty()) std::ofstream(file.folder() / "weights.bin", std::ios::binary) << content;
        try {
            const auto graph = model::import_onnx(file.path()).graph;
            return std::to_string(graph.value(graph.weights.at(0)).data->as<float>()[1]);
        } catch (const std::exception &reason) {
            return std::string(reason.what());
        }
    };
    std::string bytes(12, '\0');
    const float two = 2;
    std::memcpy(bytes.data() + 8, &two, sizeof(two));
    CHECK(has(with("weights.bin", ""), "cannot be opened"));
    CHECK(has(with("weights.bin", bytes.substr(0, 10)), "ends before tensor 'w' does"));
    CHECK(has(with("../weights.bin", bytes), "not a path below the model's folder"));
    CHECK(has(with("/etc/passwd", bytes), "not a path below the model's folder"));
    CHECK(with("weights.bin", bytes) == std::to_string(2.0));
}

TEST_CASE("onnx: huge sizes are refused before memory is taken") {
    constexpr std::int64_t huge = std::int64_t{1} << 40;
    ModelBuilder input;
    input.input("x", {huge, huge}).node("Relu", {"x"}, {"y"}).output("y");
    CHECK(has(input.error(), "elements"));
    ModelBuilder made;
    made.input("x", {1}).constant("to", {huge}).node("Expand", {"x", "to"}, {"y"}).output("y");
    CHECK(has(made.error(), "elements"));
    ModelBuilder constant;
    constant.input("x", {1}).constant("to", {std::int64_t{1} << 30});
    constant.node("ConstantOfShape", {"to"}, {"c"}).node("Add", {"x", "c"}, {"y"}).output("y");
    CHECK(has(constant.error(), "constant of 1073741824 elements"));
    ModelBuilder range;
    range.input("x", {1})
        .index("a", 0)
        .index("b", huge)
        .index("c", 1)
        .node("Range", {"a", "b", "c"}, {"y"})
        .output("y");
    CHECK(has(range.error(), "out of range"));
    ModelBuilder hollow; // declares much, carries nothing
    onnx::TensorProto tensor;
    tensor.set_name("w");
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_dims(1 << 30);
    hollow.input("x", {1}).initializer(tensor).node("Add", {"x", "w"}, {"y"}).output("y");
    CHECK(has(hollow.error(), "should hold 1073741824 elements but holds 0"));
    ModelBuilder axes;
    axes.input("x", {1, 1, 1, 1, 1, 1, 1, 1, 1}).node("Relu", {"x"}, {"y"}).output("y");
    CHECK(has(axes.error(), "9 axes"));
}

/// A file with a bit of everything, small enough to cut at every byte.
std::string small_model() {
    ModelBuilder model(13);
    model.input("x", {-1, 2, 4}).weight("fc.weight", {3, 4}).weight("fc.bias", {3}).constant("axes", {0});
    model.node("Transpose", {"fc.weight"}, {"t"}, {Attribute("perm", std::vector<std::int64_t>{1, 0})});
    model.node("MatMul", {"x", "t"}, {"m"}).node("Add", {"m", "fc.bias"}, {"h"}).node("Shape", {"h"}, {"s"});
    model.constant("starts", {0}).constant("ends", {2}).node("Slice", {"s", "starts", "ends", "axes"}, {"p"});
    model.constant("rest", {-1}).node("Concat", {"p", "rest"}, {"to"}, {Attribute("axis", 0)});
    model.node("Reshape", {"h", "to"}, {"r"}).node("Softmax", {"r"}, {"y"}, {Attribute("axis", -1)}).output("y");
    model.number("half", 0.5f).node("Mul", {"y", "half"}, {"z"}).output("z");
    return model.bytes();
}

/// True when the bytes import, false when they are refused with a sentence.
bool survives(const std::string &bytes) {
    const TemporaryFile file(bytes);
    try {
        (void)model::import_onnx(file.path());
        return true;
    } catch (const std::runtime_error &reason) {
        CHECK(has(reason.what(), file.path().string()));
    } catch (const std::invalid_argument &reason) {
        CHECK(has(reason.what(), file.path().string()));
    }
    return false;
}

TEST_CASE("onnx: every prefix of a file is a model or a sentence") {
    const std::string whole = small_model();
    CHECK(survives(whole));
    std::size_t imported = 0;
    for (std::size_t length = 0; length < whole.size(); ++length) imported += survives(whole.substr(0, length));
    CHECK(imported < whole.size() / 10); // most prefixes cannot be parsed at all
}

TEST_CASE("onnx: random damage is a model or a sentence") {
    const std::string whole = small_model();
    std::mt19937 random(20240607);
    for (int trial = 0; trial < 1500; ++trial) {
        std::string damaged = whole;
        for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        (void)survives(damaged);
    }
}

} // namespace
} // namespace halfscope::tests
