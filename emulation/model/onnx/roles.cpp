#include "emulation/model/onnx/roles.h"

#include "emulation/model/onnx/draft_uses.h"
#include "emulation/model/onnx/names.h"
#include "emulation/model/onnx/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <set>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using Kind = DraftValue::Kind;

/// Whether a gradient flows from a node's result to this operand.
bool differentiable(const DraftNode &node, std::size_t operand) {
    switch (node.operation.kind) {
    case OpKind::equal:
    case OpKind::less:
    case OpKind::less_equal:
    case OpKind::greater:
    case OpKind::greater_equal:
    case OpKind::logical_and:
    case OpKind::logical_or:
    case OpKind::logical_not:
    case OpKind::is_nan:
    case OpKind::argmax:
    case OpKind::top_k:
    case OpKind::random_uniform:
    case OpKind::random_normal:
    case OpKind::one_hot:
    case OpKind::sign:
    case OpKind::floor:
    case OpKind::ceil:
    case OpKind::round: return false;
    case OpKind::cast: return !node.output_dtype || ops::is_floating(*node.output_dtype);
    case OpKind::where: return operand != 0;
    case OpKind::batch_norm_training:
    case OpKind::batch_norm_inference: return operand < 3;
    default: return true;
    }
}

bool is_statistic_operand(const DraftNode &node, std::size_t operand) {
    const OpKind kind = node.operation.kind;
    return (kind == OpKind::batch_norm_training || kind == OpKind::batch_norm_inference) && operand >= 3;
}

bool rearranges(OpKind kind) {
    switch (kind) {
    case OpKind::reshape:
    case OpKind::transpose:
    case OpKind::slice:
    case OpKind::expand:
    case OpKind::concat:
    case OpKind::pad:
    case OpKind::trilu:
    case OpKind::cast:
    case OpKind::scale:
    case OpKind::shift:
    case OpKind::negate: return true;
    default: return false;
    }
}

/// Facts about every value of a draft. A value's uses come later than itself, so each fact is worked out from the last
/// value to the first.
class Judge {
  public:
    explicit Judge(const Draft &draft) : draft_(draft), uses_(draft) {
        find_trainable();
        find_weightless();
        reaches_softmax_ = any_use([](const DraftNode &node, std::size_t, bool further) -> bool {
            const OpKind kind = node.operation.kind;
            const bool passes = kind == OpKind::add || kind == OpKind::where || kind == OpKind::maximum ||
                                kind == OpKind::divide || rearranges(kind);
            return kind == OpKind::softmax || (passes && further);
        });
        feeds_sinusoids_ = every_use([this](const DraftNode &node, std::size_t operand, bool further) -> bool {
            const OpKind kind = node.operation.kind;
            if (kind == OpKind::sine || kind == OpKind::cosine) return true;
            const bool product = kind == OpKind::multiply || kind == OpKind::matmul;
            return (rearranges(kind) || product) && others_hold_no_weights(node, operand) && further;
        });
        masks_scores_ = every_use([this](const DraftNode &node, std::size_t operand, bool further) -> bool {
            const OpKind kind = node.operation.kind;
            if (kind == OpKind::add || (kind == OpKind::where && operand > 0))
                return reaches_softmax_[index(node.outputs.front())];
            const bool product = kind == OpKind::multiply && others_hold_no_weights(node, operand);
            return (rearranges(kind) || product) && further;
        });
        normalises_inputs_ = every_use([this](const DraftNode &node, std::size_t operand, bool further) -> bool {
            switch (node.operation.kind) {
            case OpKind::add:
            case OpKind::subtract:
            case OpKind::multiply:
            case OpKind::divide: return from_floating_input(node.inputs[1 - operand]);
            default: return rearranges(node.operation.kind) && further;
            }
        });
        arithmetic_ = every_use([this](const DraftNode &node, std::size_t operand, bool further) -> bool {
            switch (node.operation.kind) {
            case OpKind::add:
            case OpKind::subtract:
            case OpKind::multiply:
            case OpKind::divide:
            case OpKind::where: return true;
            case OpKind::gather: return operand == 0 && draft_.constant(node.inputs[1]) != nullptr;
            default: return rearranges(node.operation.kind) && further;
            }
        });
    }

