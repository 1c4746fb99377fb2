// Runs a graph on a backend, again and again, with nothing allocated in between.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/ops/backend.h"
#include "emulation/ops/layer_listener.h"
#include "emulation/train/execution/memory_plan.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace halfscope::train {

/// Backend memory that gives itself back.
class DeviceMemory {
  public:
    DeviceMemory() = default;
    DeviceMemory(ops::Backend &backend, std::size_t bytes)
        : backend_(&backend), data_(bytes ? backend.allocate(bytes) : nullptr) {}
    DeviceMemory(DeviceMemory &&other) noexcept
        : backend_(other.backend_), data_(std::exchange(other.data_, nullptr)) {}
    DeviceMemory &operator=(DeviceMemory &&other) noexcept {
        std::swap(backend_, other.backend_);
        std::swap(data_, other.data_);
        return *this;
    }
    ~DeviceMemory() {
        if (data_) backend_->release(data_);
    }
    [[nodiscard]] void *data() const { return data_; }

  private:
    ops::Backend *backend_ = nullptr;
    void *data_ = nullptr;
};

/// What is measured during a run.
enum class Measure : std::uint8_t {
    nothing,
    traced, ///< floating forward results, 16-bit weight casts, gradients and weight gradients
    all,    ///< those and the floating values saved for the backward pass
};

class Executor {
  public:
    /// Values of `wanted` can be read after a run; only what they depend on is executed. Weights, buffers and constants
    /// start with their data. The graph must outlive the executor.
    Executor(const model::Graph &graph, ops::Backend &backend, std::vector<model::ValueId> wanted);

    [[nodiscard]] const model::Graph &graph() const { return graph_; }
    [[nodiscard]] ops::Backend &backend() const { return backend_; }

    /// A value with memory of its own: inputs, weights, buffers, constants, wanted values.
    [[nodiscard]] ops::TensorView view(model::ValueId id) const { return views_[static_cast<std::size_t>(id)]; }
    void upload(model::ValueId id, const ops::HostTensor &tensor);
    [[nodiscard]] ops::HostTensor download(model::ValueId id) const;
    [[nodiscard]] double scalar(model::ValueId id) const;
    /// Seeds the backward pass with this (fp32). Only for differentiated graphs.
    void set_loss_scale(float scale);

    /// Forward, and backward when the graph has it. Statistics of measured values are added to those gathered since
    /// clear_statistics(), so that micro-batches add up.
    void run(std::uint64_t seed, std::uint32_t step, Measure measure = Measure::nothing);
    /// Copies new running statistics over the buffers they replace.
    void commit_buffers();

    void clear_statistics();
    /// Values measured by Measure::traced, in execution order.
    [[nodiscard]] std::span<const model::ValueId> traced() const { return traced_; }
    /// Statistics of a value that was measured; null when it is not one that is (views are not: see root()).
    [[nodiscard]] const number::RangeStatistics *statistics(model::ValueId id) const;
    /// The value whose memory, and so whose contents, `id` shares.
    [[nodiscard]] model::ValueId root(model::ValueId id) const {
        return plan_.places[static_cast<std::size_t>(id)].root;
    }
    /// Nodes that run, in order.
    [[nodiscard]] std::span<const model::NodeId> nodes() const { return plan_.nodes; }
    [[nodiscard]] std::size_t arena_bytes() const { return plan_.arena_bytes; }

  private:
    struct Step {
        const ops::Operation *operation;
        std::string_view layer; ///< of the first output
        std::uint32_t tensor;   ///< for random keys: the first output's id, which recipes share with the fp32 graph
        std::vector<ops::TensorView> inputs, outputs;
        std::vector<number::RangeStatistics *> traced, all; ///< empty when nothing is measured
    };

    const model::Graph &graph_;
    ops::Backend &backend_;
    ops::LayerListener *listener_; ///< the backend, where it wants to know; else null
    MemoryPlan plan_;
    DeviceMemory arena_;
    std::vector<DeviceMemory> own_;
    std::vector<ops::TensorView> views_;
    std::vector<Step> steps_;
    std::vector<model::ValueId> traced_;
    std::vector<number::RangeStatistics> statistics_; ///< of every measurable value
    std::vector<std::int32_t> statistics_of_;         ///< per value, index into statistics_ or -1
};

} // namespace halfscope::train
