// Arithmetic, comparisons and conversions. A one-element constant operand becomes the scalar of scale, shift or
// power_scalar: it was a Python number in the user's model, and PyTorch keeps those in the compute type.
#include "emulation/model/onnx/lowering.h"
#include "emulation/model/onnx/tensor_data.h"

#include <cmath>
#include <limits>
#include <set>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::OpKind;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }
ops::Operation with_scalar(OpKind kind, double alpha) { return {kind, ops::Scalars{alpha, 0}, {}}; }

template <OpKind kind> void unary(NodeContext &node) { node.bind(0, node.emit(plain(kind), {node.in(0)})); }

/// The number that operand `index` is for `other`: a known single element that does not widen `other`'s shape.
std::optional<double> number_for(const NodeContext &node, std::size_t index, std::size_t other) {
    const ValueId scalar = node.in(index), x = node.in(other);
    if (!node.floating(x) || node.draft.constant(x) || node.rank(scalar) > node.rank(x)) return {};
    return node.draft.scalar(scalar);
}

/// Operand `at` is the number c. Its place is kept: it tells a library function from one written by hand.
void bind_with_number(NodeContext &node, OpKind kind, double c, std::size_t at) {
    node.bind(0, node.emit(with_scalar(kind, c), {node.in(1 - at)}));
    node.draft.nodes.back().constant_first = at == 0;
}

void add(NodeContext &node) {
    for (std::size_t scalar : {1u, 0u})
        if (const auto c = number_for(node, scalar, 1 - scalar))
            return bind_with_number(node, OpKind::shift, *c, scalar);
    node.bind(0, node.emit(plain(OpKind::add), {node.in(0), node.in(1)}));
}

void subtract(NodeContext &node) {
    if (const auto c = number_for(node, 1, 0))
        return node.bind(0, node.emit(with_scalar(OpKind::shift, -*c), {node.in(0)}, {"sub"}));
    node.bind(0, node.emit(plain(OpKind::subtract), {node.in(0), node.in(1)}));
}

void multiply(NodeContext &node) {
    for (std::size_t scalar : {1u, 0u})
        if (const auto c = number_for(node, scalar, 1 - scalar))
            return bind_with_number(node, OpKind::scale, *c, scalar);
    node.bind(0, node.emit(plain(OpKind::multiply), {node.in(0), node.in(1)}));
}

/// Division by a number is multiplication by its reciprocal in fp32, as PyTorch's CUDA kernel does it.
void divide(NodeContext &node) {
    if (const auto c = number_for(node, 1, 0))
        if (const float inverse = 1.0f / static_cast<float>(*c); std::isnormal(inverse))
            return node.bind(
                0, node.emit(with_scalar(OpKind::scale, static_cast<double>(inverse)), {node.in(0)}, {"div"}));
    node.bind(0, node.emit(plain(OpKind::divide), {node.in(0), node.in(1)}));
}

void power(NodeContext &node) {
    const ValueId base = node.in(0), exponent = node.in(1);
    const DType result = node.dtype(base);
    const ops::HostTensor *known = node.draft.constant(exponent);
    if (node.floating(base) && known && known->shape.elements() == 1 && node.rank(exponent) <= node.rank(base))
        return node.bind(0, node.emit(with_scalar(OpKind::power_scalar, node.number(1, "the exponent")), {base}));
    if (result == node.dtype(exponent)) return node.bind(0, node.emit(plain(OpKind::power), {base, exponent}));
    const ValueId y = node.emit(plain(OpKind::power), {node.cast(base, DType::fp32), node.cast(exponent, DType::fp32)});
    node.bind(0, node.cast(y, result));
}

template <OpKind kind> void binary(NodeContext &node) {
    node.bind(0, node.emit(plain(kind), {node.in(0), node.in(1)}));
}

/// Min, Max, Sum: any number of operands, from the left.
ValueId chain(NodeContext &node, OpKind kind) {
    ValueId result = node.in(0);
    for (std::size_t i = 1; i < node.operands.size(); ++i) result = node.emit(plain(kind), {result, node.in(i)});
    return result;
}
template <OpKind kind> void variadic(NodeContext &node) { node.bind(0, chain(node, kind)); }

void mean_of_operands(NodeContext &node) {
    const ValueId sum = chain(node, OpKind::add);
    const auto count = static_cast<double>(node.operands.size());
    node.bind(0, count == 1 ? sum : node.emit(with_scalar(OpKind::scale, 1 / count), {sum}, {"div"}));
}

