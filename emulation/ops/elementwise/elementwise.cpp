// Elementwise operations: operands are broadcast and converted to C piece by piece, computed by the array kernel of the
// operation, rounded and measured block by block.
#include "emulation/ops/elementwise/exact_results.h"
#include "emulation/ops/elementwise/kernel_table.h"
#include "emulation/ops/elementwise/operand.h"
#include "emulation/ops/kernels.h"

namespace halfscope::ops {
namespace elementwise {
namespace {

Scalars scalars_of(const KernelCall &call) {
    const auto *scalars = std::get_if<Scalars>(&call.operation.attributes);
    return scalars ? *scalars : Scalars{};
}

template <typename C> void run_floating(const KernelCall &call) {
    const Scalars scalars = scalars_of(call);
    const ArrayKernel<C> kernel = array_kernel<C>(call.operation.kind, scalars.alpha);
    if (!kernel) call.reject("this is not an elementwise operation with a floating result");
    const auto operands = operands_of<C>(call, call.inputs.size());
    const C alpha = static_cast<C>(scalars.alpha), beta = static_cast<C>(scalars.beta);
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        for_pieces(operands, first, count, [&](std::int64_t done, std::int64_t part, const C *const *values) {
            kernel(values, out + done, static_cast<std::size_t>(part), alpha, beta);
        });
    });
}

void run_fill(const KernelCall &call) {
    const double value = scalars_of(call).alpha;
    const auto fill_exact = [&]<typename T>(T constant) {
        write_exact<T>(call, [&](std::int64_t, std::int64_t count, T *out) { std::fill_n(out, count, constant); });
    };
    switch (call.outputs[0].dtype) {
    case DType::int64: return fill_exact(static_cast<std::int64_t>(value));
    case DType::boolean: return fill_exact(static_cast<std::uint8_t>(value != 0));
    case DType::fp64:
        return produce<double>(call, 0,
                               [&](std::int64_t, std::int64_t count, double *out) { std::fill_n(out, count, value); });
    default:
        return produce<float>(call, 0, [&](std::int64_t, std::int64_t count, float *out) {
            std::fill_n(out, count, static_cast<float>(value));
        });
    }
}

} // namespace
} // namespace elementwise

void run_elementwise(const KernelCall &call) {
    const OpKind kind = call.operation.kind;
    const int wanted = kind == OpKind::fill ? 0 : elementwise::operand_count(kind);
    if (kind != OpKind::fill && wanted == 0) call.reject("this is not an elementwise operation");
    if (call.inputs.size() != static_cast<std::size_t>(wanted) || call.outputs.size() != 1)
        call.reject("takes " + std::to_string(wanted) + " operands and gives one result, not " +
                    std::to_string(call.inputs.size()) + " and " + std::to_string(call.outputs.size()));
    if (kind == OpKind::fill) return elementwise::run_fill(call);
    if (kind == OpKind::cast) return elementwise::run_cast(call);
    if (elementwise::is_predicate(kind)) return elementwise::run_predicate(call);
    if (!is_floating(call.outputs[0].dtype)) return elementwise::run_integers(call);
    return call.in_fp64() ? elementwise::run_floating<double>(call) : elementwise::run_floating<float>(call);
}

} // namespace halfscope::ops
