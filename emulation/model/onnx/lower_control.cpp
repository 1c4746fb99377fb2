// If on a condition and Loop over a count known at import: the branch taken, and each turn, become part of the graph.
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <limits>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::Shape;

/// More turns make a graph too large to train step by step here.
constexpr std::int64_t most_turns = 4096;

bool known_truth(const NodeContext &node, ValueId condition) {
    const ops::HostTensor *known = node.draft.constant(condition);
    if (!known || known->dtype != DType::boolean || known->shape.elements() != 1)
        throw Unsupported("a condition that is only known when the model runs");
    return known->as<std::uint8_t>()[0] != 0;
}

const FileGraph &graph_of(const NodeContext &node, std::string_view attribute) {
    const auto *graph = node.node.find<std::shared_ptr<const FileGraph>>(attribute);
    if (!graph) throw std::runtime_error(fmt::format("its {} is missing", attribute));
    return **graph;
}

void branch(NodeContext &node) {
    const bool taken = known_truth(node, node.in(0));
    const auto outputs = node.inline_graph(graph_of(node, taken ? "then_branch" : "else_branch"), {}, "");
    for (std::size_t i = 0; i < outputs.size(); ++i) node.bind(i, outputs[i]);
}

ValueId scalar_of(NodeContext &node, DType dtype, std::int64_t value) {
    ops::HostTensor tensor(dtype, Shape{});
    if (dtype == DType::boolean)
        tensor.as<std::uint8_t>()[0] = value != 0;
    else
        tensor.as<std::int64_t>()[0] = value;
    return node.draft.add_constant(std::move(tensor));
}

/// The body takes (turn, condition, carried...) and gives (condition, carried..., one slice of each stacked result...).
void loop(NodeContext &node) {
    const FileGraph &body = graph_of(node, "body");
    const std::size_t carried = node.operands.size() < 2 ? 0 : node.operands.size() - 2;
    if (body.inputs.size() != carried + 2 || body.outputs.size() < carried + 1 ||
        node.results.size() > body.outputs.size() - 1)
        throw std::runtime_error("its body does not fit its operands and results");
    std::int64_t turns = std::numeric_limits<std::int64_t>::max();
    if (node.has(0)) {
        const auto stated = node.integers(0, "its number of turns");
        if (stated.size() != 1) throw std::runtime_error("its number of turns is not one number");
        turns = stated[0];
    }
    bool goes_on = !node.has(1) || known_truth(node, node.in(1));
    std::vector<ValueId> state(node.operands.begin() + std::min<std::ptrdiff_t>(2, std::ssize(node.operands)),
                               node.operands.end());
    std::vector<std::vector<ValueId>> stacked(body.outputs.size() - 1 - carried);
    for (std::int64_t turn = 0; turn < turns && goes_on; ++turn) {
        if (turn == most_turns) throw Unsupported(fmt::format("more than {} turns", most_turns));
        std::vector<ValueId> given{scalar_of(node, DType::int64, turn), scalar_of(node, DType::boolean, 1)};
        given.insert(given.end(), state.begin(), state.end());
        const auto outputs = node.inline_graph(body, given, fmt::format(".{}", turn));
        goes_on = known_truth(node, outputs[0]);
        for (std::size_t i = 0; i < carried; ++i) state[i] = outputs[1 + i];
        for (std::size_t i = 0; i < stacked.size(); ++i) {
            Shape slice{1};
            for (std::int64_t size : node.shape(outputs[1 + carried + i]).sizes()) slice.append(size);
            stacked[i].push_back(node.reshape(outputs[1 + carried + i], slice));
        }
    }
    for (std::size_t i = 0; i < node.results.size(); ++i) {
        if (i < carried) {
            node.bind(i, state[i]);
            continue;
        }
        const auto &slices = stacked[i - carried];
        if (slices.empty()) throw Unsupported("a stacked result of no turn");
        node.bind(i, slices.size() == 1 ? slices[0]
                                        : node.emit({ops::OpKind::concat, ops::Axis{0}, {}}, slices, {"stack"}));
    }
}

} // namespace

void add_control_rules(RuleTable &table) {
    table["If"] = branch;
    table["Loop"] = loop;
}

} // namespace halfscope::model::importing
