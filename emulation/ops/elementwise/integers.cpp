#include "emulation/ops/elementwise/exact_results.h"
#include "emulation/ops/elementwise/kernel_table.h"
#include "emulation/ops/elementwise/operand.h"

#include <limits>

namespace halfscope::ops::elementwise {
namespace {

using Integer = std::int64_t;

/// Two's complement wrap-around, computed without signed overflow.
Integer wrapped(std::uint64_t value) { return static_cast<Integer>(value); }
std::uint64_t unsigned_of(Integer value) { return static_cast<std::uint64_t>(value); }

Integer quotient(Integer a, Integer b) {
    if (b == 0) return 0;
    if (b == -1) return wrapped(0 - unsigned_of(a));
    return a / b;
}

Integer remainder(Integer a, Integer b, bool sign_of_divisor) {
    if (b == 0 || b == -1) return 0;
    const Integer rest = a % b;
    return sign_of_divisor && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/// Truncated like the quotient: a negative exponent leaves 0 except for bases 1 and -1.
Integer power(Integer base, Integer exponent) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    std::uint64_t result = 1, square = unsigned_of(base);
    for (auto rest = unsigned_of(exponent); rest; rest >>= 1, square *= square)
        if (rest & 1) result *= square;
    return wrapped(result);
}

struct Parameters {
    OpKind kind;
    double alpha, beta;
};

/// An attribute as int64, saturating: clip bounds may be infinite.
Integer attribute(double value) {
    if (!(value > -0x1p63)) return std::numeric_limits<Integer>::min();
    if (value >= 0x1p63) return std::numeric_limits<Integer>::max();
    return static_cast<Integer>(value);
}

Integer evaluate(const Parameters &p, const Integer *v) {
    switch (p.kind) {
    case OpKind::negate: return wrapped(0 - unsigned_of(v[0]));
    case OpKind::absolute: return v[0] < 0 ? wrapped(0 - unsigned_of(v[0])) : v[0];
    case OpKind::sign: return (v[0] > 0) - (v[0] < 0);
    case OpKind::relu: return std::max<Integer>(v[0], 0);
    case OpKind::floor:
    case OpKind::ceil:
    case OpKind::round: return v[0];
    case OpKind::clip: return std::min(std::max(v[0], attribute(p.alpha)), attribute(p.beta));
    case OpKind::scale: return wrapped(unsigned_of(v[0]) * unsigned_of(attribute(p.alpha)));
    case OpKind::shift: return wrapped(unsigned_of(v[0]) + unsigned_of(attribute(p.alpha)));
    case OpKind::power_scalar: return power(v[0], attribute(p.alpha));
    case OpKind::add: return wrapped(unsigned_of(v[0]) + unsigned_of(v[1]));
    case OpKind::subtract: return wrapped(unsigned_of(v[0]) - unsigned_of(v[1]));
    case OpKind::multiply: return wrapped(unsigned_of(v[0]) * unsigned_of(v[1]));
    case OpKind::divide: return quotient(v[0], v[1]);
    case OpKind::power: return power(v[0], v[1]);
    case OpKind::minimum: return std::min(v[0], v[1]);
    case OpKind::maximum: return std::max(v[0], v[1]);
    case OpKind::modulo: return remainder(v[0], v[1], p.alpha == 0);
    case OpKind::where: return v[0] != 0 ? v[1] : v[2];
    default: return 0;
    }
}

bool has_integer_form(OpKind kind) {
    switch (kind) {
    case OpKind::negate:
    case OpKind::absolute:
    case OpKind::sign:
    case OpKind::relu:
    case OpKind::floor:
    case OpKind::ceil:
    case OpKind::round:
    case OpKind::clip:
    case OpKind::scale:
    case OpKind::shift:
    case OpKind::power_scalar:
    case OpKind::add:
    case OpKind::subtract:
    case OpKind::multiply:
    case OpKind::divide:
    case OpKind::power:
    case OpKind::minimum:
    case OpKind::maximum:
    case OpKind::modulo:
    case OpKind::where: return true;
    default: return false;
    }
}

template <typename T> void run(const KernelCall &call, const Parameters &parameters) {
    const auto operands = operands_of<Integer>(call, static_cast<std::size_t>(operand_count(parameters.kind)));
    write_exact<T>(call, [&](std::int64_t first, std::int64_t total, T *out) {
        for_pieces(operands, first, total, [&](std::int64_t done, std::int64_t part, const Integer *const *values) {
            Integer v[3] = {};
            for (std::int64_t i = 0; i < part; ++i) {
                for (std::size_t k = 0; k < operands.size(); ++k) v[k] = values[k][i];
                const Integer result = evaluate(parameters, v);
                if constexpr (std::is_same_v<T, std::uint8_t>)
                    out[done + i] = result != 0;
                else
                    out[done + i] = result;
            }
        });
    });
}

} // namespace

const std::int64_t *load_integers(const TensorView &view, std::int64_t first, std::int64_t count,
                                  std::int64_t *scratch) {
    if (view.dtype == DType::int64) return view.as<const std::int64_t>() + first;
    const auto *source = view.as<const std::uint8_t>() + first;
    for (std::int64_t i = 0; i < count; ++i) scratch[i] = source[i] != 0;
    return scratch;
}

void run_integers(const KernelCall &call) {
    const OpKind kind = call.operation.kind;
    if (!has_integer_form(kind)) call.reject("the result must be stored in a floating type");
    for (const TensorView &input : call.inputs)
        if (is_floating(input.dtype))
            call.reject("a result stored as " + std::string(name_of(call.outputs[0].dtype)) +
                        " needs integer operands; cast the floating one first");
    const auto *scalars = std::get_if<Scalars>(&call.operation.attributes);
    const Parameters parameters{kind, scalars ? scalars->alpha : 0, scalars ? scalars->beta : 0};
    if (call.outputs[0].dtype == DType::int64)
        run<std::int64_t>(call, parameters);
    else
        run<std::uint8_t>(call, parameters);
}

} // namespace halfscope::ops::elementwise
