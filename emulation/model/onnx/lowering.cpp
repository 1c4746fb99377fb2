#include "emulation/model/onnx/lowering.h"

#include "emulation/model/onnx/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace halfscope::model::importing {
namespace {

/// Names that a node, its subgraphs included, takes from around it.
void collect_uses(const FileNode &node, std::unordered_set<std::string> &uses) {
    for (const std::string &input : node.inputs)
        if (!input.empty()) uses.insert(input);
    for (const auto &[name, attribute] : node.attributes)
        if (const auto *graph = std::get_if<std::shared_ptr<const FileGraph>>(&attribute.value)) {
            for (const FileNode &inner : (*graph)->nodes) collect_uses(inner, uses);
            uses.insert((*graph)->outputs.begin(), (*graph)->outputs.end());
        }
}

/// For each node, whether an output depends on it.
std::vector<bool> live_nodes(const FileGraph &graph) {
    std::unordered_set<std::string> needed(graph.outputs.begin(), graph.outputs.end());
    std::vector<bool> live(graph.nodes.size(), false);
    for (std::size_t i = graph.nodes.size(); i-- > 0;) {
        const FileNode &node = graph.nodes[i];
        live[i] = std::any_of(node.outputs.begin(), node.outputs.end(),
                              [&](const std::string &name) { return !name.empty() && needed.contains(name); });
        if (live[i]) collect_uses(node, needed);
    }
    return live;
}

std::string described(const FileNode &node, const Origin &origin) {
    const std::string op = node.domain.empty() ? node.op : node.domain + "." + node.op;
    return fmt::format("{} (node {})", op, node.name.empty() ? origin.name : node.name);
}

/// Branches and turns of loops that become part of a graph; loops inside loops multiply.
constexpr std::int64_t most_inlined = 1 << 16;

/// An inlined branch needs something already listed as unsupported.
struct PoisonedBranch {};

class Lowering {
  public:
    Lowering(const FileModel &model, const ImportOptions &options, const Treatment &treatment, Notes &notes)
        : model_(model), options_(options), treatment_(treatment), notes_(notes) {}

    Draft run() {
        const FileGraph &graph = model_.graph;
        add_initializers(graph);
        std::set<std::string> initializers;
        for (const auto &[name, tensor] : graph.initializers) initializers.insert(name);
        find_batch_symbol(graph, initializers);
        for (const FileInput &input : graph.inputs)
            if (!initializers.contains(input.name)) add_input(input);
        lower_nodes(graph);
        for (const std::string &name : graph.outputs) (void)is_poisoned(name);
        if (!unsupported_.empty()) {
            const bool one = unsupported_.size() == 1;
            throw std::runtime_error(fmt::format("{} that {} not supported, at opset {}: {}",
                                                 one ? "it needs an operator" : "it needs operators",
                                                 one ? "is" : "are", model_.opset, fmt::join(unsupported_, "; ")));
        }
        for (const std::string &name : graph.outputs) draft_.outputs.emplace_back(name, output_of(name));
        return std::move(draft_);
    }

  private:
    void add_initializers(const FileGraph &graph) {
        for (const auto &[name, tensor] : graph.initializers) add_parameter(name, tensor);
    }

    ValueId add_parameter(const std::string &name, const Tensor &tensor) {
        DraftValue value;
        value.name = value.source = name;
        value.dtype = tensor->dtype;
        value.shape = tensor->shape;
        value.data = tensor;
        value.kind = ops::is_floating(tensor->dtype) ? DraftValue::Kind::weight : DraftValue::Kind::constant;
        if (const auto chosen = treatment_.find(name); chosen != treatment_.end()) value.kind = chosen->second;
        return scope_[name] = draft_.add_value(std::move(value));
    }

