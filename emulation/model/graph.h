// The program a training step executes: values, nodes in execution order, forward and backward in one graph.
#pragma once

#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace halfscope::model {

using ValueId = std::int32_t;
using NodeId = std::int32_t;
inline constexpr std::int32_t none = -1;

/// What a value is to a reader of the report.
enum class Role : std::uint8_t {
    input,           ///< fed per batch
    target,          ///< labels, fed per batch
    weight,          ///< trained initialiser, or its 16-bit cast
    buffer,          ///< initialiser that is not trained by gradient (running statistics, masks, tables)
    constant,        ///< known at build time
    activation,      ///< made by a forward node
    loss,            ///< the scalar that is minimised, before loss scaling
    gradient,        ///< d(scaled loss) / d(activation)      (dgrad)
    weight_gradient, ///< d(scaled loss) / d(weight)          (wgrad)
    saved,           ///< saved for the backward pass (means, masks, indices); not traced
    optimizer_state, ///<
};
[[nodiscard]] std::string_view name_of(Role role);

struct Value {
    std::string name;  ///< unique in the graph; change it with Graph::rename
    std::string layer; ///< the user's name for the layer it belongs to; gradients carry their forward value's layer
    ops::DType dtype = ops::DType::fp32;
    ops::Shape shape;
    Role role = Role::activation;
    NodeId producer = none;     ///< none for inputs, weights, buffers, constants
    ValueId gradient_of = none; ///< the forward value a gradient belongs to
    ValueId gradient = none;    ///< forward values: d(scaled loss)/d(this), set by differentiate(). An addition
                                ///< hands its gradient on unchanged, so several values may share one
    std::optional<ops::HostTensor> data; ///< initial content of weights and buffers, content of constants
    ValueId updated_by =
        none; ///< buffers: the value whose content replaces this one after the step (running statistics)
};

enum class Phase : std::uint8_t { forward, backward };

struct Node {
    ops::Operation operation;
    std::string name;   ///< the user's name (ONNX node name, module path)
    std::string policy; ///< the PyTorch operation that autocast lists know it by: "linear", "matmul", "conv2d",
                        ///< "layer_norm", "softmax", "add", "gelu", ...
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    Phase phase = Phase::forward;
    NodeId differentiates = none; ///< backward nodes: the forward node
};

class Graph {
  public:
    std::string name;
    std::vector<Value> values;
    std::vector<Node> nodes;      ///< execution order
    std::vector<ValueId> inputs;  ///< Role::input and Role::target, in the file's order
    std::vector<ValueId> weights; ///< trained
    std::vector<ValueId> buffers;
    std::vector<ValueId> outputs; ///< the model's outputs, in the file's order
    ValueId loss = none;
    /// fp32 scalar input that seeds the backward pass; set by differentiate(). Not among `inputs`.
    ValueId loss_scale = none;
    /// weight -> its gradient, parallel to `weights` (none where no gradient flows); set by differentiate()
    std::vector<ValueId> weight_gradients;

    [[nodiscard]] const Value &value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
    Value &value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
    [[nodiscard]] const Node &node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }

    /// A name already taken gets "_2", "_3", ... appended; an empty one becomes "value".
    ValueId add_value(Value value);
    ValueId add_input(std::string name, ops::DType dtype, const ops::Shape &shape, Role role = Role::input);
    ValueId add_weight(std::string name, std::string layer, ops::HostTensor data);
    ValueId add_buffer(std::string name, std::string layer, ops::HostTensor data);
    ValueId add_constant(ops::HostTensor data, std::string name = {});
    ValueId add_scalar(double value, ops::DType dtype = ops::DType::fp32);

    /// Appends a node; output shapes and dtypes are inferred (model/shape_inference.h). Floating outputs take
    /// `output_dtype` when given, else the promotion of the floating operands; a cast goes to `output_dtype`.
    /// `output_shape` is required where operands do not decide the shape (reshape, expand, fill, one_hot,
    /// resize_nearest, ...). Attributes left out get their defaults. Returns the first output, named as the node; the
    /// others follow it in nodes.back().outputs ("bn1.mean", ...). Every output's layer is the node's name until the
    /// caller sets another. The running statistics of batch_norm_training are marked to replace their buffers
    /// (Value::updated_by). Throws std::invalid_argument naming the node when operands do not fit; the graph is then
    /// unchanged.
    ValueId add_node(ops::Operation operation, std::vector<ValueId> operands, std::string name, std::string policy,
                     std::optional<ops::DType> output_dtype = {}, std::optional<ops::Shape> output_shape = {});

    /// Gives a value another name; made unique as by add_value.
    void rename(ValueId id, std::string name);

    [[nodiscard]] ValueId find(std::string_view name) const; ///< none when absent

  private:
    std::string unique_name(std::string name);

    std::unordered_map<std::string, ValueId> by_name_; ///< a hint: values renamed by hand are searched for
    std::unordered_map<std::string, int> copies_;      ///< last number appended to a name that was taken
};

} // namespace halfscope::model
