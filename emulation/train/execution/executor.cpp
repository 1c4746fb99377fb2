#include "emulation/train/execution/executor.h"

#include "emulation/number/round_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace halfscope::train {
namespace {

using model::Role;
using model::Value;
using model::ValueId;

bool is_traced(const Value &value) {
    if (!ops::is_floating(value.dtype) || value.producer == model::none) return false;
    switch (value.role) {
    case Role::activation:
    case Role::loss:
    case Role::gradient:
    case Role::weight_gradient:
    case Role::weight: return true;
    default: return false;
    }
}

} // namespace

Executor::Executor(const model::Graph &graph, ops::Backend &backend, std::vector<ValueId> wanted)
    : graph_(graph), backend_(backend), listener_(dynamic_cast<ops::LayerListener *>(&backend)) {
    for (ValueId id : graph.buffers)
        if (const ValueId next = graph.value(id).updated_by; next != model::none) wanted.push_back(next);
    plan_ = plan_memory(graph, wanted);
    arena_ = DeviceMemory(backend, plan_.arena_bytes);
    views_.resize(graph.values.size());
    // Values with memory first: a view's root may come after it (a cast put before the reshape it feeds).
    for (std::size_t id = 0; id < views_.size(); ++id) {
        const Value &value = graph.values[id];
        const auto &place = plan_.places[id];
        views_[id] = {nullptr, value.dtype, value.shape};
        if (place.root != static_cast<ValueId>(id) || (!place.used && value.producer != model::none)) continue;
        if (place.own) {
            own_.emplace_back(backend, std::max<std::size_t>(64, views_[id].bytes()));
            views_[id].data = own_.back().data();
            if (value.data) upload(static_cast<ValueId>(id), *value.data);
        } else {
            views_[id].data = static_cast<std::byte *>(arena_.data()) + place.offset;
        }
    }
    for (std::size_t id = 0; id < views_.size(); ++id)
        views_[id].data = views_[static_cast<std::size_t>(plan_.places[id].root)].data;

    statistics_of_.assign(graph.values.size(), -1);
    std::int32_t measured = 0;
    for (model::NodeId id : plan_.nodes)
        for (ValueId output : graph.node(id).outputs)
            if (ops::is_floating(graph.value(output).dtype)) {
                statistics_of_[static_cast<std::size_t>(output)] = measured++;
                if (is_traced(graph.value(output))) traced_.push_back(output);
            }
    statistics_.resize(static_cast<std::size_t>(measured));
    for (model::NodeId id : plan_.nodes) {
        const model::Node &node = graph.node(id);
        const ValueId first = node.outputs.front();
        Step step{&node.operation, graph.value(first).layer, static_cast<std::uint32_t>(first), {}, {}, {}, {}};
        for (ValueId input : node.inputs) step.inputs.push_back(view(input));
        bool any_traced = false, any = false;
        for (ValueId output : node.outputs) {
            step.outputs.push_back(view(output));
            const std::int32_t index = statistics_of_[static_cast<std::size_t>(output)];
            number::RangeStatistics *slot = index < 0 ? nullptr : &statistics_[static_cast<std::size_t>(index)];
            const bool trace = slot && is_traced(graph.value(output));
            step.all.push_back(slot);
            step.traced.push_back(trace ? slot : nullptr);
            any = any || slot;
            any_traced = any_traced || trace;
        }
        if (!any) step.all.clear();
        if (!any_traced) step.traced.clear();
        steps_.push_back(std::move(step));
    }
}

void Executor::upload(ValueId id, const ops::HostTensor &tensor) {
    const ops::TensorView target = view(id);
    if (target.dtype != tensor.dtype || target.shape.elements() != tensor.shape.elements())
        throw std::invalid_argument(fmt::format("'{}' is {} {}, but was given {} {}", graph_.value(id).name,
                                                ops::name_of(target.dtype), target.shape.text(),
                                                ops::name_of(tensor.dtype), tensor.shape.text()));
    backend_.upload(target.data, tensor.bytes.data(), tensor.bytes.size());
}

ops::HostTensor Executor::download(ValueId id) const {
    const ops::TensorView source = view(id);
    ops::HostTensor tensor(source.dtype, source.shape);
    backend_.download(tensor.bytes.data(), source.data, tensor.bytes.size());
    return tensor;
}

double Executor::scalar(ValueId id) const {
    const ops::HostTensor tensor = download(id);
    switch (tensor.dtype) {
    case ops::DType::fp16:
    case ops::DType::bf16:
        return static_cast<double>(number::widen_16bit(tensor.as<std::uint16_t>()[0], ops::format_id(tensor.dtype)));
    case ops::DType::fp32: return static_cast<double>(tensor.as<float>()[0]);
    case ops::DType::fp64: return tensor.as<double>()[0];
    case ops::DType::int64: return static_cast<double>(tensor.as<std::int64_t>()[0]);
    case ops::DType::boolean: return tensor.as<std::uint8_t>()[0];
    }
    return 0;
}

void Executor::set_loss_scale(float scale) { backend_.upload(view(graph_.loss_scale).data, &scale, sizeof(scale)); }

void Executor::run(std::uint64_t seed, std::uint32_t step, Measure measure) {
    ops::HeldStatistics held(backend_);
    for (const Step &each : steps_) {
        const ops::RandomKey key{seed, step, each.tensor};
        if (listener_ != nullptr) listener_->enter(each.layer);
        switch (measure) {
        case Measure::nothing: backend_.run(*each.operation, each.inputs, each.outputs, {}, key); break;
        case Measure::traced: backend_.run(*each.operation, each.inputs, each.outputs, each.traced, key); break;
        case Measure::all: backend_.run(*each.operation, each.inputs, each.outputs, each.all, key); break;
        }
    }
    held.settle();
    if (listener_ != nullptr) listener_->enter("");
}

void Executor::commit_buffers() {
    ops::Operation copy;
    copy.kind = ops::OpKind::cast;
    for (ValueId id : graph_.buffers)
        if (const ValueId next = graph_.value(id).updated_by; next != model::none) {
            const ops::TensorView from = view(next), to = view(id);
            backend_.run(copy, {&from, 1}, {&to, 1});
        }
}

void Executor::clear_statistics() { std::fill(statistics_.begin(), statistics_.end(), number::RangeStatistics{}); }

const number::RangeStatistics *Executor::statistics(ValueId id) const {
    const std::int32_t index = statistics_of_[static_cast<std::size_t>(id)];
    return index < 0 ? nullptr : &statistics_[static_cast<std::size_t>(index)];
}

} // namespace halfscope::train
