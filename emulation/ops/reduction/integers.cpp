#include "emulation/ops/reduction/reduction_axes.h"
#include "emulation/ops/reduction/reductions.h"

#include <algorithm>

namespace halfscope::ops::reduction {

void reduce_integers(const KernelCall &call) {
    const TensorView &in = call.inputs[0];
    const OpKind kind = call.operation.kind;
    if (is_floating(in.dtype)) call.reject("the result of a floating operand is stored in a floating type");
    if (call.outputs[0].dtype != DType::int64) call.reject("the result of integers is stored as int64");
    const ReductionAxes axes(call);
    const std::int64_t results = axes.kept.elements(), n = axes.reduced.elements();
    if (n == 0 && kind != OpKind::reduce_sum && kind != OpKind::reduce_product && kind != OpKind::reduce_sum_squares)
        call.reject("there is no element in shape " + in.shape.text());
    for (std::int64_t result = 0; result < results; ++result) {
        const std::int64_t base = axes.kept.offset(result);
        // Unsigned, so that overflow wraps around.
        std::uint64_t sum = kind == OpKind::reduce_product ? 1 : 0;
        std::int64_t extreme = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            const std::int64_t at = base + axes.reduced.offset(i);
            const std::int64_t value =
                in.dtype == DType::boolean ? in.as<const std::uint8_t>()[at] != 0 : in.as<const std::int64_t>()[at];
            const auto bits = static_cast<std::uint64_t>(value);
            switch (kind) {
            case OpKind::reduce_product: sum *= bits; break;
            case OpKind::reduce_sum_squares: sum += bits * bits; break;
            case OpKind::reduce_max: extreme = i == 0 ? value : std::max(extreme, value); break;
            case OpKind::reduce_min: extreme = i == 0 ? value : std::min(extreme, value); break;
            default: sum += bits; break;
            }
        }
        auto value = static_cast<std::int64_t>(sum);
        if (kind == OpKind::reduce_mean) value /= n;
        if (kind == OpKind::reduce_max || kind == OpKind::reduce_min) value = extreme;
        call.outputs[0].as<std::int64_t>()[result] = value;
    }
}

} // namespace halfscope::ops::reduction
