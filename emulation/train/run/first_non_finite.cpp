#include "emulation/train/run/first_non_finite.h"

#include "emulation/number/round_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::train {
namespace {

using model::Graph;
using model::Node;
using model::NodeId;
using model::Role;
using model::ValueId;

struct Contents {
    bool infinite = false, nan = false;
    double amax = 0; ///< of the stored finite values
};

std::size_t at(std::int32_t id) { return static_cast<std::size_t>(id); }

Contents of(const number::RangeStatistics &statistics) {
    return {statistics.infinities + statistics.overflows > 0, statistics.nans > 0,
            static_cast<double>(statistics.amax)};
}

/// What a value without a producer holds, read from memory.
Contents stored(const Executor &executor, ValueId id) {
    if (!executor.view(id).data || !ops::is_floating(executor.graph().value(id).dtype)) return {};
    ops::HostTensor tensor = executor.download(id);
    const auto count = static_cast<std::size_t>(tensor.shape.elements());
    if (tensor.dtype == ops::DType::fp64) {
        Contents contents;
        for (double value : tensor.as<double>()) {
            contents.nan = contents.nan || std::isnan(value);
            contents.infinite = contents.infinite || std::isinf(value);
            if (std::isfinite(value)) contents.amax = std::max(contents.amax, std::abs(value));
        }
        return contents;
    }
    number::RangeStatistics statistics;
    number::measure_array(tensor.bytes.data(), count, ops::format_id(tensor.dtype), statistics);
    return of(statistics);
}

/// Contents of every value of a run.
class Snapshot {
  public:
    explicit Snapshot(const Executor &executor) : executor_(executor), contents_(executor.graph().values.size()) {
        const Graph &graph = executor.graph();
        for (std::size_t id = 0; id < contents_.size(); ++id) {
            const auto value = static_cast<ValueId>(id);
            if (graph.values[id].producer == model::none)
                contents_[id] = stored(executor, value);
            else if (const auto *statistics = executor.statistics(value))
                contents_[id] = of(*statistics);
        }
    }
    [[nodiscard]] const Contents &operator[](ValueId id) const { return contents_[at(executor_.root(id))]; }

  private:
    const Executor &executor_;
    std::vector<Contents> contents_;
};

std::string describe(const Graph &graph, const Node &node, const Snapshot &snapshot, ValueId output) {
    std::string operands;
    for (ValueId id : node.inputs)
        if (ops::is_floating(graph.value(id).dtype))
            operands += fmt::format("{}'{}' up to {:.4g} ({})", operands.empty() ? "" : ", ", graph.value(id).name,
                                    snapshot[id].amax, ops::name_of(graph.value(id).dtype));
    return fmt::format("{} '{}' of {} gave '{}' in {}", ops::name_of(node.operation.kind), node.name,
                       operands.empty() ? "no floating operands" : operands, graph.value(output).name,
                       ops::name_of(graph.value(output).dtype));
}

} // namespace

double largest_finite(ops::DType dtype) {
    const number::Format &format = number::format_of(ops::format_id(dtype));
    return std::ldexp(2.0 - std::ldexp(1.0, 1 - format.precision), format.emax);
}

bool held_non_finite(const Executor &executor, ValueId value) {
    const auto *statistics = executor.statistics(executor.root(value));
    if (!statistics) return false;
    const Contents contents = of(*statistics);
    return contents.infinite || contents.nan;
}

NonFiniteSources find_non_finite_source(const Executor &executor, const Executor *twin) {
    const Graph &graph = executor.graph();
    const Snapshot snapshot(executor);
    std::optional<Snapshot> reference;
    if (twin) reference.emplace(*twin);
    const auto in_twin = [&](ValueId id) -> std::optional<Contents> {
        if (!twin) return std::nullopt;
        const ValueId same = twin->graph().find(graph.value(id).name);
        if (same == model::none) return std::nullopt;
        return (*reference)[same];
    };

    std::vector<bool> constant(graph.values.size()); // known before training: constants, buffers, and what they make
    for (std::size_t id = 0; id < constant.size(); ++id) {
        const Role role = graph.values[id].role;
        constant[id] = graph.values[id].producer == model::none && (role == Role::constant || role == Role::buffer);
    }
    NonFiniteSources found;
    for (NodeId id : executor.nodes()) {
        const Node &node = graph.node(id);
        const bool from_constants =
            std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) { return constant[at(input)]; });
        double amax = 0;
        // `any` counts every operand; `accident` leaves out infinities and NaNs that fp32 has in the same place.
        Contents any, accident;
        for (ValueId input : node.inputs) {
            const Contents &contents = snapshot[input];
            const Contents meant = in_twin(input).value_or(Contents{});
            amax = std::max(amax, contents.amax);
            any.infinite = any.infinite || contents.infinite;
            any.nan = any.nan || contents.nan;
            accident.infinite = accident.infinite || (contents.infinite && !meant.infinite);
            accident.nan = accident.nan || (contents.nan && !meant.nan);
        }
        for (ValueId output : node.outputs) {
            if (from_constants) constant[at(output)] = true;
            if (!executor.statistics(output)) continue;
            const Contents &contents = snapshot[output];
            if (!contents.infinite && !contents.nan) continue;
            const std::optional<Contents> reference_output = in_twin(output);
            const Contents meant = reference_output.value_or(Contents{});
            const Contents &operands =
                reference_output ? accident : any; // nothing to compare with: no benefit of doubt
            const auto source = [&] {
                return NonFiniteSource{id, output, amax, largest_finite(graph.value(output).dtype),
                                       describe(graph, node, snapshot, output)};
            };
            if (contents.infinite && !found.infinity && !operands.infinite && !operands.nan && !meant.infinite &&
                !from_constants)
                found.infinity = source();
            if (contents.nan && !found.nan && !operands.nan && !meant.nan) found.nan = source();
        }
        if (found.infinity && found.nan) break;
    }
    return found;
}

} // namespace halfscope::train
