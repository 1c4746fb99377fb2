#include "emulation/model/onnx/assemble.h"

#include "emulation/model/onnx/draft_uses.h"
#include "emulation/model/onnx/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using Kind = DraftValue::Kind;

/// Operands that are a layer's parameters, the one that names it first.
std::vector<std::size_t> parameter_operands(const DraftNode &node) {
    switch (node.operation.kind) {
    case OpKind::matmul:
    case OpKind::convolution: return {1, 2};
    case OpKind::convolution_input_gradient: return {1};
    case OpKind::batch_norm_training:
    case OpKind::batch_norm_inference:
    case OpKind::layer_norm:
    case OpKind::group_norm: return {1, 2};
    case OpKind::gather: return {0};
    default: return {};
    }
}

bool only_rearranges(OpKind kind) {
    return kind == OpKind::reshape || kind == OpKind::transpose || kind == OpKind::expand || kind == OpKind::slice ||
           kind == OpKind::cast;
}

class Assembly {
  public:
    explicit Assembly(const Draft &draft) : draft_(draft), uses_(draft), ids_(draft.values.size(), none) {}

    Graph run(std::string name) {
        graph_.name = std::move(name);
        name_layers();
        for (std::size_t i = 0; i < draft_.values.size(); ++i) add_leaf(static_cast<ValueId>(i));
        for (std::size_t n = 0; n < draft_.nodes.size(); ++n)
            if (!draft_.nodes[n].removed) add_node(n);
        for (const auto &[output, id] : draft_.outputs) add_output(output, id);
        return std::move(graph_);
    }

  private:
    static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

    [[nodiscard]] bool has_parameter(const DraftNode &node) const {
        for (std::size_t operand : parameter_operands(node))
            if (operand < node.inputs.size() && !draft_.value(node.inputs[operand]).source.empty()) return true;
        return false;
    }

    /// The layer a node belongs to, by its parameters where it has them.
    [[nodiscard]] std::string layer_of(const DraftNode &node) const {
        const bool scoped = node.origin.layer != node.origin.name;
        for (std::size_t operand : parameter_operands(node)) {
            if (operand >= node.inputs.size()) continue;
            const DraftValue &parameter = draft_.value(node.inputs[operand]);
            std::string layer = layer_of_parameter(parameter.source);
            const bool shared = uses_.of(node.inputs[operand]).size() > 1;
            if (!layer.empty() && !(shared && scoped)) return layer;
        }
        const auto bare = bare_.find(node.origin.name);
        return bare == bare_.end() ? node.origin.layer : bare->second;
    }

    /// A parameter of the model itself (pos_embed, the weights of experts) names what a node without a scope does with
    /// it: users know that name, not "Einsum_1".
    void find_bare_parameters() {
        for (const DraftNode &node : draft_.nodes) {
            if (node.removed || node.origin.layer != node.origin.name) continue;
            for (const ValueId id : node.inputs) {
                const DraftValue &value = draft_.value(id);
                if (value.kind == Kind::weight && !is_made_up(value.source) &&
                    layer_of_parameter(value.source).empty() && uses_.of(id).size() == 1)
                    bare_.try_emplace(node.origin.name, value.source);
            }
        }
    }

    void name_layers() {
        find_bare_parameters();
        layers_.resize(draft_.nodes.size());
        std::map<std::string, int> members;
        for (std::size_t n = 0; n < draft_.nodes.size(); ++n) {
            const DraftNode &node = draft_.nodes[n];
            if (node.removed) continue;
            layers_[n] = layer_of(node);
            if (!only_rearranges(node.operation.kind)) ++members[layers_[n]];
        }
        names_.resize(draft_.nodes.size());
        for (std::size_t n = 0; n < draft_.nodes.size(); ++n) {
            const DraftNode &node = draft_.nodes[n];
            if (node.removed) continue;
            const bool alone = members[layers_[n]] == 1 && !only_rearranges(node.operation.kind);
            const bool bare = bare_.contains(node.origin.name); // the name is the parameter's
            names_[n] = !bare && (alone || has_parameter(node)) ? layers_[n] : node.origin.name;
        }
    }