void modulo(NodeContext &node) {
    node.bind(
        0, node.emit(with_scalar(OpKind::modulo, node.node.integer("fmod", 0) != 0 ? 1 : 0), {node.in(0), node.in(1)}));
}

/// Comparisons are defined on numbers; booleans are compared as 0 and 1.
template <OpKind kind> void comparison(NodeContext &node) {
    ValueId a = node.in(0), b = node.in(1);
    if (node.dtype(a) == DType::boolean) a = node.cast(a, DType::int64);
    if (node.dtype(b) == DType::boolean) b = node.cast(b, DType::int64);
    node.bind(0, node.emit(plain(kind), {a, b}));
}

void exclusive_or(NodeContext &node) {
    const ValueId same =
        node.emit(plain(OpKind::equal), {node.cast(node.in(0), DType::int64), node.cast(node.in(1), DType::int64)});
    node.bind(0, node.emit(plain(OpKind::logical_not), {same}));
}

void select(NodeContext &node) { node.bind(0, node.emit(plain(OpKind::where), {node.in(0), node.in(1), node.in(2)})); }

/// Conversions between floating types are dropped: the recipe decides precision, not the file.
void convert(NodeContext &node, DType to) {
    const ValueId x = node.in(0);
    node.bind(0, node.cast(x, to));
}

void cast(NodeContext &node) {
    const auto *to = node.node.find<std::int64_t>("to");
    if (!to) throw std::runtime_error("its attribute 'to' is missing");
    if (*to < 0 || *to > std::numeric_limits<int>::max()) throw Unsupported("conversion to an unknown type");
    std::set<std::string> narrowed;
    DType target{};
    try {
        target = storage_type(static_cast<int>(*to), "its result", narrowed);
    } catch (const std::runtime_error &reason) {
        throw Unsupported(reason.what());
    }
    if (!narrowed.empty() && node.floating(node.in(0)))
        node.notes.about(node.origin.name,
                         "Conversions between floating types in the file were left out, because the recipe decides "
                         "precision:");
    convert(node, target);
}

void cast_like(NodeContext &node) { convert(node, node.dtype(node.in(1))); }

void identity(NodeContext &node) { node.bind(0, node.in(0)); }

} // namespace

void add_elementwise_rules(RuleTable &table) {
    table["Add"] = add;
    table["Sub"] = subtract;
    table["Mul"] = multiply;
    table["Div"] = divide;
    table["Pow"] = power;
    table["Min"] = variadic<OpKind::minimum>;
    table["Max"] = variadic<OpKind::maximum>;
    table["Sum"] = variadic<OpKind::add>;
    table["Mean"] = mean_of_operands;
    table["Mod"] = modulo;
    table["Equal"] = comparison<OpKind::equal>;
    table["Less"] = comparison<OpKind::less>;
    table["LessOrEqual"] = comparison<OpKind::less_equal>;
    table["Greater"] = comparison<OpKind::greater>;
    table["GreaterOrEqual"] = comparison<OpKind::greater_equal>;
    table["And"] = binary<OpKind::logical_and>;
    table["Or"] = binary<OpKind::logical_or>;
    table["Xor"] = exclusive_or;
    table["Not"] = unary<OpKind::logical_not>;
    table["Where"] = select;
    table["Neg"] = unary<OpKind::negate>;
    table["Abs"] = unary<OpKind::absolute>;
    table["Exp"] = unary<OpKind::exponential>;
    table["Log"] = unary<OpKind::logarithm>;
    table["Sqrt"] = unary<OpKind::square_root>;
    table["Reciprocal"] = unary<OpKind::reciprocal>;
    table["Sin"] = unary<OpKind::sine>;
    table["Cos"] = unary<OpKind::cosine>;
    table["Erf"] = unary<OpKind::erf>;
    table["Floor"] = unary<OpKind::floor>;
    table["Ceil"] = unary<OpKind::ceil>;
    table["Round"] = unary<OpKind::round>;
    table["Sign"] = unary<OpKind::sign>;
    table["IsNaN"] = unary<OpKind::is_nan>;
    table["Cast"] = cast;
    table["CastLike"] = cast_like;
    table["Identity"] = identity;
}

} // namespace halfscope::model::importing
