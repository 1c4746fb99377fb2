#include "emulation/ops/optimizer/update.h"

#include "emulation/number/conversion.h"

#include <bit>

namespace halfscope::ops::optimizer {
namespace {

double rounded_once(double value, DType storage) {
    const number::Format &wide = number::format_of(number::FormatId::fp64);
    const number::Format &narrow = number::format_of(format_id(storage));
    const auto stored = number::convert(wide, std::bit_cast<std::uint64_t>(value), narrow);
    return std::bit_cast<double>(number::convert(narrow, stored.bits, wide).bits);
}

} // namespace

OptimizerStep hyperparameters(const OptimizerStep &step, DType state) {
    OptimizerStep used = step;
    if (!step.round_hyperparameters) return used;
    for (double OptimizerStep::*value :
         {&OptimizerStep::learning_rate, &OptimizerStep::momentum, &OptimizerStep::dampening, &OptimizerStep::beta1,
          &OptimizerStep::beta2, &OptimizerStep::epsilon, &OptimizerStep::weight_decay})
        used.*value = rounded_once(step.*value, state);
    return used;
}

DType promoted(DType a, DType b) {
    if (a == b) return a;
    return a == DType::fp64 || b == DType::fp64 ? DType::fp64 : DType::fp32;
}

void require_update_operands(const KernelCall &call, std::size_t inputs, std::size_t outputs, const char *layout) {
    if (call.inputs.size() != inputs || call.outputs.size() != outputs)
        call.reject("takes " + std::string(layout) + ", got " + std::to_string(call.inputs.size()) + " inputs and " +
                    std::to_string(call.outputs.size()) + " outputs");
    const Shape &shape = call.inputs[0].shape;
    for (const auto views : {call.inputs, call.outputs})
        for (const TensorView &view : views) {
            if (!(view.shape == shape))
                call.reject("operands " + shape.text() + " and " + view.shape.text() + " differ in shape");
            if (!is_floating(view.dtype)) call.reject("cannot update " + std::string(name_of(view.dtype)) + " values");
        }
}

template <typename C> void round_in_place(C *values, std::int64_t count, DType storage) {
    if (!is_16bit(storage)) return;
    const number::FormatId format = format_id(storage);
    constexpr std::int64_t piece = 512; // stays in the first-level cache
    std::array<std::uint16_t, static_cast<std::size_t>(piece)> bits;
    std::array<float, static_cast<std::size_t>(piece)> narrow;
    for (std::int64_t first = 0; first < count; first += piece) {
        const auto length = static_cast<std::size_t>(std::min(piece, count - first));
        if constexpr (std::is_same_v<C, float>) {
            number::round_array(values + first, length, format, bits.data());
            number::widen_array(bits.data(), length, format, values + first);
        } else {
            std::copy_n(values + first, length, narrow.data());
            number::round_array(narrow.data(), length, format, bits.data());
            number::widen_array(bits.data(), length, format, narrow.data());
            std::copy_n(narrow.data(), length, values + first);
        }
    }
}

template void round_in_place<float>(float *, std::int64_t, DType);
template void round_in_place<double>(double *, std::int64_t, DType);

} // namespace halfscope::ops::optimizer
