// Activation functions, softmax and dropout.
#include "emulation/model/onnx/lowering.h"

#include <limits>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::OpKind;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }
ops::Operation with_scalars(OpKind kind, double alpha, double beta = 0) {
    return {kind, ops::Scalars{alpha, beta}, {}};
}

template <OpKind kind> void unary(NodeContext &node) { node.bind(0, node.emit(plain(kind), {node.in(0)})); }

void leaky_relu(NodeContext &node) {
    node.bind(0, node.emit(with_scalars(OpKind::leaky_relu, node.node.number("alpha", 0.01)), {node.in(0)}));
}

void elu(NodeContext &node) {
    node.bind(0, node.emit(with_scalars(OpKind::elu, node.node.number("alpha", 1)), {node.in(0)}));
}

void selu(NodeContext &node) {
    // Defaults of the ONNX operator: the constants of Klambauer et al. 2017 to fp32.
    const double alpha = node.node.number("alpha", 1.67326319217681884765625);
    const double gamma = node.node.number("gamma", 1.05070102214813232421875);
    const ValueId inner = node.emit(with_scalars(OpKind::elu, alpha), {node.in(0)}, {"selu"});
    node.bind(0, node.emit(with_scalars(OpKind::scale, gamma), {inner}, {"selu"}));
}

/// max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) = alpha * elu(x / alpha).
void celu(NodeContext &node) {
    const double alpha = node.node.number("alpha", 1);
    ValueId x = node.in(0);
    if (alpha != 1) x = node.emit(with_scalars(OpKind::scale, 1 / alpha), {x}, {"celu"});
    x = node.emit(with_scalars(OpKind::elu, 1), {x}, {"celu"});
    if (alpha != 1) x = node.emit(with_scalars(OpKind::scale, alpha), {x}, {"celu"});
    node.bind(0, x);
}

/// max(0, x) + slope * min(0, x), where x - max(0, x) is min(0, x) exactly.
void prelu(NodeContext &node) {
    const ValueId x = node.in(0);
    const ValueId positive = node.emit(plain(OpKind::relu), {x}, {"prelu"});
    const ValueId negative = node.emit(plain(OpKind::subtract), {x, positive}, {"prelu"});
    const ValueId scaled = node.emit(plain(OpKind::multiply), {negative, node.in(1)}, {"prelu"});
    node.bind(0, node.emit(plain(OpKind::add), {positive, scaled}, {"prelu"}));
}

void softsign(NodeContext &node) {
    const ValueId x = node.in(0);
    const ValueId below = node.emit(with_scalars(OpKind::shift, 1), {node.emit(plain(OpKind::absolute), {x})});
    node.bind(0, node.emit(plain(OpKind::divide), {x, below}));
}

void mish(NodeContext &node) {
    const ValueId x = node.in(0);
    const ValueId gate = node.emit(plain(OpKind::tanh), {node.emit(plain(OpKind::softplus), {x}, {"mish"})}, {"mish"});
    node.bind(0, node.emit(plain(OpKind::multiply), {x, gate}, {"mish"}));
}

void thresholded_relu(NodeContext &node) {
    const ValueId x = node.in(0);
    const ValueId above = node.emit(plain(OpKind::greater), {x, node.scalar_constant(node.node.number("alpha", 1))});
    node.bind(0, node.emit(plain(OpKind::where), {above, x, node.scalar_constant(0)}, {"threshold"}));
}

void hard_sigmoid(NodeContext &node) {
    node.bind(0, node.emit(with_scalars(OpKind::hard_sigmoid, node.node.number("alpha", static_cast<double>(0.2f)),
                                        node.node.number("beta", 0.5)),
                           {node.in(0)}));
}

void gelu(NodeContext &node) {
    const std::string approximation = node.node.text("approximate", "none");
    if (approximation != "none" && approximation != "tanh")
        throw Unsupported("attribute approximate = " + approximation);
    node.bind(0, node.emit(plain(approximation == "tanh" ? OpKind::gelu_tanh : OpKind::gelu), {node.in(0)}));
}

