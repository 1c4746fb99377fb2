#include "emulation/model/onnx/tensor_data.h"

#include "emulation/number/round_array.h"

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace halfscope::model::importing {
namespace {

using ::onnx::TensorProto;
using ops::DType;

std::string element_type_name(int type) {
    return TensorProto::DataType_IsValid(type) ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type))
                                               : fmt::format("{}", type);
}

/// Bytes of one element in raw or external data.
std::size_t raw_size(int type) {
    switch (type) {
    case TensorProto::FLOAT:
    case TensorProto::INT32:
    case TensorProto::UINT32: return 4;
    case TensorProto::DOUBLE:
    case TensorProto::INT64:
    case TensorProto::UINT64: return 8;
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
    case TensorProto::INT16:
    case TensorProto::UINT16: return 2;
    default: return 1;
    }
}

[[noreturn]] void wrong_size(const TensorProto &proto, std::size_t have, std::size_t want, std::string_view unit) {
    throw std::runtime_error(fmt::format("tensor '{}' should hold {} {} but holds {}", proto.name(), want, unit, have));
}

/// The raw bytes of a tensor kept in a file of its own.
std::string read_external(const TensorProto &proto, const std::filesystem::path &model_file, std::size_t bytes) {
    std::string location;
    std::uint64_t offset = 0, length = bytes;
    try {
        for (const auto &entry : proto.external_data()) {
            if (entry.key() == "location") location = entry.value();
            if (entry.key() == "offset") offset = std::stoull(entry.value());
            if (entry.key() == "length") length = std::stoull(entry.value());
        }
    } catch (const std::exception &) {
        throw std::runtime_error(
            fmt::format("tensor '{}' has external data with an unreadable offset or length", proto.name()));
    }
    const std::filesystem::path relative(location);
    bool inside = !location.empty() && !relative.is_absolute();
    for (const auto &part : relative) inside = inside && part != "..";
    if (!inside)
        throw std::runtime_error(
            fmt::format("tensor '{}' keeps its data in '{}', which is not a path below the model's folder",
                        proto.name(), location));
    const std::filesystem::path path = model_file.parent_path() / relative;
    if (length != bytes) wrong_size(proto, length, bytes, "bytes");
    std::ifstream stream(path, std::ios::binary);
    if (!stream)
        throw std::runtime_error(fmt::format("the external data file '{}' of tensor '{}' cannot be opened; keep it "
                                             "beside the model",
                                             path.string(), proto.name()));
    std::error_code ignored;
    const auto available = std::filesystem::file_size(path, ignored);
    if (ignored || available < offset || available - offset < bytes)
        throw std::runtime_error(
            fmt::format("the external data file '{}' ends before tensor '{}' does", path.string(), proto.name()));
    std::string data(bytes, '\0');
    stream.seekg(static_cast<std::streamoff>(offset));
    stream.read(data.data(), static_cast<std::streamsize>(bytes));
    if (!stream) throw std::runtime_error(fmt::format("the external data file '{}' cannot be read", path.string()));
    return data;
}

template <typename Stored, typename Out, typename Convert>
void convert_raw(const std::string &raw, std::span<Out> out, Convert convert) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        Stored stored;
        std::memcpy(&stored, raw.data() + i * sizeof(Stored), sizeof(Stored));
        out[i] = convert(stored);
    }
}

template <typename Field, typename Out, typename Convert>
void convert_field(const TensorProto &proto, const Field &field, std::span<Out> out, Convert convert) {
    const auto count = static_cast<std::size_t>(field.size());
    if (count != out.size()) wrong_size(proto, count, out.size(), "elements");
    for (std::size_t i = 0; i < count; ++i) out[i] = convert(field[static_cast<int>(i)]);
}

float from_half(std::uint16_t bits) { return number::widen_16bit(bits, number::FormatId::fp16); }
float from_bfloat(std::uint16_t bits) { return number::widen_16bit(bits, number::FormatId::bf16); }

void fill_floating(const TensorProto &proto, const std::string *raw, std::span<float> out) {
    const auto keep = [](auto x) { return static_cast<float>(x); };
    const auto low_half = [](auto x) { return from_half(static_cast<std::uint16_t>(x)); };
    const auto low_bfloat = [](auto x) { return from_bfloat(static_cast<std::uint16_t>(x)); };
    switch (proto.data_type()) {
    case TensorProto::FLOAT:
        return raw ? convert_raw<float>(*raw, out, keep) : convert_field(proto, proto.float_data(), out, keep);
    case TensorProto::DOUBLE:
        return raw ? convert_raw<double>(*raw, out, keep) : convert_field(proto, proto.double_data(), out, keep);
    case TensorProto::FLOAT16:
        return raw ? convert_raw<std::uint16_t>(*raw, out, from_half)
                   : convert_field(proto, proto.int32_data(), out, low_half);
    default:
        return raw ? convert_raw<std::uint16_t>(*raw, out, from_bfloat)
                   : convert_field(proto, proto.int32_data(), out, low_bfloat);
    }
}

