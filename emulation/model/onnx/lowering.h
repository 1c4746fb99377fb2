// Turns the file's nodes into operations: shapes become fixed, constants are folded, forms that changed between opsets
// become one.
#pragma once

#include "emulation/model/onnx/draft.h"
#include "emulation/model/onnx/import.h"
#include "emulation/model/onnx/notes.h"

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace halfscope::model::importing {

/// An operator, or a variant of one, that has no counterpart. These are collected and reported together.
struct Unsupported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What the initialisers are, by name; one that is not listed is a weight when floating and a constant otherwise.
using Treatment = std::map<std::string, DraftValue::Kind>;

/// The file's graph as operations. Throws std::runtime_error (not naming the file) with the first misfit, or with the
/// list of everything that is not supported.
[[nodiscard]] Draft lower(const FileModel &model, const ImportOptions &options, const Treatment &treatment,
                          Notes &notes);

/// One node of the file while it is lowered.
class NodeContext {
  public:
    NodeContext(Draft &to, const FileNode &from, Origin origin_, std::int64_t opset_, const ImportOptions &options_,
                Notes &notes_)
        : draft(to), node(from), origin(std::move(origin_)), opset(opset_), options(options_), notes(notes_) {}

    Draft &draft;
    const FileNode &node;
    Origin origin;
    std::int64_t opset;
    const ImportOptions &options;
    Notes &notes;
    std::vector<ValueId> operands; ///< model::none where left out
    std::vector<ValueId> results;  ///< one per output of the node; model::none until bound
    /// Inlines a subgraph whose inputs are `given`, and returns its outputs; `suffix` tells its tensors' names from
    /// those of another turn.
    std::function<std::vector<ValueId>(const FileGraph &, const std::vector<ValueId> &given, const std::string &suffix)>
        inline_graph;

    [[nodiscard]] bool has(std::size_t index) const { return index < operands.size() && operands[index] != none; }
    /// A required operand; throws when it is left out.
    [[nodiscard]] ValueId in(std::size_t index) const;
    [[nodiscard]] const ops::Shape &shape(ValueId id) const { return draft.value(id).shape; }
    [[nodiscard]] int rank(ValueId id) const { return draft.value(id).shape.rank(); }
    [[nodiscard]] ops::DType dtype(ValueId id) const { return draft.value(id).dtype; }
    [[nodiscard]] bool floating(ValueId id) const { return ops::is_floating(draft.value(id).dtype); }

    /// An integer operand that must be known at import; `what` names it ("the shape"). Throws when it is not.
    [[nodiscard]] std::vector<std::int64_t> integers(std::size_t index, std::string_view what) const;
    /// A one-element operand that must be known; any storage type.
    [[nodiscard]] double number(std::size_t index, std::string_view what) const;
    /// Attribute `name` in old opsets, operand `index` in new ones; empty when neither is there.
    [[nodiscard]] std::vector<std::int64_t> attribute_or_operand(std::string_view name, std::size_t index) const;

    /// Non-negative axis of a rank; throws when outside.
    [[nodiscard]] static int axis(std::int64_t given, int rank);
    /// An attribute of window sizes: `count` entries from 0 to 2^31, `fallback` everywhere when absent.
    [[nodiscard]] std::vector<std::int64_t> window(std::string_view name, std::size_t count,
                                                   std::int64_t fallback) const;

    std::vector<ValueId> emit_all(ops::Operation operation, std::vector<ValueId> from, Emission emission = {}) {
        return draft.emit(std::move(operation), std::move(from), origin, std::move(emission));
    }
    ValueId emit(ops::Operation operation, std::vector<ValueId> from, Emission emission = {}) {
        return emit_all(std::move(operation), std::move(from), std::move(emission)).front();
    }
    /// These return the operand itself when there is nothing to do.
    ValueId reshape(ValueId x, const ops::Shape &to);
    ValueId transpose(ValueId x, const std::vector<int> &order);
    ValueId expand(ValueId x, const ops::Shape &to);
    ValueId cast(ValueId x, ops::DType to);
    ValueId reverse(ValueId x, int along);

    ValueId integers_constant(const std::vector<std::int64_t> &values);
    ValueId scalar_constant(double value);

    void bind(std::size_t output, ValueId value);
};

using Rule = void (*)(NodeContext &);
using RuleTable = std::map<std::string_view, Rule>;

/// Every operator that can be lowered.
[[nodiscard]] const RuleTable &rules();

void add_elementwise_rules(RuleTable &table);
void add_activation_rules(RuleTable &table);
void add_shape_rules(RuleTable &table);
void add_slicing_rules(RuleTable &table);
void add_indexing_rules(RuleTable &table);
void add_scatter_rules(RuleTable &table);
void add_random_rules(RuleTable &table);
void add_constant_rules(RuleTable &table);
void add_reduction_rules(RuleTable &table);
void add_product_rules(RuleTable &table);
void add_window_rules(RuleTable &table);
void add_resize_rules(RuleTable &table);
void add_normalization_rules(RuleTable &table);
void add_loss_rules(RuleTable &table);
void add_recurrent_rules(RuleTable &table);
void add_control_rules(RuleTable &table);

} // namespace halfscope::model::importing
