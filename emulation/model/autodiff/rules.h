// What a differentiation rule sees of its forward node, and the table from operations to rules.
#pragma once

#include "emulation/model/graph.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace halfscope::model::autodiff {

/// The state of one differentiate() call.
struct Tape {
    explicit Tape(Graph &differentiated) : graph(differentiated) {}

    Graph &graph;
    std::vector<bool> needs;                                  ///< per forward value: its gradient is wanted
    std::vector<ValueId> gradient;                            ///< per forward value: the sum so far, or none
    std::vector<std::vector<ValueId>> parts;                  ///< per forward value: what was summed
    std::map<std::pair<double, ops::DType>, ValueId> scalars; ///< constants already made
    std::map<std::string, int> backward_names;                ///< node names given so far
};

/// One forward node while its rule runs. Rules read operands and outputs, emit nodes, and give gradients to operands.
class Backward {
  public:
    Backward(Tape &tape, NodeId forward) : tape_(tape), id_(forward), node_(tape.graph.node(forward)) {}

    [[nodiscard]] const ops::Operation &operation() const { return node_.operation; }
    [[nodiscard]] std::size_t operands() const { return node_.inputs.size(); }
    [[nodiscard]] ValueId operand(std::size_t index) const { return node_.inputs[index]; }
    [[nodiscard]] ValueId output(std::size_t index = 0) const { return node_.outputs[index]; }
    /// Gradient of the first output.
    [[nodiscard]] ValueId dy() const { return tape_.gradient[static_cast<std::size_t>(output())]; }
    [[nodiscard]] bool wants(std::size_t index) const { return tape_.needs[static_cast<std::size_t>(operand(index))]; }
    [[nodiscard]] ops::DType dtype(ValueId value) const { return tape_.graph.value(value).dtype; }
    [[nodiscard]] ops::Shape shape(ValueId value) const { return tape_.graph.value(value).shape; }

    /// Appends a backward node; results as Graph::add_node. Further results are in results().
    ValueId emit(ops::Operation operation, std::vector<ValueId> operands, std::optional<ops::DType> dtype = {},
                 std::optional<ops::Shape> shape = {});
    /// All results of the last node emitted.
    [[nodiscard]] const std::vector<ValueId> &results() const { return tape_.graph.nodes.back().outputs; }
    /// A scalar beside `like`: kept in fp32 (fp64 beside fp64), as PyTorch keeps a Python number in the compute type.
    ValueId scalar(double value, ValueId like);

    /// Adds a gradient of the operand's broadcast shape and any floating type: summed to the operand's shape, cast to
    /// its type, added to what other uses gave. Ignored when the operand wants none.
    void give(std::size_t index, ValueId gradient);
    /// emit() then give(): rounded directly to the operand's type when it was not broadcast, since rounding a sum of
    /// one is rounding once; else to the type of dy, then summed.
    void give_node(std::size_t index, ops::Operation operation, std::vector<ValueId> operands);

    /// A result nobody asked for: not traced.
    void hide(ValueId value) { tape_.graph.value(value).role = Role::saved; }

  private:
    ValueId sum_to_shape(ValueId gradient, ValueId operand);

    Tape &tape_;
    NodeId id_;
    Node node_; ///< a copy: emitting reallocates the graph's nodes
};

using Rule = void (*)(Backward &);

/// How an operation behaves under differentiation: a rule, or a reason why nothing flows through it, or neither
/// (nobody wrote the derivative: differentiate() refuses it on a path from a weight to the loss).
struct Derivative {
    Rule rule = nullptr;
    std::string_view stops; ///< "its result is boolean"
};
[[nodiscard]] Derivative derivative_of(ops::OpKind kind);

/// Each family's rules; {} for operations of other families. Derivatives are stated beside each rule.
[[nodiscard]] Rule unary_rule(ops::OpKind kind);
[[nodiscard]] Rule binary_rule(ops::OpKind kind);
[[nodiscard]] Rule reduction_rule(ops::OpKind kind);
[[nodiscard]] Rule product_rule(ops::OpKind kind);
[[nodiscard]] Rule normalization_rule(ops::OpKind kind);
[[nodiscard]] Rule loss_rule(ops::OpKind kind);
[[nodiscard]] Rule movement_rule(ops::OpKind kind);

} // namespace halfscope::model::autodiff
