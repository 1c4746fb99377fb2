#include "emulation/train/run/weight_average.h"

#include "emulation/train/run/tensor_values.h"

#include <algorithm>
#include <string>
#include <utility>

namespace halfscope::train {
namespace {

using ops::DType;
using ops::TensorView;

ops::Operation operation_of(ops::OpKind kind) {
    ops::Operation operation;
    operation.kind = kind;
    return operation;
}

/// `weight` copied to new memory of this type.
StateTensor copy_of(ops::Backend &backend, const TensorView &weight, DType dtype) {
    StateTensor copy;
    copy.memory = DeviceMemory(backend, static_cast<std::size_t>(weight.shape.elements()) * ops::size_of(dtype));
    copy.view = {copy.memory.data(), dtype, weight.shape};
    backend.run(operation_of(ops::OpKind::cast), {&weight, 1}, {&copy.view, 1});
    return copy;
}

} // namespace

WeightAverage::WeightAverage(const Optimizer &optimizer, ops::Backend &backend, const Recipe &recipe, double decay,
                             bool watched)
    : backend_(&backend),
      decay_(decay),
      watched_(watched && ops::is_16bit(recipe.average)),
      flush_(recipe.flush_subnormals && ops::is_16bit(recipe.average)) {
    std::size_t largest = 0;
    for (const Parameter &parameter : optimizer.parameters()) {
        AveragedWeight average;
        average.weight = parameter.weight;
        average.kept = copy_of(backend, parameter.value, recipe.average);
        if (watched_) {
            average.exact = copy_of(backend, parameter.value, DType::fp32);
            average.kept_start = doubles_of(backend, average.kept.view);
            average.exact_start = doubles_of(backend, average.exact.view);
        }
        largest = std::max(largest, static_cast<std::size_t>(parameter.value.shape.elements()));
        weights_.push_back(std::move(average));
    }
    difference_ = DeviceMemory(backend, largest * sizeof(float));
}

void WeightAverage::follow(const TensorView &weight, StateTensor &average, bool measured) {
    const TensorView difference{difference_.data(), DType::fp32, weight.shape};
    const TensorView operands[] = {average.view, weight};
    backend_->run(operation_of(ops::OpKind::subtract), operands, {&difference, 1});
    // a + (1 - decay) (w - a) is a step of plain SGD from a along a - w.
    ops::Operation step = operation_of(ops::OpKind::sgd_step);
    ops::OptimizerStep attributes;
    attributes.learning_rate = 1 - decay_;
    step.attributes = attributes;
    step.rounding.flush_subnormals = flush_ && ops::is_16bit(average.view.dtype);
    const TensorView inputs[] = {average.view, difference};
    number::RangeStatistics *statistics = &average.statistics;
    if (measured) {
        average.statistics = {};
        backend_->run(step, inputs, {&average.view, 1}, {&statistics, 1});
    } else {
        backend_->run(step, inputs, {&average.view, 1});
    }
}

void WeightAverage::update(const Optimizer &optimizer, bool measured) {
    ++updates_;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
        const TensorView &weight = optimizer.parameters()[i].value;
        follow(weight, weights_[i].kept, measured);
        if (watched_) follow(weight, weights_[i].exact, false);
    }
}

std::vector<trace::Drift> WeightAverage::drifts(const Optimizer &optimizer) const {
    std::vector<trace::Drift> drifts;
    if (!watched_) return drifts;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
        const AveragedWeight &average = weights_[i];
        trace::Drift drift = drift_between(minus(doubles_of(*backend_, average.kept.view), average.kept_start),
                                           minus(doubles_of(*backend_, average.exact.view), average.exact_start));
        drift.kind = "average";
        drift.name = optimizer.parameters()[i].name;
        drift.layer = optimizer.parameters()[i].layer;
        drift.format = std::string(ops::name_of(average.kept.view.dtype));
        drift.terms = updates_;
        drifts.push_back(std::move(drift));
    }
    return drifts;
}

} // namespace halfscope::train
