#include "emulation/train/lowering/lower.h"

namespace halfscope::train {

model::Graph inference_form(const model::Graph &lowered) {
    model::Graph graph = lowered;
    for (model::Node &node : graph.nodes) {
        if (node.operation.kind == ops::OpKind::batch_norm_training) {
            node.operation.kind = ops::OpKind::batch_norm_inference;
            node.outputs.resize(1);
        } else if (node.operation.kind == ops::OpKind::dropout) {
            node.operation.kind = ops::OpKind::cast;
            node.operation.attributes = std::monostate{};
            node.outputs.resize(1);
        }
    }
    for (model::Value &value : graph.values) value.updated_by = model::none;
    return graph;
}

} // namespace halfscope::train
