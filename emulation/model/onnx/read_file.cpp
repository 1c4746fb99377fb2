#include "emulation/model/onnx/file_model.h"
#include "emulation/model/onnx/tensor_data.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <stdexcept>

namespace halfscope::model::importing {
namespace {

using ::onnx::AttributeProto;

constexpr std::int64_t oldest_opset = 7, newest_opset = 21;

class Reader {
  public:
    explicit Reader(FileModel &model) : model_(model) {}

    FileGraph graph(const ::onnx::GraphProto &proto) {
        FileGraph out;
        out.name = proto.name();
        if (proto.sparse_initializer_size() > 0)
            throw std::runtime_error("it has sparse initialisers, which are not supported");
        for (const auto &tensor : proto.initializer())
            out.initializers.emplace_back(tensor.name(), read_tensor(tensor, model_.path, model_.narrowed));
        for (const auto &input : proto.input()) out.inputs.push_back(declared(input));
        for (const auto &output : proto.output()) out.outputs.push_back(output.name());
        for (const auto &node : proto.node()) out.nodes.push_back(this->node(node));
        return out;
    }

  private:
    FileInput declared(const ::onnx::ValueInfoProto &proto) {
        FileInput out;
        out.name = proto.name();
        const std::string what = fmt::format("input '{}'", proto.name());
        if (!proto.has_type()) return out;
        if (!proto.type().has_tensor_type()) throw std::runtime_error(what + " is not a tensor");
        const auto &type = proto.type().tensor_type();
        out.dtype = storage_type(type.elem_type(), what, model_.narrowed);
        out.has_shape = type.has_shape();
        for (const auto &dim : type.shape().dim()) {
            const bool fixed = dim.has_dim_value() && dim.dim_value() >= 0;
            out.sizes.push_back(fixed ? dim.dim_value() : -1);
            out.symbols.push_back(dim.has_dim_param() ? dim.dim_param() : "");
        }
        return out;
    }

    FileNode node(const ::onnx::NodeProto &proto) {
        FileNode out;
        out.op = proto.op_type();
        out.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
        out.name = proto.name();
        out.inputs.assign(proto.input().begin(), proto.input().end());
        out.outputs.assign(proto.output().begin(), proto.output().end());
        for (const auto &attribute : proto.attribute()) {
            // Types that no supported operator has are left out; an operator that needs one is itself unsupported.
            switch (attribute.type()) {
            case AttributeProto::INT: out.attributes[attribute.name()].value = std::int64_t{attribute.i()}; break;
            case AttributeProto::FLOAT:
                out.attributes[attribute.name()].value = static_cast<double>(attribute.f());
                break;
            case AttributeProto::STRING: out.attributes[attribute.name()].value = attribute.s(); break;
            case AttributeProto::TENSOR:
                out.attributes[attribute.name()].value = read_tensor(attribute.t(), model_.path, model_.narrowed);
                break;
            case AttributeProto::INTS:
                out.attributes[attribute.name()].value =
                    std::vector<std::int64_t>(attribute.ints().begin(), attribute.ints().end());
                break;
            case AttributeProto::FLOATS:
                out.attributes[attribute.name()].value =
                    std::vector<double>(attribute.floats().begin(), attribute.floats().end());
                break;
            case AttributeProto::STRINGS:
                out.attributes[attribute.name()].value =
                    std::vector<std::string>(attribute.strings().begin(), attribute.strings().end());
                break;
            case AttributeProto::GRAPH:
                out.attributes[attribute.name()].value = std::make_shared<const FileGraph>(graph(attribute.g()));
                break;
            default: break;
            }
        }
        return out;
    }