    /// Weights and buffers that something reads, constants, and all inputs.
    void add_leaf(ValueId id) {
        const DraftValue &value = draft_.value(id);
        const bool wanted = !uses_.of(id).empty() || uses_.is_output(id);
        switch (value.kind) {
        case Kind::activation: return;
        case Kind::input:
            ids_[index(id)] =
                graph_.add_input(value.name, value.dtype, value.shape, holds_targets(id) ? Role::target : Role::input);
            return;
        case Kind::weight:
            if (wanted) ids_[index(id)] = graph_.add_weight(parameter_name(id), parameter_layer(id), *value.data);
            return;
        case Kind::statistic:
            if (wanted) ids_[index(id)] = graph_.add_buffer(parameter_name(id), parameter_layer(id), *value.data);
            return;
        case Kind::constant:
            if (!wanted) return;
            ids_[index(id)] = value.source.empty() || is_made_up(value.source)
                                  ? graph_.add_constant(*value.data)
                                  : graph_.add_buffer(value.source, parameter_layer(id), *value.data);
            return;
        }
    }

    /// Labels of a loss, reached through changes of shape only, or an input that is called so.
    [[nodiscard]] bool holds_targets(ValueId id) const {
        static const std::set<std::string> customary{"target", "targets", "label", "labels"};
        if (customary.contains(draft_.value(id).name)) return true;
        const auto &uses = uses_.of(id);
        return !uses.empty() && std::all_of(uses.begin(), uses.end(), [&](const Use &use) {
            const DraftNode &node = draft_.nodes[use.node];
            if (node.operation.kind == OpKind::nll_loss) return use.operand == 1;
            return only_rearranges(node.operation.kind) && holds_targets(node.outputs.front());
        });
    }

    /// First node that reads a parameter, behind rearrangements of it.
    [[nodiscard]] std::ptrdiff_t reader_of(ValueId id) const {
        for (const Use &use : uses_.of(id)) {
            const DraftNode &node = draft_.nodes[use.node];
            if (!only_rearranges(node.operation.kind)) return static_cast<std::ptrdiff_t>(use.node);
            if (const std::ptrdiff_t further = reader_of(node.outputs.front()); further >= 0) return further;
        }
        return -1;
    }

    [[nodiscard]] std::string parameter_layer(ValueId id) const {
        if (std::string layer = layer_of_parameter(draft_.value(id).source); !layer.empty()) return layer;
        const std::ptrdiff_t reader = reader_of(id);
        return reader < 0 ? draft_.value(id).source : layers_[static_cast<std::size_t>(reader)];
    }

    [[nodiscard]] std::string parameter_name(ValueId id) const {
        const DraftValue &value = draft_.value(id);
        if (!is_made_up(value.source)) return value.source;
        const std::ptrdiff_t reader = reader_of(id);
        if (reader < 0) return value.source;
        const auto at = static_cast<std::size_t>(reader);
        const auto &inputs = draft_.nodes[at].inputs;
        const bool bias = has_parameter(draft_.nodes[at]) && inputs.size() > 2 && inputs[2] == id;
        return layers_[at] + (bias ? ".bias" : ".weight");
    }

