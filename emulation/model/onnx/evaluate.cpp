#include "emulation/model/onnx/evaluate.h"

#include "emulation/model/onnx/evaluate_movement.h"
#include "emulation/ops/backend.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using Operands = std::span<const HostTensor *const>;

/// Two's complement, as the file's int64 does, without undefined overflow.
std::int64_t wrap(std::uint64_t bits) { return static_cast<std::int64_t>(bits); }
std::uint64_t bits_of(std::int64_t x) { return static_cast<std::uint64_t>(x); }

std::int64_t divide(std::int64_t a, std::int64_t b) {
    if (b == 0) throw std::runtime_error("an integer is divided by zero");
    return b == -1 ? wrap(0 - bits_of(a)) : a / b;
}

std::int64_t remainder(std::int64_t a, std::int64_t b, bool sign_of_dividend) {
    if (b == 0) throw std::runtime_error("an integer is divided by zero");
    if (b == -1) return 0;
    const std::int64_t r = a % b;
    return !sign_of_dividend && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
    std::uint64_t result = 1, factor = bits_of(base);
    for (; exponent > 0; exponent >>= 1, factor *= factor)
        if (exponent & 1) result *= factor;
    return wrap(result);
}

std::int64_t integer_result(const ops::Operation &operation, std::int64_t a, std::int64_t b) {
    switch (operation.kind) {
    case OpKind::negate: return wrap(0 - bits_of(a));
    case OpKind::absolute: return a < 0 ? wrap(0 - bits_of(a)) : a;
    case OpKind::sign: return (a > 0) - (a < 0);
    case OpKind::relu: return a > 0 ? a : 0;
    case OpKind::add: return wrap(bits_of(a) + bits_of(b));
    case OpKind::subtract: return wrap(bits_of(a) - bits_of(b));
    case OpKind::multiply: return wrap(bits_of(a) * bits_of(b));
    case OpKind::divide: return divide(a, b);
    case OpKind::modulo: return remainder(a, b, operation.get<ops::Scalars>().alpha != 0);
    case OpKind::minimum: return std::min(a, b);
    case OpKind::maximum: return std::max(a, b);
    case OpKind::power: return power(a, b);
    default: throw std::logic_error("not an integer operation");
    }
}

bool is_integer_arithmetic(OpKind kind) {
    switch (kind) {
    case OpKind::negate:
    case OpKind::absolute:
    case OpKind::sign:
    case OpKind::relu:
    case OpKind::add:
    case OpKind::subtract:
    case OpKind::multiply:
    case OpKind::divide:
    case OpKind::modulo:
    case OpKind::minimum:
    case OpKind::maximum:
    case OpKind::power: return true;
    default: return false;
    }
}

bool is_comparison(OpKind kind) {
    switch (kind) {
    case OpKind::equal:
    case OpKind::less:
    case OpKind::less_equal:
    case OpKind::greater:
    case OpKind::greater_equal:
    case OpKind::logical_and:
    case OpKind::logical_or:
    case OpKind::logical_not: return true;
    default: return false;
    }
}

template <typename T> bool compare(OpKind kind, T a, T b) {
    switch (kind) {
    case OpKind::equal: return a == b;
    case OpKind::less: return a < b;
    case OpKind::less_equal: return a <= b;
    case OpKind::greater: return a > b;
    case OpKind::greater_equal: return a >= b;
    case OpKind::logical_and: return a != T{} && b != T{};
    case OpKind::logical_or: return a != T{} || b != T{};
    default: return a == T{}; // logical_not
    }
}

/// Elementwise over one or two operands of type T; a missing second operand repeats the first.
template <typename T, typename Out, typename F> void zip(Operands operands, HostTensor &out, F f) {
    const HostTensor &a = *operands[0], &b = *operands[operands.size() > 1 ? 1 : 0];
    const auto strides_a = strides_for(a.shape, out.shape), strides_b = strides_for(b.shape, out.shape);
    std::vector<std::int64_t> offsets(static_cast<std::size_t>(out.shape.elements()));
    walk(out.shape, 0, strides_b,
         [&](std::int64_t flat, std::int64_t from) { offsets[static_cast<std::size_t>(flat)] = from; });
    const auto x = a.as<T>(), y = b.as<T>();
    const auto result = out.as<Out>();
    walk(out.shape, 0, strides_a, [&](std::int64_t flat, std::int64_t from) {
        const auto i = static_cast<std::size_t>(flat);
        result[i] = f(x[static_cast<std::size_t>(from)], y[static_cast<std::size_t>(offsets[i])]);
    });
}

void compare_all(OpKind kind, Operands operands, HostTensor &out) {
    const auto run = [&]<typename T>(T) {
        zip<T, std::uint8_t>(operands, out, [&](T a, T b) { return static_cast<std::uint8_t>(compare(kind, a, b)); });
    };
    switch (operands[0]->dtype) {
    case DType::int64: return run(std::int64_t{});
    case DType::boolean: return run(std::uint8_t{});
    default: return run(float{});
    }
}

std::int64_t truncated(float x) {
    constexpr float limit = 0x1p63f;
    if (x >= limit) return std::numeric_limits<std::int64_t>::max();
    if (!(x >= -limit)) return std::numeric_limits<std::int64_t>::min(); // NaN too, as x86 does
    return static_cast<std::int64_t>(x);
}

