#include "emulation/model/onnx/draft_uses.h"
#include "emulation/model/onnx/matching.h"
#include "emulation/model/onnx/patterns.h"

#include <numbers>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;

double alpha_of(const DraftNode &node) { return node.operation.get<ops::Scalars>().alpha; }

class Matcher {
  public:
    explicit Matcher(const DraftUses &uses) : uses_(uses) {}

    /// x of x * 0.5 * (1 + erf(x / sqrt 2)), the factors in any order.
    [[nodiscard]] std::optional<ValueId> erf_form(const DraftNode &node) const {
        std::vector<ValueId> factors;
        double number = 1;
        collect_factors(node, factors, number);
        if (factors.size() != 2 || !is_about(number, 0.5)) return {};
        for (std::size_t i : {0u, 1u}) {
            const DraftNode *shifted = inner(factors[i], OpKind::shift);
            if (!shifted || alpha_of(*shifted) != 1) continue;
            const DraftNode *erf = inner(shifted->inputs[0], OpKind::erf);
            const DraftNode *scaled = erf ? inner(erf->inputs[0], OpKind::scale) : nullptr;
            if (scaled && is_about(alpha_of(*scaled), std::numbers::sqrt2 / 2) && scaled->inputs[0] == factors[1 - i])
                return factors[1 - i];
        }
        return {};
    }

    /// x of F.gelu(approximate='tanh') as the exporter of torch 1.13 and later writes it:
    /// 0.5 * (x * (1 + tanh(0.797885 * (x + 0.044715 * (x * (x * x)))))), every number the first operand. Hand-written
    /// code has its numbers second (a Python number is) or its cube as a power.
    [[nodiscard]] std::optional<ValueId> tanh_form(const DraftNode &node) const {
        if (!is_number_first(&node, 0.5)) return {};
        const DraftNode *product = inner(node.inputs[0], OpKind::multiply);
        if (!product) return {};
        const ValueId x = product->inputs[0];
        const DraftNode *shifted = inner(product->inputs[1], OpKind::shift);
        if (!shifted || alpha_of(*shifted) != 1 || !shifted->constant_first) return {};
        const DraftNode *tanh = inner(shifted->inputs[0], OpKind::tanh);
        const DraftNode *outer = tanh ? inner(tanh->inputs[0], OpKind::scale) : nullptr;
        if (!is_number_first(outer, std::sqrt(2 / std::numbers::pi))) return {};
        const DraftNode *sum = inner(outer->inputs[0], OpKind::add);
        if (!sum || sum->inputs[0] != x) return {};
        const DraftNode *scaled = inner(sum->inputs[1], OpKind::scale);
        if (!is_number_first(scaled, 0.044715)) return {};
        const DraftNode *cube = inner(scaled->inputs[0], OpKind::multiply);
        if (!cube || cube->inputs[0] != x) return {};
        const DraftNode *square = inner(cube->inputs[1], OpKind::multiply);
        if (!square || square->inputs[0] != x || square->inputs[1] != x) return {};
        return x;
    }

    /// tanh(0.797885 * (x + ...)) in any writing.
    [[nodiscard]] bool looks_like_tanh_gelu(const DraftNode &node) const {
        if (node.operation.kind != OpKind::tanh) return false;
        const DraftNode *outer = uses_.made_by(node.inputs[0], OpKind::scale);
        return outer && is_about(alpha_of(*outer), std::sqrt(2 / std::numbers::pi)) &&
               uses_.made_by(outer->inputs[0], OpKind::add);
    }

  private:
    /// A node of this kind whose result nothing else reads.
    [[nodiscard]] const DraftNode *inner(ValueId id, OpKind kind) const {
        return uses_.read_once(id) ? uses_.made_by(id, kind) : nullptr;
    }

    [[nodiscard]] static bool is_number_first(const DraftNode *node, double number) {
        return node && node->operation.kind == OpKind::scale && node->constant_first &&
               is_about(alpha_of(*node), number);
    }

    void collect_factors(const DraftNode &node, std::vector<ValueId> &factors, double &number) const {
        if (node.operation.kind == OpKind::scale) number *= alpha_of(node);
        for (ValueId input : node.inputs) {
            const DraftNode *further = inner(input, OpKind::scale);
            if (!further) further = inner(input, OpKind::multiply);
            if (further && factors.size() < 3)
                collect_factors(*further, factors, number);
            else
                factors.push_back(input);
        }
    }

    const DraftUses &uses_;
};

} // namespace

void recognise_gelu(Draft &draft, Notes &notes) {
    const DraftUses uses(draft);
    const Matcher matcher(uses);
    // From the last node: the outermost product is met before the products inside it.
    for (std::size_t n = draft.nodes.size(); n-- > 0;) {
        DraftNode &node = draft.nodes[n];
        if (node.removed || (node.operation.kind != OpKind::scale && node.operation.kind != OpKind::multiply)) continue;
        if (const auto x = matcher.erf_form(node))
            replace(node, {OpKind::gelu, {}, {}}, {*x}, "gelu");
        else if (const auto y = matcher.tanh_form(node))
            replace(node, {OpKind::gelu_tanh, {}, {}}, {*y}, "gelu");
    }
    remove_dead(draft);
    for (const DraftNode &node : draft.nodes)
        if (!node.removed && matcher.looks_like_tanh_gelu(node))
            notes.about(node.origin.layer, "A tanh GELU written out by hand is kept as the arithmetic it is (its cube "
                                           "can overflow fp16; F.gelu would not):");
}

} // namespace halfscope::model::importing
