#include "emulation/train/lowering/lower.h"

#include "emulation/model/shape_inference.h"
#include "emulation/ops/matmul/accumulation_model.h"
#include "emulation/train/autocast/op_lists.h"
#include "emulation/train/lowering/layer_patterns.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

namespace halfscope::train {
namespace {

using model::Graph;
using model::Node;
using model::NodeId;
using model::Role;
using model::Value;
using model::ValueId;
using ops::DType;
using ops::OpKind;

bool is_product(OpKind kind) {
    return kind == OpKind::matmul || kind == OpKind::convolution || kind == OpKind::convolution_input_gradient;
}

bool is_norm(OpKind kind) {
    switch (kind) {
    case OpKind::batch_norm_training:
    case OpKind::batch_norm_inference:
    case OpKind::layer_norm:
    case OpKind::rms_norm:
    case OpKind::group_norm: return true;
    default: return false;
    }
}

/// Nodes between the model's outputs and a loss that was attached to them; none when the graph computes its own loss.
std::vector<bool> attached_loss_nodes(const Graph &graph) {
    std::vector<bool> attached(graph.nodes.size());
    if (graph.loss == model::none) return attached;
    std::vector<ValueId> open{graph.loss};
    while (!open.empty()) {
        const ValueId id = open.back();
        open.pop_back();
        const bool output = std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
        const NodeId producer = graph.value(id).producer;
        if (output || producer == model::none || attached[static_cast<std::size_t>(producer)]) continue;
        attached[static_cast<std::size_t>(producer)] = true;
        for (ValueId operand : graph.node(producer).inputs) open.push_back(operand);
    }
    return attached;
}

class Lowering {
  public:
    Lowering(const Graph &forward, const Recipe &recipe)
        : graph_(forward),
          recipe_(recipe),
          overrides_(forward, recipe.layers),
          attached_(attached_loss_nodes(forward)),
          lists_(autocast_lists_of(recipe.autocast_lists)) {}

    Graph run() {
        std::vector<Node> nodes = std::exchange(graph_.nodes, {});
        if (stores_16bit()) choose_storage(nodes);
        if (recipe_.policy != Policy::full) choose_statistics_storage(nodes);
        for (std::size_t i = 0; i < nodes.size(); ++i) lower_node(std::move(nodes[i]), static_cast<NodeId>(i));
        return std::move(graph_);
    }

  private:
    [[nodiscard]] bool stores_16bit() const { return recipe_.policy == Policy::o2 || recipe_.policy == Policy::pure; }
    [[nodiscard]] bool is_attached(NodeId node) const { return attached_[static_cast<std::size_t>(node)]; }
    [[nodiscard]] bool castable(ValueId id) const {
        const Value &value = graph_.value(id);
        const bool scalar = value.role == Role::constant && value.shape.elements() == 1;
        return ops::is_floating(value.dtype) && value.dtype != DType::fp64 && !scalar;
    }
    [[nodiscard]] bool in_fp64(const Node &node) const {
        return std::any_of(node.inputs.begin(), node.inputs.end(),
                           [&](ValueId id) { return graph_.value(id).dtype == DType::fp64; });
    }

    /// o2 and pure: weights, buffers and constants change their storage, unless all who read them want fp32.
    void choose_storage(const std::vector<Node> &nodes) {
        std::vector<bool> wants_16bit(graph_.values.size());
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const auto forced = overrides_.format_of(static_cast<NodeId>(i));
            const bool keeps = recipe_.policy == Policy::o2 &&
                               (is_norm(nodes[i].operation.kind) || is_attached(static_cast<NodeId>(i)));
            for (std::size_t k = 0; k < nodes[i].inputs.size(); ++k) {
                const bool narrow = forced ? ops::is_16bit(*forced) : !keeps || k == 0;
                if (narrow) wants_16bit[static_cast<std::size_t>(nodes[i].inputs[k])] = true;
            }
        }
        for (std::size_t id = 0; id < wants_16bit.size(); ++id) {
            Value &value = graph_.values[id];
            const bool stored =
                value.role == Role::weight || value.role == Role::buffer || value.role == Role::constant;
            if (!stored || !wants_16bit[id] || !castable(static_cast<ValueId>(id))) continue;
            value.dtype = value.role == Role::weight ? recipe_.weights : recipe_.compute;
            if (value.data) value.data = converted(*value.data, value.dtype);
        }
    }

