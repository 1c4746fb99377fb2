// Reductions, ArgMax and CumSum. Axes are an attribute in old opsets and an operand in new ones.
#include "emulation/model/onnx/lowering.h"

#include <algorithm>
#include <numeric>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }

struct Request {
    ops::Reduction reduction;
    bool nothing_to_do = false;
};

Request request_of(const NodeContext &node) {
    const int rank = node.rank(node.in(0));
    Request request;
    std::vector<int> axes;
    for (std::int64_t axis : node.attribute_or_operand("axes", 1)) axes.push_back(NodeContext::axis(axis, rank));
    std::sort(axes.begin(), axes.end());
    axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
    request.nothing_to_do = axes.empty() && node.node.integer("noop_with_empty_axes", 0) != 0;
    // A scalar has no axis to name; every other "all axes" is written out, so that an empty list never means two
    // things.
    if (axes.empty()) {
        axes.resize(static_cast<std::size_t>(rank));
        std::iota(axes.begin(), axes.end(), 0);
    }
    request.reduction = {std::move(axes), node.node.integer("keepdims", 1) != 0};
    return request;
}

template <OpKind kind> void reduce(NodeContext &node) {
    const Request request = request_of(node);
    const ValueId x = node.in(0);
    node.bind(0, request.nothing_to_do ? x : node.emit({kind, request.reduction, {}}, {x}));
}

void reduce_l1(NodeContext &node) {
    const Request request = request_of(node);
    const ValueId size = node.emit(plain(OpKind::absolute), {node.in(0)}, {"norm"});
    node.bind(0, node.emit({OpKind::reduce_sum, request.reduction, {}}, {size}, {"norm"}));
}

void reduce_l2(NodeContext &node) {
    const Request request = request_of(node);
    const ValueId squares = node.emit({OpKind::reduce_sum_squares, request.reduction, {}}, {node.in(0)}, {"norm"});
    node.bind(0, node.emit(plain(OpKind::square_root), {squares}, {"norm"}));
}

void reduce_log_sum(NodeContext &node) {
    const Request request = request_of(node);
    const ValueId sum = node.emit({OpKind::reduce_sum, request.reduction, {}}, {node.in(0)});
    node.bind(0, node.emit(plain(OpKind::logarithm), {sum}));
}

/// log(sum(exp(x - m))) + m with m the maximum, as torch.logsumexp does it.
void reduce_log_sum_exp(NodeContext &node) {
    const Request request = request_of(node);
    const ValueId x = node.in(0);
    const std::string policy = "logsumexp";
    ops::Reduction kept = request.reduction;
    kept.keep_dims = true;
    const ValueId most = node.emit({OpKind::reduce_max, kept, {}}, {x}, {policy});
    const ValueId moved = node.emit(plain(OpKind::subtract), {x, most}, {policy});
    const ValueId powers = node.emit(plain(OpKind::exponential), {moved}, {policy});
    const ValueId sum = node.emit({OpKind::reduce_sum, request.reduction, {}}, {powers}, {policy});
    const ValueId low = node.emit(plain(OpKind::logarithm), {sum}, {policy});
    node.bind(0, node.emit(plain(OpKind::add), {low, node.reshape(most, node.shape(low))}, {policy}));
}

template <bool smallest> void arg_extreme(NodeContext &node) {
    ValueId x = node.in(0);
    const int axis = NodeContext::axis(node.node.integer("axis", 0), node.rank(x));
    const bool last = node.node.integer("select_last_index", 0) != 0;
    const std::int64_t size = node.shape(x)[axis];
    if (smallest) x = node.emit(plain(OpKind::negate), {x}, {"argmin"});
    if (last) x = node.reverse(x, axis);
    ops::Reduction along;
    along.axes.push_back(axis);
    along.keep_dims = node.node.integer("keepdims", 1) != 0;
    ValueId at = node.emit({OpKind::argmax, std::move(along), {}}, {x}, {smallest ? "argmin" : "argmax"});
    if (last) {
        const ValueId end = node.integers_constant({size - 1});
        const Shape shape = node.shape(at);
        at = node.reshape(node.emit(plain(OpKind::subtract), {end, at}), shape);
    }
    node.bind(0, at);
}

void cumulative_sum(NodeContext &node) {
    ValueId x = node.in(0);
    const auto stated = node.has(1) ? node.number(1, "its axis") : 0;
    if (!(std::abs(stated) <= Shape::max_rank)) throw std::runtime_error("its axis is out of range");
    const int axis = NodeContext::axis(static_cast<std::int64_t>(stated), node.rank(x));
    const bool backward = node.node.integer("reverse", 0) != 0;
    if (backward) x = node.reverse(x, axis);
    if (node.node.integer("exclusive", 0) != 0) {
        // A zero goes in front and the last element is left out.
        const Shape shape = node.shape(x);
        const auto rank = static_cast<std::size_t>(shape.rank()), at = static_cast<std::size_t>(axis);
        ops::Slice front{std::vector<std::int64_t>(rank, 0), std::vector<std::int64_t>(rank, 0),
                         std::vector<std::int64_t>(rank, 1), 0};
        front.starts[at] = 1;
        x = node.emit({OpKind::pad, front, {}}, {x});
        ops::Slice rest{std::vector<std::int64_t>(rank, 0),
                        {shape.sizes().begin(), shape.sizes().end()},
                        std::vector<std::int64_t>(rank, 1),
                        0};
        x = node.emit({OpKind::slice, rest, {}}, {x});
    }
    x = node.emit({OpKind::cumulative_sum, ops::Axis{axis}, {}}, {x});
    node.bind(0, backward ? node.reverse(x, axis) : x);
}

} // namespace

void add_reduction_rules(RuleTable &table) {
    table["ReduceSum"] = reduce<OpKind::reduce_sum>;
    table["ReduceMean"] = reduce<OpKind::reduce_mean>;
    table["ReduceMax"] = reduce<OpKind::reduce_max>;
    table["ReduceMin"] = reduce<OpKind::reduce_min>;
    table["ReduceProd"] = reduce<OpKind::reduce_product>;
    table["ReduceSumSquare"] = reduce<OpKind::reduce_sum_squares>;
    table["ReduceL1"] = reduce_l1;
    table["ReduceL2"] = reduce_l2;
    table["ReduceLogSum"] = reduce_log_sum;
    table["ReduceLogSumExp"] = reduce_log_sum_exp;
    table["ArgMax"] = arg_extreme<false>;
    table["ArgMin"] = arg_extreme<true>;
    table["CumSum"] = cumulative_sum;
}

} // namespace halfscope::model::importing