void fill_integers(const TensorProto &proto, const std::string *raw, std::span<std::int64_t> out) {
    const auto keep = [](auto x) { return static_cast<std::int64_t>(x); };
    if (!raw) {
        switch (proto.data_type()) {
        case TensorProto::INT64: return convert_field(proto, proto.int64_data(), out, keep);
        case TensorProto::UINT32:
        case TensorProto::UINT64: return convert_field(proto, proto.uint64_data(), out, keep);
        default: return convert_field(proto, proto.int32_data(), out, keep);
        }
    }
    switch (proto.data_type()) {
    case TensorProto::INT8: return convert_raw<std::int8_t>(*raw, out, keep);
    case TensorProto::UINT8: return convert_raw<std::uint8_t>(*raw, out, keep);
    case TensorProto::INT16: return convert_raw<std::int16_t>(*raw, out, keep);
    case TensorProto::UINT16: return convert_raw<std::uint16_t>(*raw, out, keep);
    case TensorProto::INT32: return convert_raw<std::int32_t>(*raw, out, keep);
    case TensorProto::UINT32: return convert_raw<std::uint32_t>(*raw, out, keep);
    case TensorProto::UINT64: return convert_raw<std::uint64_t>(*raw, out, keep);
    default: return convert_raw<std::int64_t>(*raw, out, keep);
    }
}

void fill_booleans(const TensorProto &proto, const std::string *raw, std::span<std::uint8_t> out) {
    const auto truth = [](auto x) { return static_cast<std::uint8_t>(x != 0); };
    return raw ? convert_raw<std::uint8_t>(*raw, out, truth) : convert_field(proto, proto.int32_data(), out, truth);
}

} // namespace

ops::Shape checked_shape(const std::vector<std::int64_t> &sizes, std::string_view what) {
    if (sizes.size() > ops::Shape::max_rank)
        throw std::runtime_error(
            fmt::format("{} has {} axes; at most {} are supported", what, sizes.size(), ops::Shape::max_rank));
    std::int64_t elements = 1;
    for (std::int64_t size : sizes) {
        if (size < 0) throw std::runtime_error(fmt::format("{} has an axis of negative size {}", what, size));
        // An axis of size 0 empties the tensor, but the others must still be sane: they are multiplied elsewhere.
        if (size > largest_tensor || elements > largest_tensor / std::max<std::int64_t>(size, 1))
            throw std::runtime_error(
                fmt::format("{} would have more than {} elements: [{}]", what, largest_tensor, fmt::join(sizes, ", ")));
        elements *= std::max<std::int64_t>(size, 1);
    }
    return ops::Shape(sizes);
}

ops::DType storage_type(int element_type, std::string_view what, std::set<std::string> &narrowed) {
    switch (element_type) {
    case TensorProto::FLOAT: return DType::fp32;
    case TensorProto::DOUBLE: narrowed.insert("fp64"); return DType::fp32;
    case TensorProto::FLOAT16: narrowed.insert("fp16"); return DType::fp32;
    case TensorProto::BFLOAT16: narrowed.insert("bf16"); return DType::fp32;
    case TensorProto::BOOL: return DType::boolean;
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::INT16:
    case TensorProto::UINT16:
    case TensorProto::INT32:
    case TensorProto::UINT32:
    case TensorProto::INT64:
    case TensorProto::UINT64: return DType::int64;
    default:
        throw std::runtime_error(
            fmt::format("{} has elements of type {}, which is not supported", what, element_type_name(element_type)));
    }
}

Tensor read_tensor(const TensorProto &proto, const std::filesystem::path &model_file, std::set<std::string> &narrowed) {
    const std::string what = fmt::format("tensor '{}'", proto.name());
    const DType dtype = storage_type(proto.data_type(), what, narrowed);
    const ops::Shape shape = checked_shape({proto.dims().begin(), proto.dims().end()}, what);
    if (proto.has_segment()) throw std::runtime_error(what + " is stored in segments, which is not supported");
    const std::size_t count = static_cast<std::size_t>(shape.elements());
    const std::size_t bytes = count * raw_size(proto.data_type());

    std::string external;
    const std::string *raw = nullptr;
    if (proto.data_location() == TensorProto::EXTERNAL) {
        external = read_external(proto, model_file, bytes);
        raw = &external;
    } else if (proto.has_raw_data()) {
        if (proto.raw_data().size() != bytes) wrong_size(proto, proto.raw_data().size(), bytes, "bytes");
        raw = &proto.raw_data();
    } else {
        // Before memory is taken: a damaged file may declare a huge shape and carry nothing.
        const auto held = static_cast<std::size_t>(
            std::max({proto.float_data_size(), proto.double_data_size(), proto.int32_data_size(),
                      proto.int64_data_size(), proto.uint64_data_size()}));
        if (held != count) wrong_size(proto, held, count, "elements");
    }
    auto tensor = std::make_shared<ops::HostTensor>(dtype, shape);
    switch (dtype) {
    case DType::fp32: fill_floating(proto, raw, tensor->as<float>()); break;
    case DType::int64: fill_integers(proto, raw, tensor->as<std::int64_t>()); break;
    default: fill_booleans(proto, raw, tensor->as<std::uint8_t>()); break;
    }
    return tensor;
}

} // namespace halfscope::model::importing