    [[nodiscard]] bool trainable(ValueId id) const { return trainable_[index(id)]; }
    /// Every path ends in a sine or cosine, through arithmetic with values that hold no weights.
    [[nodiscard]] bool feeds_only_sinusoids(ValueId id) const { return feeds_sinusoids_[index(id)]; }
    /// A matrix, every path of which is added to (or selected into) what a softmax normalises, never looked up by
    /// index: a learned relative position bias is looked up, and a bias of a linear layer is no matrix.
    [[nodiscard]] bool only_masks_scores(ValueId id) const {
        const ops::Shape &shape = draft_.value(id).shape;
        const int rank = shape.rank();
        return rank >= 2 && shape[rank - 1] > 1 && shape[rank - 2] > 1 && masks_scores_[index(id)];
    }
    /// A few numbers, every use of which is arithmetic on an input of the model that nothing else has touched.
    [[nodiscard]] bool only_normalises_inputs(ValueId id) const {
        constexpr std::int64_t most_channels = 16;
        return draft_.value(id).shape.elements() <= most_channels && normalises_inputs_[index(id)];
    }
    /// Not the matrix of a product, a filter, a norm's parameter or a table of embeddings.
    [[nodiscard]] bool only_in_arithmetic(ValueId id) const { return arithmetic_[index(id)]; }

    [[nodiscard]] bool is_statistic(ValueId id) const {
        const auto &uses = uses_.of(id);
        return !uses.empty() && std::all_of(uses.begin(), uses.end(), [&](const Use &use) {
            return is_statistic_operand(draft_.nodes[use.node], use.operand);
        });
    }

  private:
    static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

    /// holds(node, operand, the fact for the node's first result) for every use, and there is a use.
    template <typename F> std::vector<bool> every_use(F holds) const {
        std::vector<bool> fact(draft_.values.size(), false);
        for (std::size_t i = fact.size(); i-- > 0;) {
            const auto id = static_cast<ValueId>(i);
            const auto &uses = uses_.of(id);
            fact[i] =
                !uses.empty() && !uses_.is_output(id) && std::all_of(uses.begin(), uses.end(), [&](const Use &use) {
                    const DraftNode &node = draft_.nodes[use.node];
                    return holds(node, use.operand, fact[index(node.outputs.front())]);
                });
        }
        return fact;
    }

    template <typename F> std::vector<bool> any_use(F holds) const {
        std::vector<bool> fact(draft_.values.size(), false);
        for (std::size_t i = fact.size(); i-- > 0;) {
            const auto &uses = uses_.of(static_cast<ValueId>(i));
            fact[i] = std::any_of(uses.begin(), uses.end(), [&](const Use &use) {
                const DraftNode &node = draft_.nodes[use.node];
                return holds(node, use.operand, fact[index(node.outputs.front())]);
            });
        }
        return fact;
    }

    void find_trainable() {
        trainable_.assign(draft_.values.size(), false);
        for (const auto &[name, id] : draft_.outputs) trainable_[index(id)] = ops::is_floating(draft_.value(id).dtype);
        for (std::size_t n = draft_.nodes.size(); n-- > 0;) {
            const DraftNode &node = draft_.nodes[n];
            if (std::none_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return trainable(id); }))
                continue;
            for (std::size_t i = 0; i < node.inputs.size(); ++i)
                if (differentiable(node, i) && ops::is_floating(draft_.value(node.inputs[i]).dtype))
                    trainable_[index(node.inputs[i])] = true;
        }
    }

    void find_weightless() {
        weightless_.assign(draft_.values.size(), true);
        for (std::size_t i = 0; i < draft_.values.size(); ++i) weightless_[i] = draft_.values[i].kind != Kind::weight;
        for (const DraftNode &node : draft_.nodes)
            for (ValueId input : node.inputs)
                if (!weightless_[index(input)])
                    for (ValueId output : node.outputs) weightless_[index(output)] = false;
    }

    [[nodiscard]] bool others_hold_no_weights(const DraftNode &node, std::size_t operand) const {
        for (std::size_t i = 0; i < node.inputs.size(); ++i)
            if (i != operand && !weightless_[index(node.inputs[i])]) return false;
        return true;
    }

    [[nodiscard]] bool from_floating_input(ValueId id) const {
        while (draft_.value(id).kind == Kind::activation) {
            const std::ptrdiff_t at = uses_.producer(id);
            if (at < 0) return false;
            const DraftNode &node = draft_.nodes[static_cast<std::size_t>(at)];
            const OpKind kind = node.operation.kind;
            const bool arithmetic = kind == OpKind::subtract || kind == OpKind::add;
            if (!rearranges(kind) && !(arithmetic && node.inputs.size() == 2)) return false;
            id = node.inputs.front();
        }
        return draft_.value(id).kind == Kind::input && ops::is_floating(draft_.value(id).dtype);
    }

    const Draft &draft_;
    DraftUses uses_;
    std::vector<bool> trainable_, weightless_, reaches_softmax_, feeds_sinusoids_, masks_scores_, normalises_inputs_,
        arithmetic_;
};

