#include "kernels/judge/exact_operands.h"

#include "emulation/number/conversion.h"
#include "emulation/number/round_array.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <stdexcept>

namespace halfscope::kernels::judge {

std::vector<float> values_of(const ops::TensorView &tensor) {
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    if (values.empty()) return values;
    if (ops::is_16bit(tensor.dtype))
        number::widen_array(tensor.as<const std::uint16_t>(), values.size(), ops::format_id(tensor.dtype),
                            values.data());
    else if (tensor.dtype == ops::DType::fp32)
        std::memcpy(values.data(), tensor.data, tensor.bytes());
    else
        throw std::invalid_argument(
            fmt::format("operands to be judged are fp16, bf16 or fp32, not {}", ops::name_of(tensor.dtype)));
    return values;
}

std::uint64_t bits_at(const ops::TensorView &tensor, std::int64_t index) {
    switch (ops::size_of(tensor.dtype)) {
    case 2: return tensor.as<const std::uint16_t>()[index];
    case 4: return tensor.as<const std::uint32_t>()[index];
    case 8: return tensor.as<const std::uint64_t>()[index];
    default: return tensor.as<const std::uint8_t>()[index];
    }
}

double value_at(const ops::TensorView &tensor, std::int64_t index) {
    switch (tensor.dtype) {
    case ops::DType::fp16:
    case ops::DType::bf16:
        return static_cast<double>(
            number::widen_16bit(tensor.as<const std::uint16_t>()[index], ops::format_id(tensor.dtype)));
    case ops::DType::fp32: return static_cast<double>(tensor.as<const float>()[index]);
    case ops::DType::fp64: return tensor.as<const double>()[index];
    case ops::DType::int64: return static_cast<double>(tensor.as<const std::int64_t>()[index]);
    case ops::DType::boolean: return tensor.as<const std::uint8_t>()[index];
    }
    return 0;
}

std::vector<std::int64_t> position_of(const ops::Shape &shape, std::int64_t index) {
    std::vector<std::int64_t> position(static_cast<std::size_t>(shape.rank()));
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        const std::int64_t size = shape[axis] > 0 ? shape[axis] : 1;
        position[static_cast<std::size_t>(axis)] = index % size;
        index /= size;
    }
    return position;
}

Operand operand_at(const char *name, const ops::TensorView &tensor, std::int64_t index) {
    Operand operand;
    operand.name = fmt::format("{}[{}]", name, fmt::join(position_of(tensor.shape, index), ", "));
    operand.format = ops::format_id(tensor.dtype);
    operand.bits = bits_at(tensor, index);
    operand.value = value_at(tensor, index);
    return operand;
}

std::int64_t broadcast_index(const ops::Shape &operand, const ops::Shape &shape, std::int64_t index) {
    const int shift = shape.rank() - operand.rank();
    if (shift < 0)
        throw std::invalid_argument(
            fmt::format("an operand of shape {} does not broadcast to {}", operand.text(), shape.text()));
    std::int64_t at = 0, stride = 1;
    for (int axis = shape.rank() - 1; axis >= shift; --axis) {
        const std::int64_t size = operand[axis - shift], position = index % shape[axis];
        index /= shape[axis];
        if (size != 1 && size != shape[axis])
            throw std::invalid_argument(
                fmt::format("an operand of shape {} does not broadcast to {}", operand.text(), shape.text()));
        if (size != 1) at += position * stride;
        stride *= size;
    }
    return at;
}

} // namespace halfscope::kernels::judge