    FileModel &model_;
};

::onnx::ModelProto parse(const std::filesystem::path &file) {
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    if (!std::filesystem::exists(status)) throw std::runtime_error("there is no such file");
    if (std::filesystem::is_directory(status)) throw std::runtime_error("it is a folder, not a file");
    std::ifstream stream(file, std::ios::binary);
    if (!stream) throw std::runtime_error("it cannot be opened for reading");
    if (std::filesystem::file_size(file, error) == 0) throw std::runtime_error("it is empty");

    char magic[4] = {};
    stream.read(magic, sizeof(magic));
    stream.clear();
    stream.seekg(0);
    if (std::string_view(magic, 2) == "PK")
        throw std::runtime_error("it is a zip archive (a PyTorch checkpoint?), not ONNX; write it with "
                                 "torch.onnx.export");

    ::onnx::ModelProto proto;
    google::protobuf::io::IstreamInputStream raw(&stream);
    google::protobuf::io::CodedInputStream coded(&raw);
    coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
    if (!proto.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
        throw std::runtime_error("it is not an ONNX model, or it is cut off or damaged");
    return proto;
}

std::int64_t default_opset(const ::onnx::ModelProto &proto) {
    std::int64_t opset = 0;
    for (const auto &import : proto.opset_import())
        if (import.domain().empty() || import.domain() == "ai.onnx") opset = std::max(opset, import.version());
    if (opset == 0) throw std::runtime_error("it does not say which ONNX opset it uses; it may be damaged");
    if (opset < oldest_opset || opset > newest_opset)
        throw std::runtime_error(fmt::format("it uses ONNX opset {}; opsets {} to {} are supported (export with "
                                             "opset_version=17)",
                                             opset, oldest_opset, newest_opset));
    return opset;
}

} // namespace

template <typename T> const T *FileNode::find(std::string_view attribute) const {
    const auto found = attributes.find(attribute);
    if (found == attributes.end()) return nullptr;
    if (const T *value = std::get_if<T>(&found->second.value)) return value;
    throw std::runtime_error(fmt::format("its attribute '{}' has the wrong type", attribute));
}
template const std::int64_t *FileNode::find(std::string_view) const;
template const double *FileNode::find(std::string_view) const;
template const std::string *FileNode::find(std::string_view) const;
template const Tensor *FileNode::find(std::string_view) const;
template const std::vector<std::int64_t> *FileNode::find(std::string_view) const;
template const std::vector<double> *FileNode::find(std::string_view) const;
template const std::shared_ptr<const FileGraph> *FileNode::find(std::string_view) const;

std::int64_t FileNode::integer(std::string_view attribute, std::int64_t fallback) const {
    const auto *value = find<std::int64_t>(attribute);
    return value ? *value : fallback;
}

double FileNode::number(std::string_view attribute, double fallback) const {
    const auto *value = find<double>(attribute);
    return value ? *value : fallback;
}

std::string FileNode::text(std::string_view attribute, std::string_view fallback) const {
    const auto *value = find<std::string>(attribute);
    return value ? *value : std::string(fallback);
}

std::vector<std::int64_t> FileNode::integers(std::string_view attribute) const {
    const auto *value = find<std::vector<std::int64_t>>(attribute);
    return value ? *value : std::vector<std::int64_t>{};
}

std::vector<std::string> FileNode::texts(std::string_view attribute) const {
    const auto *value = find<std::vector<std::string>>(attribute);
    return value ? *value : std::vector<std::string>{};
}

FileModel read_file(const std::filesystem::path &file) {
    FileModel model;
    model.path = file;
    try {
        const ::onnx::ModelProto proto = parse(file);
        if (!proto.has_graph()) throw std::runtime_error("it holds no graph, so it is not an ONNX model");
        model.opset = default_opset(proto);
        model.graph = Reader(model).graph(proto.graph());
        if (model.graph.outputs.empty()) throw std::runtime_error("its graph has no outputs");
    } catch (const std::bad_alloc &) {
        throw std::runtime_error(fmt::format("{}: it does not fit into memory", file.string()));
    } catch (const std::exception &error) {
        throw std::runtime_error(fmt::format("{}: {}", file.string(), error.what()));
    }
    return model;
}

} // namespace halfscope::model::importing
