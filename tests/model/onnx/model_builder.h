// Small ONNX files for tests, written with ONNX's own protobuf classes.
#pragma once

#include "emulation/model/onnx/import.h"
#include "tests/model/interpreter.h"

#include <onnx/onnx_pb.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace halfscope::tests {

struct Attribute {
    std::string name;
    onnx::AttributeProto proto;

    Attribute(std::string n, std::int64_t value) : name(std::move(n)) {
        proto.set_type(onnx::AttributeProto::INT);
        proto.set_i(value);
    }
    Attribute(std::string n, int value) : Attribute(std::move(n), std::int64_t{value}) {}
    Attribute(std::string n, float value) : name(std::move(n)) {
        proto.set_type(onnx::AttributeProto::FLOAT);
        proto.set_f(value);
    }
    Attribute(std::string n, const char *value) : name(std::move(n)) {
        proto.set_type(onnx::AttributeProto::STRING);
        proto.set_s(value);
    }
    Attribute(std::string n, const std::vector<std::int64_t> &values) : name(std::move(n)) {
        proto.set_type(onnx::AttributeProto::INTS);
        for (std::int64_t value : values) proto.add_ints(value);
    }
    Attribute(std::string n, const std::vector<std::string> &values) : name(std::move(n)) {
        proto.set_type(onnx::AttributeProto::STRINGS);
        for (const std::string &value : values) proto.add_strings(value);
    }
    Attribute(std::string n, const onnx::TensorProto &value) : name(std::move(n)) {
        proto.set_type(onnx::AttributeProto::TENSOR);
        *proto.mutable_t() = value;
    }
    Attribute(std::string n, const onnx::GraphProto &value) : name(std::move(n)) {
        proto.set_type(onnx::AttributeProto::GRAPH);
        *proto.mutable_g() = value;
    }
};

inline bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

inline onnx::TensorProto float_tensor(const std::string &name, const std::vector<std::int64_t> &dims,
                                      const std::vector<float> &values) {
    onnx::TensorProto tensor;
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (std::int64_t dim : dims) tensor.add_dims(dim);
    for (float value : values) tensor.add_float_data(value);
    return tensor;
}

inline onnx::TensorProto integer_tensor(const std::string &name, const std::vector<std::int64_t> &dims,
                                        const std::vector<std::int64_t> &values) {
    onnx::TensorProto tensor;
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::INT64);
    for (std::int64_t dim : dims) tensor.add_dims(dim);
    for (std::int64_t value : values) tensor.add_int64_data(value);
    return tensor;
}

/// Varied values without structure: no zeros, no ones, no repetition, no sines.
inline std::vector<float> varied(std::size_t count, float scale = 1) {
    std::vector<float> values(count);
    std::uint32_t state = 12345;
    for (float &value : values) {
        state = state * 1664525u + 1013904223u;
        value = scale * (static_cast<float>(state >> 8) * 0x1p-23f - 1);
    }
    return values;
}

inline std::size_t product(const std::vector<std::int64_t> &dims) {
    std::size_t count = 1;
    for (std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
    return count;
}

/// A graph, main or branch, put together piece by piece.
class GraphBuilder {
  public:
    explicit GraphBuilder(onnx::GraphProto *graph) : graph_(graph) {}

    /// An axis of -1 is the symbol "batch", one of -2 the symbol "length".
    GraphBuilder &input(const std::string &name, const std::vector<std::int64_t> &dims,
                        int type = onnx::TensorProto::FLOAT) {
        auto *value = graph_->add_input();
        value->set_name(name);
        auto *tensor = value->mutable_type()->mutable_tensor_type();
        tensor->set_elem_type(type);
        tensor->mutable_shape();
        for (std::int64_t dim : dims) {
            auto *axis = tensor->mutable_shape()->add_dim();
            if (dim >= 0)
                axis->set_dim_value(dim);
            else
                axis->set_dim_param(dim == -1 ? "batch" : "length");
        }
        return *this;
    }
    GraphBuilder &weight(const std::string &name, const std::vector<std::int64_t> &dims) {
        return initializer(float_tensor(name, dims, varied(product(dims), 0.5f)));
    }
    GraphBuilder &initializer(const onnx::TensorProto &tensor) {
        *graph_->add_initializer() = tensor;
        return *this;
    }
    GraphBuilder &floats(const std::string &name, const std::vector<std::int64_t> &dims,
                         const std::vector<float> &values) {
        return initializer(float_tensor(name, dims, values));
    }
    GraphBuilder &integers(const std::string &name, const std::vector<std::int64_t> &values) {
        return initializer(integer_tensor(name, {static_cast<std::int64_t>(values.size())}, values));
    }
    /// A Constant node holding one number.
    GraphBuilder &number(const std::string &name, float value) {
        return node("Constant", {}, {name}, {Attribute("value", float_tensor("", {}, {value}))});
    }
    GraphBuilder &constant(const std::string &name, const std::vector<std::int64_t> &values) {
        return node("Constant", {}, {name},
                    {Attribute("value", integer_tensor("", {static_cast<std::int64_t>(values.size())}, values))});
    }
    GraphBuilder &index(const std::string &name, std::int64_t value) {
        return node("Constant", {}, {name}, {Attribute("value", integer_tensor("", {}, {value}))});
    }
    GraphBuilder &node(const std::string &op, const std::vector<std::string> &inputs,
                       const std::vector<std::string> &outputs, const std::vector<Attribute> &attributes = {},
                       const std::string &name = {}) {
        auto *node = graph_->add_node();
        node->set_op_type(op);
        node->set_name(name);
        for (const auto &input : inputs) node->add_input(input);
        for (const auto &output : outputs) node->add_output(output);
        for (const Attribute &attribute : attributes) {
            *node->add_attribute() = attribute.proto;
            node->mutable_attribute(node->attribute_size() - 1)->set_name(attribute.name);
        }
        return *this;
    }
    GraphBuilder &output(const std::string &name) {
        graph_->add_output()->set_name(name);
        return *this;
    }
    onnx::GraphProto &proto() { return *graph_; }

  private:
    onnx::GraphProto *graph_;
};

/// A file that disappears with the object.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string &content, const std::string &name = "model.onnx") {
        static int count = 0;
        folder_ = std::filesystem::temp_directory_path() /
                  ("halfscope-onnx-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
        std::filesystem::create_directories(folder_);
        path_ = folder_ / name;
        std::ofstream(path_, std::ios::binary) << content;
    }
    TemporaryFile(const TemporaryFile &) = delete;
    TemporaryFile &operator=(const TemporaryFile &) = delete;
    ~TemporaryFile() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    [[nodiscard]] const std::filesystem::path &path() const { return path_; }
    [[nodiscard]] const std::filesystem::path &folder() const { return folder_; }

  private:
    std::filesystem::path folder_, path_;
};