    /// The axis that says it is the batch ([length, batch, width] of recurrent nets has it second), else each input's
    /// first.
    void find_batch_symbol(const FileGraph &graph, const std::set<std::string> &initializers) {
        for (const FileInput &input : graph.inputs) {
            if (initializers.contains(input.name)) continue;
            for (const std::string &symbol : input.symbols) {
                std::string lower = symbol;
                std::transform(lower.begin(), lower.end(), lower.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
                const bool says_so = lower.find("batch") != std::string::npos || lower == "n" || lower == "b";
                if (says_so && batch_symbol_.empty()) batch_symbol_ = symbol;
            }
        }
    }

    std::int64_t size_of_axis(const FileInput &input, std::size_t axis) {
        if (input.sizes[axis] >= 0) return input.sizes[axis];
        const std::string &symbol = input.symbols[axis];
        const auto named = symbol.empty() ? options_.dimensions.end() : options_.dimensions.find(symbol);
        if (named != options_.dimensions.end()) return named->second;
        const bool names_batch = !batch_symbol_.empty() && !symbol.empty();
        if (names_batch ? symbol == batch_symbol_ : axis == 0)
            return options_.batch > 0 ? options_.batch : ImportOptions::free_batch;
        notes_.add(
            fmt::format("Axis {} of input '{}'{} has no fixed size; {} was taken (--dimension NAME=SIZE sets it).",
                        axis, input.name, symbol.empty() ? "" : " ('" + symbol + "')", ImportOptions::free_axis));
        return ImportOptions::free_axis;
    }

    void add_input(const FileInput &input) {
        if (!input.has_shape) throw std::runtime_error(fmt::format("input '{}' does not state its shape", input.name));
        std::vector<std::int64_t> sizes;
        for (std::size_t axis = 0; axis < input.sizes.size(); ++axis) sizes.push_back(size_of_axis(input, axis));
        DraftValue value;
        value.kind = DraftValue::Kind::input;
        value.name = input.name;
        value.dtype = input.dtype;
        value.shape = checked_shape(sizes, fmt::format("input '{}'", input.name));
        const ValueId id = draft_.add_value(std::move(value));
        draft_.inputs.push_back(id);
        scope_[input.name] = id;
    }

    ValueId lookup(const std::string &name) const {
        if (name.empty()) return none;
        const auto found = scope_.find(name);
        if (found == scope_.end())
            throw std::runtime_error(fmt::format("nothing makes the value '{}'; the file is damaged", name));
        return found->second;
    }

    /// Of a graph or branch: there must be one.
    ValueId output_of(const std::string &name) const {
        const ValueId id = lookup(name);
        if (id == none) throw std::runtime_error("an output has no name or no value; the file is damaged");
        return id;
    }

    void lower_nodes(const FileGraph &graph) {
        const std::vector<bool> live = live_nodes(graph);
        for (std::size_t i = 0; i < graph.nodes.size(); ++i)
            if (live[i]) lower_node(graph.nodes[i], position_++);
    }

    /// True when no value can be had for a name; a result that its operator cannot give is reported at its first use.
    bool is_poisoned(const std::string &name) {
        if (const auto missing = missing_.find(name); missing != missing_.end()) {
            unsupported_.push_back(fmt::format("{}: its result '{}'", missing->second, name));
            missing_.erase(missing);
        }
        return poisoned_.contains(name);
    }

    void poison(const FileNode &node) {
        for (const std::string &output : node.outputs) {
            poisoned_.insert(output);
            scope_.erase(output);
        }
    }

    void lower_node(const FileNode &node, std::size_t position) {
        std::unordered_set<std::string> uses;
        collect_uses(node, uses);
        bool poisoned = false;
        for (const std::string &name : uses) poisoned = is_poisoned(name) || poisoned;
        if (poisoned) return poison(node);
        const Origin origin = origin_of(node, position);
        NodeContext context(draft_, node, origin, model_.opset, options_, notes_);
        context.inline_graph = [this](const FileGraph &graph, const std::vector<ValueId> &given,
                                      const std::string &suffix) { return inline_graph(graph, given, suffix); };
        try {
            for (const std::string &input : node.inputs) context.operands.push_back(lookup(input));
            context.results.assign(node.outputs.size(), none);
            if (alias_of_parameter(node, context.operands)) return;
            const auto rule = rules().find(node.op);
            if (rule == rules().end() || !node.domain.empty()) throw Unsupported("");
            rule->second(context);
        } catch (const PoisonedBranch &) {
            return poison(node);
        } catch (const Unsupported &reason) {
            const std::string detail = reason.what();
            unsupported_.push_back(described(node, origin) + (detail.empty() ? "" : ": " + detail));
            return poison(node);
        } catch (const std::bad_alloc &) {
            throw;
        } catch (const std::exception &error) {
            throw std::runtime_error(fmt::format("{}: {}", described(node, origin), error.what()));
        }
        bind_results(node, origin, context.results);
    }

    void bind_results(const FileNode &node, const Origin &origin, const std::vector<ValueId> &results) {
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            if (node.outputs[i].empty()) continue;
            if (results[i] == none) {
                // A result that this operator cannot give (a mask, an index): an error only where it is used.
                poisoned_.insert(node.outputs[i]);
                missing_.emplace(node.outputs[i], described(node, origin));
                continue;
            }
            scope_[node.outputs[i]] = results[i];
            DraftValue &value = draft_.value(results[i]);
            if (value.name.empty()) value.name = node.outputs[i] + suffix_;
        }
    }