/// Bounds are attributes before opset 11, operands since.
void clip(NodeContext &node) {
    ValueId x = node.in(0);
    if (!node.floating(x) || (node.has(1) && !node.draft.constant(node.in(1))) ||
        (node.has(2) && !node.draft.constant(node.in(2)))) {
        if (node.has(1)) x = node.emit(plain(OpKind::maximum), {x, node.in(1)}, {"clamp"});
        if (node.has(2)) x = node.emit(plain(OpKind::minimum), {x, node.in(2)}, {"clamp"});
        return node.bind(0, x);
    }
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double least = node.has(1) ? node.number(1, "its lower bound") : node.node.number("min", -infinity);
    const double most = node.has(2) ? node.number(2, "its upper bound") : node.node.number("max", infinity);
    node.bind(0, node.emit(with_scalars(OpKind::clip, least, most), {x}));
}

/// Before opset 13 the operand is seen as a matrix cut at `axis`, and whole rows are normalised.
template <OpKind kind> void softmax(NodeContext &node) {
    const ValueId x = node.in(0);
    const bool rows = node.opset < 13;
    const int rank = node.rank(x);
    if (rank == 0) throw Unsupported("a scalar operand");
    const int axis = NodeContext::axis(node.node.integer("axis", rows ? 1 : -1), rank);
    if (!rows || axis == rank - 1) return node.bind(0, node.emit({kind, ops::Axis{axis}, {}}, {x}));
    std::int64_t outer = 1, inner = 1;
    for (int i = 0; i < rank; ++i) (i < axis ? outer : inner) *= node.shape(x)[i];
    const ValueId flat = node.reshape(x, ops::Shape{outer, inner});
    node.bind(0, node.reshape(node.emit({kind, ops::Axis{1}, {}}, {flat}), node.shape(x)));
}

/// 1 at the first largest element along the axis, 0 elsewhere.
void hardmax(NodeContext &node) {
    const ValueId x = node.in(0);
    if (node.opset < 13) throw Unsupported("the form of opsets below 13");
    const int axis = NodeContext::axis(node.node.integer("axis", -1), node.rank(x));
    const ValueId winner = node.emit({OpKind::argmax, ops::Reduction{{axis}, false}, {}}, {x});
    node.bind(0, node.emit({OpKind::one_hot, ops::Axis{axis}, {}}, {winner}, {"", node.shape(x), DType::fp32}));
}

/// An operand states the mode since opset 12. Before, dropout says nothing about training, and none is done.
void dropout(NodeContext &node) {
    const ValueId x = node.in(0);
    double ratio = 0.5;
    bool training = false;
    if (node.opset < 12) {
        ratio = node.node.number("ratio", 0.5);
        if (ratio > 0)
            node.notes.about(node.origin.name, "Dropout was left out, because below opset 12 the file cannot say that "
                                               "it is active (export with opset 12 or later to keep it):");
    } else {
        if (node.has(1)) ratio = node.number(1, "its ratio");
        training = node.has(2) && node.number(2, "its mode") != 0;
        if (!training && ratio > 0)
            node.notes.about(node.origin.name, "Dropout was left out, because the file was exported with it inactive:");
    }
    if (!(ratio >= 0 && ratio < 1)) throw Unsupported("a dropout ratio outside [0, 1)");
    if (training && ratio > 0) {
        const auto both = node.emit_all(with_scalars(OpKind::dropout, ratio), {x});
        node.bind(0, both[0]);
        return node.bind(1, both[1]);
    }
    node.bind(0, x);
    if (node.node.has_output(1)) {
        ops::HostTensor keep(DType::boolean, ops::Shape{});
        keep.as<std::uint8_t>()[0] = 1;
        node.bind(1, node.expand(node.draft.add_constant(std::move(keep)), node.shape(x)));
    }
}

} // namespace

void add_activation_rules(RuleTable &table) {
    table["Relu"] = unary<OpKind::relu>;
    table["Sigmoid"] = unary<OpKind::sigmoid>;
    table["Tanh"] = unary<OpKind::tanh>;
    table["Softplus"] = unary<OpKind::softplus>;
    table["HardSwish"] = unary<OpKind::hard_swish>;
    table["LeakyRelu"] = leaky_relu;
    table["Elu"] = elu;
    table["Selu"] = selu;
    table["Celu"] = celu;
    table["PRelu"] = prelu;
    table["Softsign"] = softsign;
    table["Mish"] = mish;
    table["ThresholdedRelu"] = thresholded_relu;
    table["HardSigmoid"] = hard_sigmoid;
    table["Gelu"] = gelu;
    table["Clip"] = clip;
    table["Softmax"] = softmax<OpKind::softmax>;
    table["LogSoftmax"] = softmax<OpKind::log_softmax>;
    table["Hardmax"] = hardmax;
    table["Dropout"] = dropout;
}

} // namespace halfscope::model::importing
