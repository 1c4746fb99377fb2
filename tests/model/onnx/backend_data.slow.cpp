// The ONNX project's own backend tests (Debian's libonnx-testdata), every one whose operators can be lowered.
//
// Those files feed everything as inputs, shapes and axes too. Here each test is imported twice: once with as few inputs
// turned into constants as its operators need (so that operations run), and once with all of them constant (so that
// folding runs).
#include "emulation/model/onnx/lowering.h"
#include "emulation/model/onnx/tensor_data.h"
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <set>

namespace halfscope {
namespace {

namespace fs = std::filesystem;
using model::importing::Tensor;

const fs::path data_folder = "/usr/share/libonnx-testdata/data";

template <typename Proto> std::optional<Proto> parse(const fs::path &path) {
    std::ifstream stream(path, std::ios::binary);
    Proto proto;
    if (!stream || !proto.ParseFromIstream(&stream)) return {};
    return proto;
}

struct Case {
    onnx::ModelProto model;
    std::vector<onnx::TensorProto> inputs, outputs;
};

struct Skip {
    std::string reason;
};

/// numpy has no bfloat16, so the data hold its bits under another type of the same width.
void give_declared_type(const onnx::ValueInfoProto &declared, onnx::TensorProto &tensor) {
    const int type = declared.type().tensor_type().elem_type();
    if (type == onnx::TensorProto::BFLOAT16 && tensor.data_type() == onnx::TensorProto::UINT16)
        tensor.set_data_type(type);
    const auto &dims = declared.type().tensor_type().shape().dim();
    bool same = dims.size() == tensor.dims_size();
    for (int i = 0; same && i < dims.size(); ++i)
        same = !dims[i].has_dim_value() || dims[i].dim_value() == tensor.dims(i);
    if (!same) throw Skip{"its data do not have the shape it declares"};
}

/// Old files whose nodes mean the same in opset 7: only an attribute that opset 7 dropped tells them apart.
void raise_opset(onnx::ModelProto &model) {
    for (const auto &node : model.graph().node())
        if (node.op_type() == "PRelu") return; // its slope was per channel
    for (const auto &node : model.graph().node())
        for (const auto &attribute : node.attribute())
            if (attribute.name() == "broadcast" || attribute.name() == "is_test" ||
                attribute.name() == "consumed_inputs")
                return;
    for (auto &import : *model.mutable_opset_import())
        if (import.domain().empty() && import.version() < 7) import.set_version(7);
}

Case load(const fs::path &folder) {
    Case test;
    const auto model = parse<onnx::ModelProto>(folder / "model.onnx");
    if (!model) throw Skip{"the file is not a model"};
    test.model = *model;
    const auto read = [&](const std::string &kind, int count, std::vector<onnx::TensorProto> &into) {
        for (int i = 0; i < count; ++i) {
            const auto tensor = parse<onnx::TensorProto>(folder / "test_data_set_0" / fmt::format("{}_{}.pb", kind, i));
            if (!tensor || !tensor->has_data_type()) throw Skip{"an input or output is not a tensor"};
            into.push_back(*tensor);
        }
    };
    for (const auto *list : {&test.model.graph().input(), &test.model.graph().output()})
        for (const auto &value : *list)
            if (!value.type().has_tensor_type()) throw Skip{"an input or output is not a tensor"};
    int fed = 0;
    std::set<std::string> initializers;
    for (const auto &tensor : test.model.graph().initializer()) initializers.insert(tensor.name());
    for (const auto &value : test.model.graph().input()) fed += !initializers.contains(value.name());
    // Files of IR 3 list initialisers among the inputs; test data feed the others only.
    if (fed != test.model.graph().input_size()) {
        auto *graph = test.model.mutable_graph();
        for (int i = graph->input_size(); i-- > 0;)
            if (initializers.contains(graph->input(i).name())) graph->mutable_input()->DeleteSubrange(i, 1);
    }
    read("input", fed, test.inputs);
    read("output", test.model.graph().output_size(), test.outputs);
    for (int i = 0; i < fed; ++i)
        give_declared_type(test.model.graph().input(i), test.inputs[static_cast<std::size_t>(i)]);
    for (int i = 0; i < test.model.graph().output_size(); ++i)
        give_declared_type(test.model.graph().output(i), test.outputs[static_cast<std::size_t>(i)]);
    raise_opset(test.model);
    return test;
}

/// The same model with the inputs from `first` on as Constant nodes.
onnx::ModelProto with_constants(const Case &test, int first) {
    onnx::ModelProto model = test.model;
    auto *graph = model.mutable_graph();
    google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
    for (int i = first; i < graph->input_size(); ++i) {
        auto *node = nodes.Add();
        node->set_op_type("Constant");
        node->add_output(graph->input(i).name());
        auto *attribute = node->add_attribute();
        attribute->set_name("value");
        attribute->set_type(onnx::AttributeProto::TENSOR);
        *attribute->mutable_t() = test.inputs[static_cast<std::size_t>(i)];
    }
    if (graph->input_size() > first) graph->mutable_input()->DeleteSubrange(first, graph->input_size() - first);
    for (const auto &node : graph->node()) *nodes.Add() = node;
    *graph->mutable_node() = nodes;
    return model;
}

/// Relative spacing of the format that the file's output is stored in: the reference was rounded to it.
double unit_roundoff(int element_type) {
    switch (element_type) {
    case onnx::TensorProto::FLOAT16: return 0x1p-11;
    case onnx::TensorProto::BFLOAT16: return 0x1p-8;
    default: return 0x1p-24;
    }
}

double largest(const Tensor &tensor) {
    double amax = 0;
    if (ops::is_floating(tensor->dtype))
        for (float x : tensor->as<float>())
            if (std::isfinite(x)) amax = std::max(amax, std::abs(static_cast<double>(x)));
    return amax;
}

/// How far our result and the reference, both computed in fp32 (numpy, in another order), may lie apart. A sum of n
/// products carries an error of at most n u sum|a||b| (Higham, Accuracy and Stability, 3.1) on either side; no sum here
/// is longer than the largest operand. Functions add a few ulp each: at most `functions` of them follow one another in
/// these tests, each within 4 ulp on either side. Magnitudes cancel at most from those of operands and their products.
double tolerance(const Case &test, const std::vector<Tensor> &inputs, const Tensor &expected, int element_type) {
    constexpr double functions = 8, ulps = 4;
    double length = 1, magnitude = largest(expected), both = 1;
    for (const Tensor &input : inputs) {
        length = std::max(length, static_cast<double>(input->shape.elements()));
        const double amax = largest(input);
        if (amax > 0) both *= amax;
    }
    const bool sums = test.model.graph().node_size() > 1 || length > 1;
    if (sums) magnitude = std::max(magnitude, std::min(both, 1e6));
    return 2 * (length + functions * ulps) * 0x1p-24 * magnitude + 2 * unit_roundoff(element_type) * largest(expected);
}

/// PyTorch's running variance is unbiased, and so is ours; ONNX's is not. What ONNX expects, with its new part
/// corrected by n / (n - 1).
void expect_unbiased_variance(const Case &test, const std::vector<Tensor> &inputs, std::vector<Tensor> &expected) {
    const auto &node = test.model.graph().node(0);
    if (test.model.graph().node_size() != 1 || node.op_type() != "BatchNormalization" || expected.size() < 3) return;
    double momentum = static_cast<double>(0.9f);
    for (const auto &attribute : node.attribute())
        if (attribute.name() == "momentum") momentum = static_cast<double>(attribute.f());
    const ops::Shape &x = inputs[0]->shape;
    const double n = static_cast<double>(x.elements() / x[1]);
    auto corrected = std::make_shared<ops::HostTensor>(*expected[2]);
    for (std::size_t i = 0; i < static_cast<std::size_t>(x[1]); ++i) {
        const double old = static_cast<double>(inputs[4]->as<float>()[i]) * momentum;
        const double fresh = static_cast<double>(expected[2]->as<float>()[i]) - old;
        corrected->as<float>()[i] = static_cast<float>(old + fresh * n / (n - 1));
    }
    expected[2] = corrected;
}

std::string compare(const Case &test, const std::vector<Tensor> &inputs, const ops::HostTensor &got,
                    const Tensor &expected, int element_type) {
    if (got.shape != expected->shape)
        return fmt::format("shape {} instead of {}", got.shape.text(), expected->shape.text());
    if (got.dtype != expected->dtype) return "another storage type";
    if (got.dtype == ops::DType::int64) {
        for (std::size_t i = 0; i < got.as<std::int64_t>().size(); ++i)
            if (got.as<std::int64_t>()[i] != expected->as<std::int64_t>()[i])
                return fmt::format("element {}: {} instead of {}", i, got.as<std::int64_t>()[i],
                                   expected->as<std::int64_t>()[i]);
        return {};
    }
    if (got.dtype == ops::DType::boolean)
        return got.bytes == expected->bytes ? std::string{} : std::string("booleans differ");
    const double allowed = tolerance(test, inputs, expected, element_type);
    for (std::size_t i = 0; i < got.as<float>().size(); ++i) {
        const auto a = static_cast<double>(got.as<float>()[i]), b = static_cast<double>(expected->as<float>()[i]);
        const bool same = a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= allowed;
        if (!same) return fmt::format("element {}: {} instead of {} (allowed {})", i, a, b, allowed);
    }
    return {};
}

/// "" when every output agrees.
std::string run_case(const Case &test, const onnx::ModelProto &model, int fed) {
    std::set<std::string> ignored;
    std::vector<Tensor> inputs, expected;
    for (const auto &tensor : test.inputs) inputs.push_back(model::importing::read_tensor(tensor, {}, ignored));
    for (const auto &tensor : test.outputs) expected.push_back(model::importing::read_tensor(tensor, {}, ignored));
    expect_unbiased_variance(test, inputs, expected);
    const tests::TemporaryFile file(model.SerializeAsString());
    model::ImportOptions options;
    options.infer_training = false;
    const model::Imported imported = model::import_onnx(file.path(), options);
    tests::Interpreter interpreter(imported.graph);
    for (int i = 0; i < fed; ++i) {
        const auto id = imported.graph.inputs.at(static_cast<std::size_t>(i));
        if (interpreter[id].shape != inputs[static_cast<std::size_t>(i)]->shape) return "an input of another shape";
        interpreter[id] = *inputs[static_cast<std::size_t>(i)];
    }
    interpreter.run(false);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const std::string difference =
            compare(test, inputs, interpreter[imported.graph.outputs.at(i)], expected[i], test.outputs[i].data_type());
        if (!difference.empty()) return fmt::format("output {}: {}", i, difference);
    }
    return {};
}

/// Why a test cannot be held against us at all.
std::optional<std::string> exempt(const std::string &name, const Case &test) {
    for (const auto &node : test.model.graph().node()) {
        if (!model::importing::rules().contains(node.op_type()) || !node.domain().empty())
            return "needs the operator " + node.op_type();
    }
    const bool drops = name.starts_with("test_training_dropout") && name.find("zero_ratio") == std::string::npos;
    if (drops || name.starts_with("test_bernoulli")) return "its output is random";
    // onnx/backend/test/case/node/*window.py of ONNX 1.12 compute with 3.1415; the operator's definition does not.
    if (name.find("window") != std::string::npos) return "its reference takes pi to be 3.1415";
    return {};
}

/// What is known to be out of reach; anything else that is refused is a failure.
bool is_expected_refusal(const std::string &message) {
    for (const char *part :
         {"of type STRING", "a diagonal in its equation", "an ellipsis in its equation", "attribute batch_dims",
          "attribute storage_order = 1", "attribute reduction = ", "MaxPool_1): integer operands",
          "attribute exclude_outside", "tf_crop_and_resize", "uses ONNX opset 1;", "uses ONNX opset 6;"})
        if (message.find(part) != std::string::npos) return true;
    return false;
}

struct Tally {
    int passed = 0, failed = 0, unsupported = 0;
};

TEST_CASE("the ONNX project's backend tests") {
    if (!fs::exists(data_folder)) {
        MESSAGE("libonnx-testdata is not installed: skipped");
        std::exit(77);
    }
    std::map<std::string, Tally> by_operator;
    std::map<std::string, int> skipped;
    std::vector<std::string> failures, unsupported;
    int run_as_operations = 0, run_folded = 0;
    std::set<fs::path> folders;
    for (const char *group : {"node", "simple", "pytorch-operator", "pytorch-converted"})
        for (const auto &entry : fs::directory_iterator(data_folder / group)) folders.insert(entry.path());
    for (const fs::path &folder : folders) {
        const std::string name = folder.filename().string();
        Case test;
        try {
            test = load(folder);
        } catch (const Skip &skip) {
            ++skipped[skip.reason];
            continue;
        } catch (const std::exception &error) {
            ++skipped[error.what()];
            continue;
        }
        if (const auto reason = exempt(name, test)) {
            ++skipped[*reason];
            continue;
        }
        Tally &tally = by_operator[test.model.graph().node(test.model.graph().node_size() - 1).op_type()];
        const int inputs = test.model.graph().input_size();
        std::string refusal, difference;
        bool ran = false;
        // As few constants as possible: none, all but the first, and so on up to all.
        for (int fed : {inputs, 3, 2, 1, 0}) {
            if (fed > inputs || (ran && fed != 0)) continue;
            try {
                difference = run_case(test, with_constants(test, fed), fed);
                fed == 0 ? ++run_folded : ++run_as_operations;
                ran = true;
                if (!difference.empty()) {
                    difference = fmt::format("{} with {} inputs fed: {}", name, fed, difference);
                    break;
                }
            } catch (const std::exception &error) {
                refusal = error.what();
            }
        }
        if (!difference.empty()) {
            ++tally.failed;
            failures.push_back(difference);
        } else if (ran) {
            ++tally.passed;
        } else {
            ++tally.unsupported;
            unsupported.push_back(name + ": " + refusal.substr(refusal.find(": ") + 2));
            if (!is_expected_refusal(refusal)) failures.push_back("refused " + unsupported.back());
        }
    }
    int passed = 0;
    for (const auto &[op, tally] : by_operator) {
        fmt::print("{:28} {:4} passed {:3} failed {:3} refused\n", op, tally.passed, tally.failed, tally.unsupported);
        passed += tally.passed;
    }
    for (const std::string &line : unsupported) fmt::print("refused  {}\n", line);
    int left_out = 0;
    for (const auto &[reason, number] : skipped) {
        fmt::print("skipped  {:4}  {}\n", number, reason);
        left_out += number;
    }
    fmt::print("{} passed ({} runs as operations, {} folded), {} failed, {} refused, {} skipped\n", passed,
               run_as_operations, run_folded, failures.size(), unsupported.size(), left_out);
    for (const std::string &failure : failures) FAIL_CHECK(failure);
    CHECK(passed > 500); // the data are there and were run
}

} // namespace
} // namespace halfscope
