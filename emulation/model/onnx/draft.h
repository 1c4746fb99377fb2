// The graph while it is being made from a file: nodes can still be replaced, values known at import are folded, and
// what an initialiser is (weight, buffer, constant) can still be decided.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/model/onnx/file_model.h"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::model::importing {

struct DraftValue {
    enum class Kind : std::uint8_t {
        input,
        weight,    ///< floating initialiser that is trained, as far as known
        statistic, ///< initialiser kept as it is and never folded: frozen weights, running statistics
        constant,  ///< known at import: folded, or an initialiser that only masks, indexes or tabulates
        activation,
    } kind = Kind::activation;
    std::string name;   ///< as in the file; "" for values the file does not name
    std::string source; ///< the initialiser it is, or ""
    ops::DType dtype = ops::DType::fp32;
    ops::Shape shape;
    Tensor data; ///< of weights, statistics and constants
};

/// Where a node comes from.
struct Origin {
    std::string name;  ///< dotted user name of the file's node ("h.0.attn.MatMul_1"), or of the layer once known
    std::string layer; ///< the module it belongs to ("h.0.attn")
    std::string op;    ///< the file's operator
};

struct DraftNode {
    ops::Operation operation;
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs; ///< a node made by a pattern states only the first
    std::string policy;
    Origin origin;
    std::optional<ops::DType> output_dtype; ///< of a cast
    std::optional<ops::Shape> output_shape; ///< where operands do not decide it
    bool constant_first = false;            ///< scale, shift: the number was the first operand in the file
    bool removed = false;                   ///< no output depends on it any more
};

/// A folded value lives in the program for as long as the model does; 256 MiB of fp32 is far above any mask or table
/// and far below what a damaged file can ask for.
inline constexpr std::int64_t largest_constant = std::int64_t{1} << 26;

/// What emit() cannot infer.
struct Emission {
    std::string policy; ///< empty: policy_of(kind)
    std::optional<ops::Shape> shape = {};
    std::optional<ops::DType> dtype = {};
};

class Draft {
  public:
    std::deque<DraftValue> values; ///< references stay valid while it grows
    std::vector<DraftNode> nodes;
    std::vector<ValueId> inputs;
    std::vector<std::pair<std::string, ValueId>> outputs; ///< the file's names

    [[nodiscard]] const DraftValue &value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
    DraftValue &value(ValueId id) { return values[static_cast<std::size_t>(id)]; }

    ValueId add_value(DraftValue value);
    ValueId add_constant(ops::HostTensor data);
    ValueId add_constant(Tensor data);

    /// Appends an operation and returns its results, or, when every operand is a constant, evaluates it and returns a
    /// constant. Throws std::invalid_argument or std::runtime_error when operands do not fit or a result is too large.
    std::vector<ValueId> emit(ops::Operation operation, std::vector<ValueId> operands, const Origin &origin,
                              Emission emission = {});

    /// Content of a constant, or null.
    [[nodiscard]] const ops::HostTensor *constant(ValueId id) const;
    /// Value of a one-element fp32 constant.
    [[nodiscard]] std::optional<double> scalar(ValueId id) const;
};

/// The PyTorch name by which autocast lists know an operation when nothing more is known than its kind.
[[nodiscard]] std::string policy_of(ops::OpKind kind);

} // namespace halfscope::model::importing