    /// Running statistics, but for layers with a format of their own.
    void choose_statistics_storage(const std::vector<Node> &nodes) {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const bool trains = nodes[i].operation.kind == OpKind::batch_norm_training;
            if (!trains || overrides_.format_of(static_cast<NodeId>(i))) continue;
            for (const std::size_t operand : {3, 4}) {
                const ValueId id = nodes[i].inputs[operand];
                Value &value = graph_.value(id);
                if (value.role != Role::buffer || !castable(id)) continue;
                value.dtype = recipe_.running_statistics;
                if (value.data) value.data = converted(*value.data, value.dtype);
            }
        }
    }

    /// The operand as `dtype`: itself, or a cast put before the node that is being lowered.
    ValueId as(ValueId id, DType dtype, const std::string &layer) {
        if (!castable(id) || graph_.value(id).dtype == dtype) return id;
        const Role role = graph_.value(id).role;
        const bool shared = role == Role::weight || role == Role::input || role == Role::target || role == Role::buffer;
        if (shared)
            if (const auto found = casts_.find({id, dtype}); found != casts_.end()) return found->second;
        Node node;
        node.operation.kind = OpKind::cast;
        node.name = graph_.value(id).name + "." + std::string(ops::name_of(dtype));
        node.policy = "to";
        node.inputs = {id};
        Value cast;
        cast.name = node.name;
        cast.layer = shared ? graph_.value(id).layer : layer;
        cast.dtype = dtype;
        cast.shape = graph_.value(id).shape;
        cast.role = role == Role::weight ? Role::weight : Role::activation;
        cast.producer = static_cast<NodeId>(graph_.nodes.size());
        const ValueId made = graph_.add_value(std::move(cast));
        node.outputs = {made};
        set_rounding(node);
        graph_.nodes.push_back(std::move(node));
        if (shared) casts_[{id, dtype}] = made;
        return made;
    }

    void set_rounding(Node &node) const {
        if (recipe_.flush_subnormals && ops::is_16bit(graph_.value(node.outputs.front()).dtype))
            node.operation.rounding.flush_subnormals = true;
    }

    void cast_all(Node &node, DType dtype) {
        const std::string layer = graph_.value(node.outputs.front()).layer;
        for (ValueId &operand : node.inputs) operand = as(operand, dtype, layer);
    }

    [[nodiscard]] DType widest(const Node &node) const {
        std::optional<DType> found;
        for (ValueId id : node.inputs)
            if (castable(id)) found = found ? model::promote(*found, graph_.value(id).dtype) : graph_.value(id).dtype;
        return found.value_or(DType::fp32);
    }

    /// The type the node's floating results are asked to have; empty: what its operands give.
    std::optional<DType> cast_operands(Node &node, NodeId original) {
        if (const auto forced = overrides_.format_of(original)) {
            cast_all(node, *forced);
            return forced;
        }
        switch (recipe_.policy) {
        case Policy::full: return explicit_cast(node);
        case Policy::autocast: return autocast(node);
        case Policy::o2:
            if (is_attached(original)) {
                cast_all(node, DType::fp32);
                return DType::fp32;
            }
            break;
        case Policy::pure: break;
        }
        return narrow(node);
    }

    [[nodiscard]] std::optional<DType> explicit_cast(const Node &node) const {
        if (node.operation.kind != OpKind::cast) return std::nullopt;
        return graph_.value(node.outputs.front()).dtype;
    }

