#include "emulation/ops/elementwise/exact_results.h"
#include "emulation/ops/elementwise/operand.h"

#include <cmath>

namespace halfscope::ops::elementwise {
namespace {

template <typename T> bool evaluate(OpKind kind, T a, T b) {
    switch (kind) {
    case OpKind::equal: return a == b;
    case OpKind::less: return a < b;
    case OpKind::less_equal: return a <= b;
    case OpKind::greater: return a > b;
    case OpKind::greater_equal: return a >= b;
    case OpKind::logical_and: return a != T(0) && b != T(0);
    case OpKind::logical_or: return a != T(0) || b != T(0);
    case OpKind::logical_not: return a == T(0);
    case OpKind::is_nan: return std::isnan(a);
    default: return false;
    }
}

template <typename T> void run(const KernelCall &call, std::size_t count) {
    const auto operands = operands_of<T>(call, count);
    const OpKind kind = call.operation.kind;
    write_exact<std::uint8_t>(call, [&](std::int64_t first, std::int64_t total, std::uint8_t *out) {
        for_pieces(operands, first, total, [&](std::int64_t done, std::int64_t part, const T *const *values) {
            const T *a = values[0], *b = count > 1 ? values[1] : values[0];
            for (std::int64_t i = 0; i < part; ++i) out[done + i] = evaluate(kind, a[i], b[i]);
        });
    });
}

} // namespace

bool is_predicate(OpKind kind) {
    return kind == OpKind::logical_not || kind == OpKind::is_nan ||
           (kind >= OpKind::equal && kind <= OpKind::logical_or);
}

void run_predicate(const KernelCall &call) {
    const std::size_t count = call.operation.kind < OpKind::add ? 1 : 2;
    if (call.outputs[0].dtype != DType::boolean) call.reject("the result must be stored as boolean");
    bool floating = false;
    for (std::size_t k = 0; k < count; ++k) floating |= is_floating(call.inputs[k].dtype);
    if (!floating)
        run<std::int64_t>(call, count);
    else if (call.in_fp64())
        run<double>(call, count);
    else
        run<float>(call, count);
}

} // namespace halfscope::ops::elementwise
