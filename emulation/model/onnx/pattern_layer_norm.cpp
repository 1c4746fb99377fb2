#include "emulation/model/onnx/draft_uses.h"
#include "emulation/model/onnx/matching.h"
#include "emulation/model/onnx/patterns.h"

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

struct Found {
    ValueId x = none;
    int axis = 0;
    double epsilon = 0;
};

class Matcher {
  public:
    Matcher(const Draft &draft, const DraftUses &uses) : draft_(draft), uses_(uses) {}

    /// (x - mean) / sqrt(variance + epsilon), written as a quotient or as a product with the reciprocal.
    [[nodiscard]] std::optional<Found> match(const DraftNode &node) const {
        if (node.operation.kind == OpKind::divide) return with_root(node.inputs[0], node.inputs[1]);
        if (node.operation.kind != OpKind::multiply) return {};
        for (std::size_t i : {0u, 1u}) {
            const ValueId factor = node.inputs[i];
            ValueId root = none;
            if (const DraftNode *inverse = uses_.made_by(factor, OpKind::reciprocal)) root = inverse->inputs[0];
            if (const DraftNode *inverse = uses_.made_by(factor, OpKind::divide))
                if (draft_.scalar(inverse->inputs[0]) == 1.0) root = inverse->inputs[1];
            if (root == none || !uses_.read_once(factor)) continue;
            if (auto found = with_root(node.inputs[1 - i], root)) return found;
        }
        return {};
    }

  private:
    [[nodiscard]] std::optional<Found> with_root(ValueId centred, ValueId root) const {
        const DraftNode *square_root = uses_.made_by(root, OpKind::square_root);
        if (!square_root || !uses_.read_once(root)) return {};
        const DraftNode *shifted = uses_.made_by(square_root->inputs[0], OpKind::shift);
        if (!shifted || !uses_.read_once(square_root->inputs[0])) return {};
        const DraftNode *variance = uses_.made_by(shifted->inputs[0], OpKind::reduce_mean);
        if (!variance || !uses_.read_once(shifted->inputs[0])) return {};
        const auto deviations = squared(variance->inputs[0]);
        if (!deviations) return {};
        const DraftNode *difference = uses_.made_by(centred, OpKind::subtract);
        const DraftNode *again = uses_.made_by(*deviations, OpKind::subtract);
        if (!difference || !again || difference->inputs != again->inputs) return {};
        const DraftNode *mean = uses_.made_by(difference->inputs[1], OpKind::reduce_mean);
        if (!mean || mean->inputs[0] != difference->inputs[0]) return {};
        const auto &axes = mean->operation.get<ops::Reduction>().axes;
        if (axes != variance->operation.get<ops::Reduction>().axes || axes.empty()) return {};
        const int rank = draft_.value(mean->inputs[0]).shape.rank();
        const auto kept = [&](const DraftNode &reduction) {
            return reduction.operation.get<ops::Reduction>().keep_dims;
        };
        for (std::size_t i = 0; i < axes.size(); ++i)
            if (axes[i] != rank - static_cast<int>(axes.size() - i)) return {};
        if (!kept(*mean) || !kept(*variance)) return {};
        return Found{mean->inputs[0], axes.front(), shifted->operation.get<ops::Scalars>().alpha};
    }

    /// d of d^2 or d * d.
    [[nodiscard]] std::optional<ValueId> squared(ValueId id) const {
        if (const DraftNode *power = uses_.made_by(id, OpKind::power_scalar);
            power && power->operation.get<ops::Scalars>().alpha == 2)
            return power->inputs[0];
        if (const DraftNode *product = uses_.made_by(id, OpKind::multiply);
            product && product->inputs[0] == product->inputs[1])
            return product->inputs[0];
        return {};
    }

    const Draft &draft_;
    const DraftUses &uses_;
};

} // namespace

void recognise_layer_norm(Draft &draft) {
    const DraftUses uses(draft);
    const Matcher matcher(draft, uses);
    for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
        if (draft.nodes[n].removed) continue;
        const auto found = matcher.match(draft.nodes[n]);
        if (!found) continue;
        const Shape &shape = draft.value(found->x).shape;
        const Shape part(shape.sizes().subspan(static_cast<std::size_t>(found->axis)));
        std::vector<ValueId> operands{found->x};
        std::size_t last = n;
        for (OpKind kind : {OpKind::multiply, OpKind::add}) {
            const ValueId y = draft.nodes[last].outputs.front();
            if (!uses.read_once(y)) break;
            const std::size_t next = uses.of(y).front().node;
            const DraftNode &reader = draft.nodes[next];
            if (reader.operation.kind != kind) break;
            const ValueId parameter = reader.inputs[reader.inputs[0] == y ? 1 : 0];
            if (is_activation(draft, parameter) || draft.value(parameter).shape != part) break;
            operands.push_back(parameter);
            last = next;
        }
        ops::Normalization norm;
        norm.axis = found->axis;
        norm.epsilon = found->epsilon;
        replace(draft.nodes[last], {OpKind::layer_norm, norm, {}}, std::move(operands), "layer_norm");
    }
    remove_dead(draft);
}

} // namespace halfscope::model::importing