/// Names that frameworks and tutorials give to buffers. `pe` is not among them: it may be learned, and its content
/// tells.
bool customary_buffer_name(std::string_view name) {
    static const std::regex pattern(
        "(^|[./])((.*_)?mask|masked_bias|tril|triu|(cos|sin)(_cached)?|inv_freq|freqs(_cis|_cos|_sin)?|alibi|slopes|"
        "pixel_(mean|std))$");
    return std::regex_search(name.begin(), name.end(), pattern);
}

std::vector<std::regex> compiled(const std::vector<std::string> &patterns) {
    std::vector<std::regex> out;
    for (const std::string &pattern : patterns) {
        try {
            out.emplace_back(pattern);
        } catch (const std::regex_error &) {
            throw std::invalid_argument(fmt::format("'{}' is not a regular expression", pattern));
        }
    }
    return out;
}

} // namespace

Treatment judge_roles(const Draft &draft, const ImportOptions &options, Notes &notes) {
    const Judge judge(draft);
    const auto frozen = compiled(options.freeze);
    Treatment treatment;
    for (std::size_t i = 0; i < draft.values.size(); ++i) {
        const DraftValue &value = draft.values[i];
        const auto id = static_cast<ValueId>(i);
        if (value.kind != Kind::weight) continue;
        const std::string &name = value.source;
        const auto decide = [&](Kind kind, const char *note) {
            treatment[name] = kind;
            if (note) notes.about(name, note);
        };
        const ops::HostTensor &data = *value.data;
        const bool trainable = judge.trainable(id);
        const bool is_frozen = std::any_of(frozen.begin(), frozen.end(),
                                           [&](const std::regex &pattern) { return std::regex_search(name, pattern); });
        if (judge.is_statistic(id) || (trainable && is_frozen))
            decide(Kind::statistic, nullptr);
        else if (!trainable)
            decide(Kind::constant, "Not trained, because no gradient can reach them (they are compared, not computed "
                                   "with):");
        else if (data.shape.elements() == 1 && is_made_up(name))
            decide(Kind::constant, nullptr);
        else if (looks_like_mask(data) && judge.only_in_arithmetic(id))
            decide(Kind::constant, "Taken as masks, not trained, because of their content (0 and one other number):");
        else if (looks_like_sinusoids(data) && judge.only_in_arithmetic(id))
            decide(Kind::constant, "Taken as tables of sines and cosines, not trained, because of their content:");
        else if (judge.feeds_only_sinusoids(id))
            decide(Kind::constant, "Taken as fixed frequencies, not trained, because they only feed sine and cosine:");
        else if (judge.only_masks_scores(id))
            decide(Kind::constant, "Taken as masks, not trained, because they are only added to attention scores:");
        else if (judge.only_normalises_inputs(id))
            decide(Kind::constant, "Taken as fixed, not trained, because they only normalise an input:");
        else if (customary_buffer_name(name) && judge.only_in_arithmetic(id))
            decide(Kind::constant, "Taken as buffers, not trained, because of their names:");
    }
    return treatment;
}

} // namespace halfscope::model::importing
