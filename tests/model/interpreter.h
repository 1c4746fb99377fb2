// Runs a graph node by node through a backend, for tests: every value is kept, so any of them can be looked at.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/number/round_array.h"
#include "emulation/ops/backend.h"

#include <memory>
#include <stdexcept>
#include <vector>

namespace halfscope::tests {

class Interpreter {
  public:
    explicit Interpreter(const model::Graph &graph)
        : graph_(graph), backend_(ops::make_cpu_backend(1)), tensors_(graph.values.size()) {
        for (std::size_t i = 0; i < tensors_.size(); ++i) {
            const model::Value &value = graph.values[i];
            tensors_[i] = value.data ? *value.data : ops::HostTensor(value.dtype, value.shape);
        }
    }

    ops::HostTensor &operator[](model::ValueId id) { return tensors_[static_cast<std::size_t>(id)]; }

    void set_loss_scale(float scale) { (*this)[graph_.loss_scale].as<float>()[0] = scale; }

    /// All nodes in order, or the forward ones alone. Running statistics are replaced only by keep_statistics().
    void run(bool backward = true) {
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            const model::Node &node = graph_.nodes[i];
            if (node.phase == model::Phase::backward && !backward) continue;
            std::vector<ops::TensorView> inputs, outputs;
            for (model::ValueId id : node.inputs) inputs.push_back((*this)[id].view());
            for (model::ValueId id : node.outputs) outputs.push_back((*this)[id].view());
            const ops::RandomKey key{7, 0, static_cast<std::uint32_t>(i)};
            backend_->run(node.operation, inputs, outputs, {}, key);
        }
    }

    void keep_statistics() {
        for (model::ValueId buffer : graph_.buffers)
            if (graph_.value(buffer).updated_by != model::none)
                (*this)[buffer] = (*this)[graph_.value(buffer).updated_by];
    }

    /// A floating element as double.
    [[nodiscard]] double at(model::ValueId id, std::size_t element) {
        const ops::HostTensor &tensor = (*this)[id];
        switch (tensor.dtype) {
        case ops::DType::fp32: return static_cast<double>(tensor.as<float>()[element]);
        case ops::DType::fp64: return tensor.as<double>()[element];
        case ops::DType::fp16:
        case ops::DType::bf16:
            return static_cast<double>(
                number::widen_16bit(tensor.as<std::uint16_t>()[element], ops::format_id(tensor.dtype)));
        default: throw std::logic_error("not a floating value");
        }
    }

  private:
    const model::Graph &graph_;
    std::unique_ptr<ops::Backend> backend_;
    std::vector<ops::HostTensor> tensors_;
};

} // namespace halfscope::tests
