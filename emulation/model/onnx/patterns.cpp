#include "emulation/model/onnx/patterns.h"

#include "emulation/model/onnx/draft_uses.h"
#include "emulation/model/onnx/matching.h"
#include "emulation/model/onnx/names.h"

#include <algorithm>
#include <cmath>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

/// Operand of a node that is `id`'s partner in a two-operand operation.
std::optional<ValueId> partner(const DraftNode &node, ValueId id) {
    if (node.inputs.size() != 2) return {};
    if (node.inputs[0] == id) return node.inputs[1];
    if (node.inputs[1] == id) return node.inputs[0];
    return {};
}

/// The one node that reads `id`, if it is of this kind.
std::ptrdiff_t only_reader(const Draft &draft, const DraftUses &uses, ValueId id, OpKind kind) {
    if (!uses.read_once(id)) return -1;
    const std::size_t at = uses.of(id).front().node;
    return draft.nodes[at].operation.kind == kind ? static_cast<std::ptrdiff_t>(at) : -1;
}

bool all_equal(const ops::HostTensor *data, float value) {
    if (!data || data->dtype != ops::DType::fp32) return false;
    const auto values = data->as<float>();
    return std::all_of(values.begin(), values.end(), [value](float x) { return x == value; });
}

/// The parameter [channels] that a value [channels, 1, ...] or [1, channels, 1, ...] is a reshape of, if any.
std::optional<ValueId> per_channel(const Draft &draft, const DraftUses &uses, ValueId id, std::int64_t channels,
                                   int rank) {
    const Shape &shape = draft.value(id).shape;
    if (shape.elements() != channels || shape.rank() > rank) return {};
    const int channel_axis = shape.rank() - (rank - 1);
    if (channel_axis < 0 || shape[channel_axis] != channels) return {};
    const DraftNode *reshape = uses.made_by(id, OpKind::reshape);
    const ValueId source = reshape ? reshape->inputs.front() : id;
    if (draft.value(source).shape != Shape{channels} || is_activation(draft, source)) return {};
    return source;
}

} // namespace

void recognise_group_norm(Draft &draft) {
    const DraftUses uses(draft);
    for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
        const DraftNode &norm = draft.nodes[n];
        if (norm.removed || norm.operation.kind != OpKind::group_norm) continue;
        const DraftNode *folded = uses.made_by(norm.inputs[0], OpKind::reshape);
        if (!folded || !all_equal(draft.constant(norm.inputs[1]), 1) || !all_equal(draft.constant(norm.inputs[2]), 0))
            continue;
        const ValueId x = folded->inputs.front();
        const Shape &shape = draft.value(x).shape, &inner = draft.value(norm.inputs[0]).shape;
        const auto attributes = norm.operation.get<ops::Normalization>();
        const std::ptrdiff_t unfolded = only_reader(draft, uses, norm.outputs.front(), OpKind::reshape);
        if (unfolded < 0 || shape.rank() < 2 || inner.rank() < 2 || inner[0] != shape[0] ||
            inner[1] != attributes.groups || shape[1] % inner[1] != 0)
            continue;
        auto last = static_cast<std::size_t>(unfolded);
        if (draft.value(draft.nodes[last].outputs.front()).shape != shape) continue;
        const std::int64_t channels = shape[1];
        ValueId parameters[2] = {none, none};
        for (OpKind kind : {OpKind::multiply, OpKind::add}) {
            const ValueId y = draft.nodes[last].outputs.front();
            const std::ptrdiff_t next = only_reader(draft, uses, y, kind);
            if (next < 0) break;
            const auto other = partner(draft.nodes[static_cast<std::size_t>(next)], y);
            const auto parameter = other ? per_channel(draft, uses, *other, channels, shape.rank()) : std::nullopt;
            if (!parameter || draft.value(draft.nodes[static_cast<std::size_t>(next)].outputs.front()).shape != shape)
                break;
            parameters[kind == OpKind::add] = *parameter;
            last = static_cast<std::size_t>(next);
        }
        for (std::size_t i = 0; i < 2; ++i) {
            if (parameters[i] != none) continue;
            ops::HostTensor fixed(ops::DType::fp32, Shape{channels});
            for (float &value : fixed.as<float>()) value = i == 0 ? 1.0f : 0.0f;
            parameters[i] = draft.add_constant(std::move(fixed));
        }
        replace(draft.nodes[last], {OpKind::group_norm, attributes, {}}, {x, parameters[0], parameters[1]},
                "group_norm");
    }
    remove_dead(draft);
}