    /// Exporters merge initialisers whose values merely coincide and write an Identity for each: every alias becomes a
    /// parameter of its own, as it was in the user's model.
    bool alias_of_parameter(const FileNode &node, const std::vector<ValueId> &operands) {
        if (node.op != "Identity" || !node.domain.empty() || operands.size() != 1 || operands[0] == none ||
            node.outputs.size() != 1)
            return false;
        const DraftValue original = draft_.value(operands[0]);
        if (original.source.empty() || !ops::is_floating(original.dtype)) return false;
        const ValueId alias = add_parameter(node.outputs[0], original.data);
        if (draft_.value(alias).kind != DraftValue::Kind::weight || is_made_up(node.outputs[0])) return true;
        notes_.about(node.outputs[0],
                     "The exporter had merged parameters with equal values; these are parameters of their own again:");
        return true;
    }

    std::vector<ValueId> inline_graph(const FileGraph &graph, const std::vector<ValueId> &given,
                                      const std::string &suffix) {
        if (++inlined_ > most_inlined) throw Unsupported(fmt::format("more than {} turns in all", most_inlined));
        const auto outer = scope_;
        const std::string outer_suffix = suffix_;
        suffix_ += suffix;
        // Every turn of a loop reads the same parameters.
        auto &parameters = inlined_parameters_[&graph];
        for (const auto &[name, id] : parameters) scope_[name] = id;
        if (parameters.empty())
            for (const auto &[name, tensor] : graph.initializers) parameters[name] = add_parameter(name, tensor);
        for (std::size_t i = 0; i < given.size(); ++i) scope_[graph.inputs.at(i).name] = given[i];
        lower_nodes(graph);
        std::vector<ValueId> outputs;
        for (const std::string &name : graph.outputs) {
            if (is_poisoned(name)) throw PoisonedBranch();
            outputs.push_back(output_of(name));
        }
        scope_ = outer;
        suffix_ = outer_suffix;
        return outputs;
    }

    const FileModel &model_;
    const ImportOptions &options_;
    const Treatment &treatment_;
    Notes &notes_;
    Draft draft_;
    std::unordered_map<std::string, ValueId> scope_;
    std::unordered_set<std::string> poisoned_;
    std::unordered_map<std::string, std::string> missing_; ///< a result nobody can have -> its node
    std::vector<std::string> unsupported_;
    std::unordered_map<const FileGraph *, std::map<std::string, ValueId>> inlined_parameters_;
    std::int64_t inlined_ = 0;
    std::string suffix_; ///< of the turns of the loops around the node that is lowered
    std::string batch_symbol_;
    std::size_t position_ = 0;
};

} // namespace

Draft lower(const FileModel &model, const ImportOptions &options, const Treatment &treatment, Notes &notes) {
    return Lowering(model, options, treatment, notes).run();
}

const RuleTable &rules() {
    static const RuleTable table = [] {
        RuleTable made;
        add_elementwise_rules(made);
        add_activation_rules(made);
        add_shape_rules(made);
        add_slicing_rules(made);
        add_indexing_rules(made);
        add_scatter_rules(made);
        add_random_rules(made);
        add_constant_rules(made);
        add_reduction_rules(made);
        add_product_rules(made);
        add_window_rules(made);
        add_resize_rules(made);
        add_normalization_rules(made);
        add_loss_rules(made);
        add_recurrent_rules(made);
        add_control_rules(made);
        return made;
    }();
    return table;
}

} // namespace halfscope::model::importing