void cast(const HostTensor &from, HostTensor &to) {
    const auto convert = [&](auto source, auto destination, auto f) {
        for (std::size_t i = 0; i < source.size(); ++i) destination[i] = f(source[i]);
    };
    const auto into = [&](auto source) {
        switch (to.dtype) {
        case DType::fp32: return convert(source, to.as<float>(), [](auto x) { return static_cast<float>(x); });
        case DType::int64:
            return convert(source, to.as<std::int64_t>(), [](auto x) {
                if constexpr (std::is_same_v<decltype(x), float>)
                    return truncated(x);
                else
                    return static_cast<std::int64_t>(x);
            });
        default:
            return convert(source, to.as<std::uint8_t>(), [](auto x) { return static_cast<std::uint8_t>(x != 0); });
        }
    };
    switch (from.dtype) {
    case DType::fp32: return into(from.as<float>());
    case DType::int64: return into(from.as<std::int64_t>());
    default: return into(from.as<std::uint8_t>());
    }
}

/// Calls visit(index of the result, index of the operand) in row-major order of the operand.
template <typename Visit> void reduce_over(const ops::Reduction &reduction, const ops::Shape &shape, Visit visit) {
    std::vector<std::int64_t> strides(static_cast<std::size_t>(shape.rank()), 0);
    std::int64_t stride = 1;
    std::size_t axes_left = reduction.axes.size();
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        const bool chosen =
            reduction.axes.empty() || (axes_left > 0 && reduction.axes[axes_left - 1] == axis && axes_left--);
        if (chosen) continue;
        strides[static_cast<std::size_t>(axis)] = stride;
        stride *= shape[axis];
    }
    walk(shape, 0, strides, [&](std::int64_t flat, std::int64_t to) {
        visit(static_cast<std::size_t>(to), static_cast<std::size_t>(flat));
    });
}

void reduce_integers(const ops::Operation &operation, const HostTensor &x, HostTensor &out) {
    const auto &reduction = operation.get<ops::Reduction>();
    const auto from = x.as<std::int64_t>();
    const auto to = out.as<std::int64_t>();
    const std::int64_t count = std::max<std::int64_t>(out.shape.elements(), 1);
    switch (operation.kind) {
    case OpKind::reduce_product:
        std::fill(to.begin(), to.end(), 1);
        reduce_over(reduction, x.shape,
                    [&](std::size_t o, std::size_t i) { to[o] = wrap(bits_of(to[o]) * bits_of(from[i])); });
        break;
    case OpKind::reduce_max:
    case OpKind::reduce_min: {
        const bool largest = operation.kind == OpKind::reduce_max;
        std::fill(to.begin(), to.end(),
                  largest ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max());
        reduce_over(reduction, x.shape, [&](std::size_t o, std::size_t i) {
            to[o] = largest ? std::max(to[o], from[i]) : std::min(to[o], from[i]);
        });
        break;
    }
    default: { // sum, mean (truncating), sum of squares
        const bool squares = operation.kind == OpKind::reduce_sum_squares;
        reduce_over(reduction, x.shape, [&](std::size_t o, std::size_t i) {
            to[o] = wrap(bits_of(to[o]) + bits_of(from[i]) * (squares ? bits_of(from[i]) : 1));
        });
        if (operation.kind == OpKind::reduce_mean && x.shape.elements() > 0)
            for (std::int64_t &value : to) value /= x.shape.elements() / count;
    }
    }
}

/// One thread, kept: folding runs it on small tensors many times.
ops::Backend &backend() {
    static const std::unique_ptr<ops::Backend> instance = ops::make_cpu_backend(1);
    return *instance;
}

HostTensor run_on_backend(const ops::Operation &operation, Operands operands, DType dtype, const ops::Shape &shape) {
    HostTensor out(dtype, shape);
    std::vector<HostTensor> copies;
    std::vector<ops::TensorView> views;
    copies.reserve(operands.size());
    for (const HostTensor *operand : operands) {
        copies.push_back(*operand);
        views.push_back(copies.back().view());
    }
    const ops::TensorView result = out.view();
    backend().run(operation, views, {&result, 1});
    return out;
}

} // namespace

std::vector<std::int64_t> strides_for(const ops::Shape &shape, const ops::Shape &to) {
    std::vector<std::int64_t> strides(static_cast<std::size_t>(to.rank()), 0);
    std::int64_t stride = 1;
    for (int axis = shape.rank() - 1, out = to.rank() - 1; axis >= 0; --axis, --out) {
        if (shape[axis] != 1) strides[static_cast<std::size_t>(out)] = stride;
        stride *= shape[axis];
    }
    return strides;
}

HostTensor evaluate(const ops::Operation &operation, Operands operands, DType dtype, const ops::Shape &shape) {
    const OpKind kind = operation.kind;
    if (is_movement(kind)) return move_elements(operation, operands, dtype, shape);
    HostTensor out(dtype, shape);
    if (kind == OpKind::cast) {
        cast(*operands[0], out);
        return out;
    }
    if (is_comparison(kind) && operands[0]->dtype == operands.back()->dtype) {
        compare_all(kind, operands, out);
        return out;
    }
    if (dtype == DType::int64 && operands[0]->dtype == DType::int64) {
        if (is_integer_arithmetic(kind)) {
            zip<std::int64_t, std::int64_t>(
                operands, out, [&](std::int64_t a, std::int64_t b) { return integer_result(operation, a, b); });
            return out;
        }
        if (kind == OpKind::reduce_sum || kind == OpKind::reduce_mean || kind == OpKind::reduce_max ||
            kind == OpKind::reduce_min || kind == OpKind::reduce_product || kind == OpKind::reduce_sum_squares) {
            reduce_integers(operation, *operands[0], out);
            return out;
        }
    }
    return run_on_backend(operation, operands, dtype, shape);
}

} // namespace halfscope::model::importing