    std::optional<DType> autocast(Node &node) {
        switch (lists_.policy_of(node.policy)) {
        case AutocastPolicy::lower_precision: cast_all(node, recipe_.compute); return recipe_.compute;
        case AutocastPolicy::fp32: cast_all(node, DType::fp32); return DType::fp32;
        case AutocastPolicy::promote: cast_all(node, widest(node)); return std::nullopt;
        case AutocastPolicy::unlisted: break;
        }
        return explicit_cast(node);
    }

    /// o2 and pure.
    std::optional<DType> narrow(Node &node) {
        const std::string layer = graph_.value(node.outputs.front()).layer;
        const OpKind kind = node.operation.kind;
        // Inputs and targets enter the model in its own format.
        for (ValueId &operand : node.inputs)
            if (const Role role = graph_.value(operand).role; role == Role::input || role == Role::target)
                operand = as(operand, recipe_.compute, layer);
        if (is_product(kind)) {
            cast_all(node, recipe_.compute);
            return recipe_.compute;
        }
        if (is_norm(kind)) {
            node.inputs.front() = as(node.inputs.front(), recipe_.compute, layer);
            return recipe_.compute;
        }
        const bool from_floating =
            std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return castable(id); });
        // Made from integers or from nothing: such values are written in the model's own type.
        if (!from_floating) return recipe_.compute;
        return kind == OpKind::cast ? std::optional(graph_.value(node.inputs.front()).dtype) : std::nullopt;
    }

    void lower_node(Node node, NodeId original) {
        const bool floating_result = ops::is_floating(graph_.value(node.outputs.front()).dtype);
        std::optional<DType> wanted;
        if (in_fp64(node))
            wanted = explicit_cast(node);
        else
            wanted = cast_operands(node, original);
        // Integers and booleans keep their types; comparisons still see their operands cast.
        if (!floating_result) wanted = explicit_cast(node);

        std::vector<model::Operand> operands;
        bool all_16bit = true;
        for (ValueId id : node.inputs) {
            const Value &value = graph_.value(id);
            operands.push_back({value.dtype, value.shape, value.role == Role::constant && value.shape.elements() == 1});
            if (ops::is_floating(value.dtype)) all_16bit = all_16bit && ops::is_16bit(value.dtype);
        }
        const auto results = model::infer_results(
            {node.operation, node.name, operands, wanted, graph_.value(node.outputs.front()).shape});
        const auto id = static_cast<NodeId>(graph_.nodes.size());
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            Value &output = graph_.value(node.outputs[i]);
            output.dtype = results[i].dtype;
            output.producer = id;
        }
        if (all_16bit) set_accumulation(node);
        set_rounding(node);
        graph_.nodes.push_back(std::move(node));
    }

    /// Of a product whose operands are all 16-bit; its gradients inherit it.
    void set_accumulation(Node &node) const {
        auto *product = std::get_if<ops::Matmul>(&node.operation.attributes);
        auto *convolution = std::get_if<ops::Convolution>(&node.operation.attributes);
        if (!product && !convolution) return;
        (product ? product->accumulation : convolution->accumulation) = recipe_.accumulation;
        const std::string reason =
            ops::refusal(recipe_.accumulation, graph_.value(node.inputs[0]).dtype, graph_.value(node.inputs[1]).dtype);
        if (!reason.empty())
            throw std::invalid_argument(
                fmt::format("recipe '{}', layer '{}': {}; choose another accumulation or leave the recipe out",
                            recipe_.name, graph_.value(node.outputs.front()).layer, reason));
    }

    Graph graph_;
    const Recipe &recipe_;
    LayerPatterns overrides_;
    std::vector<bool> attached_;
    const AutocastLists &lists_;
    std::map<std::pair<ValueId, DType>, ValueId> casts_;
};

} // namespace

Graph lower(const Graph &forward, const Recipe &recipe) {
    check(recipe);
    return Lowering(forward, recipe).run();
}

} // namespace halfscope::train
