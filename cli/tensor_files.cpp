#include "cli/tensor_files.h"

#include "cli/nearest_name.h"
#include "emulation/data/npy.h"
#include "emulation/number/conversion.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <stdexcept>

namespace halfscope::cli {
namespace {

using number::FormatId;

ops::DType storage_of(FormatId format) {
    switch (format) {
    case FormatId::fp16: return ops::DType::fp16;
    case FormatId::bf16: return ops::DType::bf16;
    case FormatId::fp64: return ops::DType::fp64;
    default: return ops::DType::fp32;
    }
}

data::Array read_array(const std::string &file, const std::string &flag) {
    try {
        data::Array array = data::read_npy(file);
        if (array.shape.size() > ops::Shape::max_rank)
            throw std::runtime_error(
                fmt::format("{}: has {} axes; at most {} are taken", file, array.shape.size(), ops::Shape::max_rank));
        return array;
    } catch (const std::runtime_error &error) {
        throw std::runtime_error(fmt::format("{}: {}", flag, error.what()));
    }
}

ops::HostTensor same_bytes(data::Array array, ops::DType dtype) {
    ops::HostTensor tensor;
    tensor.dtype = dtype;
    tensor.shape = ops::Shape(array.shape);
    tensor.bytes = std::move(array.bytes);
    return tensor;
}

std::string position_text(const std::vector<std::int64_t> &shape, std::int64_t index) {
    std::vector<std::int64_t> position(shape.size());
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        position[axis] = index % shape[axis];
        index /= shape[axis];
    }
    return fmt::format("[{}]", fmt::join(position, ", "));
}

constexpr std::string_view numpy_name(data::ElementType type) {
    switch (type) {
    case data::ElementType::boolean: return "bool";
    case data::ElementType::i8: return "int8";
    case data::ElementType::i16: return "int16";
    case data::ElementType::i32: return "int32";
    case data::ElementType::i64: return "int64";
    case data::ElementType::u8: return "uint8";
    case data::ElementType::u16: return "uint16";
    case data::ElementType::u32: return "uint32";
    case data::ElementType::f16: return "float16";
    case data::ElementType::f32: return "float32";
    case data::ElementType::f64: return "float64";
    }
    return "";
}

} // namespace

FormatId format_named(const std::string &name, const std::string &flag) {
    std::vector<std::string> names;
    for (const FormatId format : {FormatId::fp16, FormatId::bf16, FormatId::tf32, FormatId::fp32}) {
        names.emplace_back(number::format_of(format).name);
        if (name == names.back()) return format;
    }
    throw std::invalid_argument(fmt::format("{}: '{}' is not a format taken here; the nearest of {} is '{}'", flag,
                                            name, fmt::join(names, ", "), nearest_name(name, names)));
}

ops::HostTensor read_operand(const std::string &file, FormatId format, const std::string &flag) {
    data::Array array = read_array(file, flag);
    const number::Format &to = number::format_of(format);
    const ops::DType storage = storage_of(format);
    using data::ElementType;
    const bool bits = array.type == ElementType::u16 && ops::is_16bit(storage);
    const bool same = (array.type == ElementType::f16 && format == FormatId::fp16) ||
                      (array.type == ElementType::f32 && storage == ops::DType::fp32);
    if (bits || same) return same_bytes(std::move(array), storage);
    if (!data::is_floating(array.type))
        throw std::invalid_argument(
            fmt::format("{}: {} holds {} elements; {} is read from {}", flag, file, numpy_name(array.type), to.name,
                        format == FormatId::bf16 ? "uint16 bit patterns, or float32 values that bf16 represents exactly"
                        : format == FormatId::fp16 ? "float16, or wider values that fp16 represents exactly"
                                                   : "float32"));
    ops::HostTensor tensor(storage, ops::Shape(array.shape));
    const number::Format &fp64 = number::format_of(FormatId::fp64);
    for (std::int64_t i = 0; i < array.elements(); ++i) {
        const double value = array.number_at(i);
        const number::Result result = number::convert(fp64, std::bit_cast<std::uint64_t>(value), to);
        if (result.status != number::exact && value == value)
            throw std::invalid_argument(
                fmt::format("{}: {} holds {:.9g} at {}, which {} does not represent exactly; round it first "
                            "('halfscope emulate round --in {} --format {} --out ROUNDED.npy')",
                            flag, file, value, position_text(array.shape, i), to.name, file, to.name));
        std::memcpy(tensor.bytes.data() + static_cast<std::size_t>(i) * ops::size_of(storage), &result.bits,
                    ops::size_of(storage)); // little-endian, as array.cpp asserts
    }
    return tensor;
}

ops::HostTensor read_results(const std::string &file, const std::string &flag) {
    data::Array array = read_array(file, flag);
    switch (array.type) {
    case data::ElementType::f16: return same_bytes(std::move(array), ops::DType::fp16);
    case data::ElementType::u16: return same_bytes(std::move(array), ops::DType::bf16);
    case data::ElementType::f32: return same_bytes(std::move(array), ops::DType::fp32);
    default:
        throw std::invalid_argument(fmt::format("{}: {} holds {} elements; results are float32, float16, or uint16 bit "
                                                "patterns of bf16",
                                                flag, file, numpy_name(array.type)));
    }
}

void write_results(const std::string &file, const ops::HostTensor &tensor) {
    data::Array array;
    array.type = tensor.dtype == ops::DType::fp16   ? data::ElementType::f16
                 : tensor.dtype == ops::DType::bf16 ? data::ElementType::u16
                 : tensor.dtype == ops::DType::fp64 ? data::ElementType::f64
                                                    : data::ElementType::f32;
    array.shape.assign(tensor.shape.sizes().begin(), tensor.shape.sizes().end());
    array.bytes = tensor.bytes;
    data::write_npy(file, array);
}

} // namespace halfscope::cli
