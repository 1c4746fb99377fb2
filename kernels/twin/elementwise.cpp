#include "kernels/twin/elementwise.h"

#include "emulation/number/arithmetic.h"
#include "emulation/number/conversion.h"
#include "emulation/number/round_array.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace halfscope::kernels {
namespace {

std::uint64_t bits_at(const ops::TensorView &view, std::size_t index) {
    std::uint64_t bits = 0;
    const std::size_t size = ops::size_of(view.dtype);
    std::memcpy(&bits, view.as<const std::byte>() + index * size, size); // little-endian, as every machine supported
    return bits;
}

void leave(const ops::TensorView &view, std::size_t index, std::uint64_t bits) {
    const std::size_t size = ops::size_of(view.dtype);
    std::memcpy(view.as<std::byte>() + index * size, &bits, size);
}

std::uint64_t flushed(const number::Format &format, std::uint64_t bits) {
    const number::Unpacked u = number::unpack(format, bits);
    const bool subnormal = u.kind == number::Kind::finite && (u.significand >> (format.precision - 1)) == 0;
    return subnormal ? number::zero(format, u.negative) : bits;
}

number::Result apply(Task task, const number::Format &from, const number::Format &to, const std::uint64_t *x,
                     const number::RoundingMode &mode) {
    switch (task) {
    case Task::convert: return number::convert(from, x[0], to, mode);
    case Task::add: return number::add(to, x[0], x[1], mode);
    case Task::subtract: return number::subtract(to, x[0], x[1], mode);
    case Task::multiply: return number::multiply(to, x[0], x[1], mode);
    case Task::divide: return number::divide(to, x[0], x[1], mode);
    case Task::square_root: return number::square_root(to, x[0], mode);
    case Task::fused_multiply_add: return number::fused_multiply_add(to, x[0], x[1], x[2], mode);
    default: break;
    }
    throw std::invalid_argument(std::string(name_of(task)) + " is not elementwise");
}

bool in_bulk(Task task, const ElementwiseMode &mode, const KernelCall &call) {
    return task == Task::convert && !mode.flush_operands && call.inputs[0].dtype == ops::DType::fp32 &&
           ops::is_16bit(call.output.dtype) && mode.rounding.rounding == number::Rounding::nearest_even &&
           !mode.rounding.flush_subnormals && !mode.rounding.saturate;
}

} // namespace

void emulate_elementwise(Task task, const ElementwiseMode &mode, const KernelCall &call) {
    const auto count = static_cast<std::size_t>(call.output.shape.elements());
    for (const ops::TensorView &input : call.inputs)
        if (static_cast<std::size_t>(input.shape.elements()) != count)
            throw std::invalid_argument(std::string(name_of(task)) + ": operands and result differ in length");
    if (in_bulk(task, mode, call)) {
        number::round_array(call.inputs[0].as<const float>(), count, ops::format_id(call.output.dtype),
                            call.output.data);
        return;
    }
    const number::Format &from = number::format_of(ops::format_id(call.inputs[0].dtype));
    const number::Format &to = number::format_of(ops::format_id(call.output.dtype));
    if (task != Task::convert && from.id != to.id)
        throw std::invalid_argument(std::string(name_of(task)) + ": operands and result differ in format");
    std::uint64_t x[3] = {};
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t operand = 0; operand < call.inputs.size(); ++operand) {
            x[operand] = bits_at(call.inputs[operand], i);
            if (mode.flush_operands) x[operand] = flushed(from, x[operand]);
        }
        leave(call.output, i, apply(task, from, to, x, mode.rounding).bits);
    }
}

} // namespace halfscope::kernels