    void add_node(std::size_t n) {
        const DraftNode &node = draft_.nodes[n];
        std::vector<ValueId> operands;
        for (ValueId id : node.inputs) operands.push_back(ids_[index(id)]);
        if (node.operation.kind == OpKind::batch_norm_training)
            for (std::size_t statistic : {std::size_t{3}, std::size_t{4}}) own_buffer(node, statistic, operands);
        graph_.add_node(node.operation, std::move(operands), names_[n], node.policy, node.output_dtype,
                        node.output_shape);
        const std::vector<ValueId> made = graph_.nodes.back().outputs;
        for (ValueId id : made) graph_.value(id).layer = layers_[n];
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            ids_[index(node.outputs[i])] = made[i];
            const std::string &known = draft_.value(node.outputs[i]).name;
            if (i == 0 && !is_made_up(known) && known.find("_output_") == std::string::npos && !has_parameter(node))
                graph_.rename(made[i], known);
        }
    }

    /// Running statistics are replaced every step, so no two layers may share them, nor may a weight hold them.
    void own_buffer(const DraftNode &node, std::size_t operand, std::vector<ValueId> &operands) {
        const Value &held = graph_.value(operands[operand]);
        if (held.role == Role::buffer && held.updated_by == none) return;
        const DraftValue &from = draft_.value(node.inputs[operand]);
        if (!from.data)
            throw std::runtime_error(
                fmt::format("running statistics of '{}' are computed in the graph", node.origin.name));
        operands[operand] = graph_.add_buffer(
            fmt::format("{}.running_{}", layer_of(node), operand == 3 ? "mean" : "var"), layer_of(node), *from.data);
    }

    /// Outputs keep the file's names: the loss and the predictions are found by them.
    void add_output(const std::string &output, ValueId draft_id) {
        ValueId id = ids_[index(draft_id)];
        const bool taken = std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end();
        if (graph_.value(id).producer == none || taken)
            id = graph_.add_node({OpKind::reshape, {}, {}}, {id}, output, "reshape", {}, graph_.value(id).shape);
        if (const ValueId other = graph_.find(output);
            other != none && other != id && graph_.value(other).producer != none)
            graph_.rename(other, output + ".value");
        graph_.rename(id, output);
        graph_.outputs.push_back(id);
    }

    const Draft &draft_;
    DraftUses uses_;
    std::vector<ValueId> ids_;
    Graph graph_;
    std::vector<std::string> layers_, names_;
    std::map<std::string, std::string> bare_; ///< a node's name -> the parameter that names its layer
};

bool is_transpose(const ops::HostTensor &a, const ops::HostTensor &b) {
    const auto x = a.as<float>(), y = b.as<float>();
    const auto rows = static_cast<std::size_t>(a.shape[0]), columns = static_cast<std::size_t>(a.shape[1]);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c)
            if (!(x[r * columns + c] == y[c * rows + r])) return false;
    return std::any_of(x.begin(), x.end(), [&](float value) { return value != x[0]; });
}

} // namespace

Graph assemble(const Draft &draft, std::string name) { return Assembly(draft).run(std::move(name)); }

void note_ties(const Graph &graph, Notes &notes) {
    std::vector<const Value *> matrices;
    for (ValueId id : graph.weights)
        if (const Value &value = graph.value(id); value.shape.rank() == 2 && value.shape.elements() > 1)
            matrices.push_back(&value);
    for (std::size_t i = 0; i < matrices.size(); ++i)
        for (std::size_t j = i + 1; j < matrices.size(); ++j) {
            const Value &a = *matrices[i], &b = *matrices[j];
            if (a.shape[0] != b.shape[1] || a.shape[1] != b.shape[0] || !is_transpose(*a.data, *b.data)) continue;
            notes.add(fmt::format("{} is the exact transpose of {}: most likely they are tied in your model, and "
                                  "constant folding untied them; they train separately here (export with "
                                  "do_constant_folding=False to keep the tie).",
                                  b.name, a.name));
        }
}

void note_folded_norms(const Draft &draft, Notes &notes) {
    for (const DraftNode &node : draft.nodes) {
        if (node.removed || node.operation.kind != OpKind::convolution) continue;
        const std::string &filter = draft.value(node.inputs[1]).source;
        if (!filter.empty() && is_made_up(filter))
            notes.about(node.origin.layer,
                        "The export folded batch normalisation into these convolutions, so the network trains here "
                        "without it (export with training=torch.onnx.TrainingMode.TRAINING to keep it):");
    }
}

} // namespace halfscope::model::importing