void recognise_silu(Draft &draft) {
    const DraftUses uses(draft);
    for (DraftNode &node : draft.nodes) {
        if (node.removed || node.operation.kind != OpKind::multiply) continue;
        for (std::size_t i : {0u, 1u}) {
            const DraftNode *gate = uses.made_by(node.inputs[i], OpKind::sigmoid);
            if (!gate || !uses.read_once(node.inputs[i]) || gate->inputs.front() != node.inputs[1 - i]) continue;
            replace(node, {OpKind::silu, {}, {}}, {gate->inputs.front()}, "silu");
            break;
        }
    }
    remove_dead(draft);
}

void recognise_rsqrt(Draft &draft) {
    const DraftUses uses(draft);
    for (DraftNode &node : draft.nodes) {
        if (node.removed) continue;
        ValueId root = none;
        if (node.operation.kind == OpKind::reciprocal) root = node.inputs[0];
        if (node.operation.kind == OpKind::divide && draft.scalar(node.inputs[0]) == 1.0) root = node.inputs[1];
        const DraftNode *made = root == none ? nullptr : uses.made_by(root, OpKind::square_root);
        if (!made || !uses.read_once(root)) continue;
        // The quotient must have the root's shape: a [1] in front of a scalar would add an axis.
        if (draft.value(node.outputs.front()).shape != draft.value(root).shape) continue;
        replace(node, {OpKind::power_scalar, ops::Scalars{-0.5, 0}, {}}, {made->inputs.front()}, "rsqrt");
    }
    remove_dead(draft);
}

void recognise_linear(Draft &draft) {
    {
        const DraftUses uses(draft);
        for (DraftNode &node : draft.nodes) {
            if (node.removed || node.operation.kind != OpKind::matmul) continue;
            auto attributes = node.operation.get<ops::Matmul>();
            if (const DraftNode *transposed = uses.made_by(node.inputs[1], OpKind::transpose);
                transposed && is_parameter(draft, transposed->inputs.front()) &&
                draft.value(transposed->inputs.front()).shape.rank() == 2) {
                attributes.transpose_b = !attributes.transpose_b;
                node.inputs[1] = transposed->inputs.front();
                node.operation.attributes = attributes;
            }
            if (is_parameter(draft, node.inputs[1]) && draft.value(node.inputs[1]).shape.rank() == 2 &&
                !attributes.transpose_a)
                node.policy = "linear";
        }
    }
    remove_dead(draft);
    const DraftUses uses(draft);
    for (DraftNode &node : draft.nodes) {
        if (node.removed || node.operation.kind != OpKind::add) continue;
        for (std::size_t i : {0u, 1u}) {
            const DraftNode *product = uses.made_by(node.inputs[i], OpKind::matmul);
            const ValueId bias = node.inputs[1 - i];
            if (!product || product->policy != "linear" || product->inputs.size() != 2 ||
                !uses.read_once(node.inputs[i]))
                continue;
            const Shape &out = draft.value(node.inputs[i]).shape;
            if (!is_parameter(draft, bias) || draft.value(bias).shape != Shape{out[out.rank() - 1]}) continue;
            replace(node, product->operation, {product->inputs[0], product->inputs[1], bias}, "linear");
            break;
        }
    }
    remove_dead(draft);
}

void recognise_patterns(Draft &draft, Notes &notes) {
    remove_dead(draft);
    recognise_layer_norm(draft);
    recognise_group_norm(draft);
    recognise_gelu(draft, notes);
    recognise_silu(draft);
    recognise_rsqrt(draft);
    recognise_linear(draft);
}

} // namespace halfscope::model::importing
