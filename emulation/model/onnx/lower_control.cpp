// If on a condition known at import: the branch taken becomes part of the graph.
#include "emulation/model/onnx/lowering.h"

namespace halfscope::model::importing {
namespace {

void branch(NodeContext &node) {
    const ops::HostTensor *condition = node.draft.constant(node.in(0));
    if (!condition || condition->dtype != ops::DType::boolean || condition->shape.elements() != 1)
        throw Unsupported("a condition that is only known when the model runs");
    const bool taken = condition->as<std::uint8_t>()[0] != 0;
    const auto *graph = node.node.find<std::shared_ptr<const FileGraph>>(taken ? "then_branch" : "else_branch");
    if (!graph) throw std::runtime_error("the branch to take is missing");
    const auto outputs = node.inline_graph(**graph);
    for (std::size_t i = 0; i < outputs.size(); ++i) node.bind(i, outputs[i]);
}

} // namespace

void add_control_rules(RuleTable &table) { table["If"] = branch; }

} // namespace halfscope::model::importing