class ModelBuilder : public GraphBuilder {
  public:
    explicit ModelBuilder(std::int64_t opset = 13) : ModelBuilder(std::make_unique<onnx::ModelProto>(), opset) {}

    [[nodiscard]] onnx::ModelProto &model() { return *model_; }
    [[nodiscard]] std::string bytes() const { return model_->SerializeAsString(); }
    [[nodiscard]] model::Imported import(const model::ImportOptions &options = {}) const {
        const TemporaryFile file(bytes());
        return model::import_onnx(file.path(), options);
    }
    /// The message of the exception that the import must throw; "" when it does not.
    [[nodiscard]] std::string error(const model::ImportOptions &options = {}) const {
        try {
            (void)import(options);
        } catch (const std::runtime_error &reason) {
            return reason.what();
        } catch (const std::invalid_argument &reason) {
            return reason.what();
        }
        return {};
    }

  private:
    ModelBuilder(std::unique_ptr<onnx::ModelProto> model, std::int64_t opset)
        : GraphBuilder(model->mutable_graph()), model_(std::move(model)) {
        model_->set_ir_version(7);
        model_->mutable_graph()->set_name("test");
        model_->add_opset_import()->set_version(opset);
    }
    std::unique_ptr<onnx::ModelProto> model_;
};

/// Runs the forward pass on named inputs (fp32 or int64 given as double) and returns an output's elements.
inline std::vector<double> run(const model::Graph &graph, const std::map<std::string, std::vector<double>> &feeds,
                               std::size_t output = 0) {
    Interpreter interpreter(graph);
    for (const auto &[name, values] : feeds) {
        const model::ValueId id = graph.find(name);
        if (id == model::none) throw std::logic_error("no input " + name);
        ops::HostTensor &tensor = interpreter[id];
        if (static_cast<std::size_t>(tensor.shape.elements()) != values.size())
            throw std::logic_error("wrong number of elements for " + name);
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (tensor.dtype == ops::DType::fp32)
                tensor.as<float>()[i] = static_cast<float>(values[i]);
            else if (tensor.dtype == ops::DType::int64)
                tensor.as<std::int64_t>()[i] = static_cast<std::int64_t>(values[i]);
            else
                tensor.as<std::uint8_t>()[i] = values[i] != 0;
        }
    }
    interpreter.run(false);
    const ops::HostTensor &made = interpreter[graph.outputs.at(output)];
    std::vector<double> out(static_cast<std::size_t>(made.shape.elements()));
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = made.dtype == ops::DType::int64     ? static_cast<double>(made.as<std::int64_t>()[i])
                 : made.dtype == ops::DType::boolean ? made.as<std::uint8_t>()[i]
                                                     : static_cast<double>(made.as<float>()[i]);
    return out;
}

/// The forward node of this kind; null when there is none, or more than one.
inline const model::Node *only(const model::Graph &graph, ops::OpKind kind) {
    const model::Node *found = nullptr;
    for (const model::Node &node : graph.nodes) {
        if (node.operation.kind != kind) continue;
        if (found) return nullptr;
        found = &node;
    }
    return found;
}

inline std::size_t count(const model::Graph &graph, ops::OpKind kind) {
    std::size_t number = 0;
    for (const model::Node &node : graph.nodes) number += node.operation.kind == kind;
    return number;
}

inline bool mentions(const std::vector<std::string> &notes, const std::string &part) {
    for (const std::string &note : notes)
        if (note.find(part) != std::string::npos) return true;
    return false;
}

} // namespace halfscope::tests
