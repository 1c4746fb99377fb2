#include "emulation/train/run/optimizer.h"

#include "emulation/number/round_array.h"

#include <algorithm>
#include <cmath>

namespace halfscope::train {
namespace {

using model::ValueId;
using ops::DType;
using ops::OpKind;
using ops::TensorView;

ops::Operation operation_of(OpKind kind) {
    ops::Operation operation;
    operation.kind = kind;
    return operation;
}

double in_format(double value, DType dtype) {
    if (!ops::is_16bit(dtype)) return static_cast<double>(static_cast<float>(value));
    const number::FormatId format = ops::format_id(dtype);
    return static_cast<double>(number::widen_16bit(number::round_to_16bit(static_cast<float>(value), format), format));
}

} // namespace

std::int64_t counted(std::int64_t steps, DType format) {
    const number::Format &f =
        number::format_of(ops::is_16bit(format) ? ops::format_id(format) : number::FormatId::fp32);
    return std::min(steps, std::int64_t{1} << f.precision);
}

double clip_factor(double norm, double limit) { return std::min(1.0, limit / (norm + 1e-6)); }

Optimizer::Optimizer(Executor &executor, const Recipe &recipe, const TrainingSettings &settings)
    : executor_(executor),
      backend_(executor.backend()),
      settings_(settings.optimizer),
      rounding_(recipe.update),
      step_counter_(recipe.step_counter),
      flush_(recipe.flush_subnormals),
      seed_(settings.seed) {
    const model::Graph &graph = executor.graph();
    std::size_t largest = 0;
    for (std::size_t i = 0; i < graph.weights.size(); ++i) {
        const ValueId gradient = i < graph.weight_gradients.size() ? graph.weight_gradients[i] : model::none;
        if (gradient == model::none) continue;
        Parameter parameter;
        parameter.weight = graph.weights[i];
        parameter.name = graph.value(parameter.weight).name;
        parameter.layer = graph.value(parameter.weight).layer;
        parameter.stored = parameter.value = executor.view(parameter.weight);
        parameter.raw = parameter.gradient = executor.view(gradient);
        const ops::Shape shape = parameter.stored.shape;
        const auto count = static_cast<std::size_t>(shape.elements());
        const bool narrow = ops::is_16bit(parameter.stored.dtype);
        if (narrow && recipe.master_weights) {
            parameter.master_memory = DeviceMemory(backend_, count * sizeof(float));
            parameter.value = {parameter.master_memory.data(), DType::fp32, shape};
            copy(parameter.stored, parameter.value);
        }
        parameter.sum = GradientSum::wanted(backend_, parameter.stored, parameter.raw, recipe, settings);
        parameter.gradient = parameter.scaled();
        if (parameter.gradient.dtype != parameter.value.dtype) {
            parameter.gradient_memory = DeviceMemory(backend_, count * ops::size_of(parameter.value.dtype));
            parameter.gradient = {parameter.gradient_memory.data(), parameter.value.dtype, shape};
        }
        const DType state = narrow ? recipe.state : DType::fp32;
        if (settings_.kind != OptimizerKind::sgd) {
            parameter.first = make_state(shape, state);
            parameter.second = make_state(shape, state);
        } else if (settings_.momentum != 0) {
            parameter.first = make_state(shape, state);
        }
        if (rounding_ == UpdateRounding::kahan && narrow)
            parameter.compensation = make_state(shape, parameter.stored.dtype);
        parameter.update = make_state(shape, DType::fp32);
        // Stored fp32 weights that the graph casts are measured there, before each step.
        parameter.stored_measured = narrow || recipe.policy == Policy::full;
        largest = std::max(largest, count * ops::size_of(parameter.value.dtype));
        parameters_.push_back(std::move(parameter));
    }
    scalars_ = DeviceMemory(backend_, sizeof(float) * (parameters_.size() + 2));
    before_ = DeviceMemory(backend_, largest);
}

StateTensor Optimizer::make_state(const ops::Shape &shape, DType dtype) {
    StateTensor state;
    const std::size_t bytes = static_cast<std::size_t>(shape.elements()) * ops::size_of(dtype);
    state.memory = DeviceMemory(backend_, bytes);
    state.view = {state.memory.data(), dtype, shape};
    const std::vector<std::byte> zeros(bytes);
    backend_.upload(state.view.data, zeros.data(), bytes);
    return state;
}

void Optimizer::copy(const TensorView &from, const TensorView &to, number::RangeStatistics *statistics) {
    const ops::Operation cast = operation_of(OpKind::cast);
    if (statistics)
        backend_.run(cast, {&from, 1}, {&to, 1}, {&statistics, 1});
    else
        backend_.run(cast, {&from, 1}, {&to, 1});
}

void Optimizer::accumulate(std::size_t index, bool exactly, bool measured) {
    for (Parameter &parameter : parameters_)
        if (parameter.sum) parameter.sum->add(parameter.raw, static_cast<int>(index), exactly, measured);
}

bool Optimizer::unscale(double scale) {
    auto *scalars = static_cast<float *>(scalars_.data());
    const auto inverse = static_cast<float>(1.0 / scale);
    backend_.upload(scalars, &inverse, sizeof(inverse));
    // All gradients in one operation: a device does it in one launch.
    float found = 0;
    std::vector<TensorView> inputs, outputs;
    for (Parameter &parameter : parameters_) {
        inputs.push_back(parameter.scaled());
        outputs.push_back(parameter.gradient);
    }
    if (inputs.empty()) return false;
    inputs.push_back({scalars, DType::fp32, {}});
    outputs.push_back({scalars + 1, DType::fp32, {}});
    backend_.run(operation_of(OpKind::unscale_check), inputs, outputs);
    backend_.download(&found, scalars + 1, sizeof(found));
    return found != 0;
}

double Optimizer::norm(bool of_scaled) {
    ops::Operation squares = operation_of(OpKind::reduce_sum_squares);
    squares.attributes.emplace<ops::Reduction>();
    auto *sums = static_cast<float *>(scalars_.data()) + 2;
    std::vector<float> values(parameters_.size());
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const Parameter &parameter = parameters_[i];
        const TensorView input = of_scaled ? parameter.scaled() : parameter.gradient, output{sums + i, DType::fp32, {}};
        backend_.run(squares, {&input, 1}, {&output, 1});
    }
    backend_.download(values.data(), sums, values.size() * sizeof(float));
    double total = 0;
    DType widest = DType::fp32;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const Parameter &parameter = parameters_[i];
        const DType dtype = of_scaled ? parameter.scaled().dtype : parameter.gradient.dtype;
        const double norm = in_format(std::sqrt(static_cast<double>(values[i])), dtype);
        total += norm * norm;
        if (i == 0)
            widest = dtype;
        else if (dtype != widest)
            widest = DType::fp32;
    }
    return in_format(std::sqrt(total), widest);
}

void Optimizer::multiply(double factor, bool scaled) {
    if (factor == 1) return;
    ops::Operation scale = operation_of(OpKind::scale);
    scale.attributes = ops::Scalars{factor, 0};
    for (Parameter &parameter : parameters_) {
        const TensorView gradient = scaled ? parameter.scaled() : parameter.gradient;
        backend_.run(scale, {&gradient, 1}, {&gradient, 1});
    }
}

void Optimizer::apply(double learning_rate, std::int64_t count, std::uint32_t step, bool measured) {
    ops::OptimizerStep attributes;
    attributes.learning_rate = learning_rate;
    attributes.momentum = settings_.momentum;
    attributes.dampening = settings_.dampening;
    attributes.nesterov = settings_.nesterov;
    attributes.beta1 = settings_.beta1;
    attributes.beta2 = settings_.beta2;
    attributes.epsilon = settings_.epsilon;
    attributes.weight_decay = settings_.weight_decay;
    attributes.decoupled_weight_decay = settings_.kind == OptimizerKind::adamw;
    attributes.step = counted(count, step_counter_);
    attributes.round_hyperparameters = settings_.round_hyperparameters;
    ops::Operation operation =
        operation_of(settings_.kind == OptimizerKind::sgd ? OpKind::sgd_step : OpKind::adam_step);
    ops::HeldStatistics held(backend_);
    for (Parameter &parameter : parameters_) {
        attributes.kahan = parameter.compensation.view.data != nullptr;
        operation.attributes = attributes;
        operation.rounding = {};
        const bool narrow = ops::is_16bit(parameter.value.dtype);
        if (rounding_ == UpdateRounding::stochastic && narrow)
            operation.rounding.mode = ops::OutputRounding::Mode::stochastic;
        operation.rounding.flush_subnormals = flush_ && narrow;
        apply_one(parameter, operation, step, measured);
    }
    held.settle();
}

void Optimizer::apply_one(Parameter &parameter, ops::Operation &operation, std::uint32_t step, bool measured) {
    const TensorView before{before_.data(), parameter.value.dtype, parameter.value.shape};
    if (measured) {
        copy(parameter.value, before);
        for (auto *state : {&parameter.first, &parameter.second, &parameter.compensation, &parameter.update})
            state->statistics = {};
        parameter.stored_statistics = {};
    }
    std::vector<TensorView> inputs{parameter.value, parameter.gradient}, outputs{parameter.value};
    const bool value_measured = measured && parameter.stored_measured && !parameter.has_master();
    std::vector<number::RangeStatistics *> statistics{value_measured ? &parameter.stored_statistics : nullptr};
    for (auto *state : {&parameter.first, &parameter.second, &parameter.compensation})
        if (state->view.data) {
            inputs.push_back(state->view);
            outputs.push_back(state->view);
            statistics.push_back(measured ? &state->statistics : nullptr);
        }
    const ops::RandomKey key{seed_, step, static_cast<std::uint32_t>(parameter.weight)};
    if (measured)
        backend_.run(operation, inputs, outputs, statistics, key);
    else
        backend_.run(operation, inputs, outputs, {}, key);

    if (parameter.has_master()) {
        ops::Operation round = operation_of(OpKind::cast);
        round.rounding.flush_subnormals = flush_;
        number::RangeStatistics *rounding = &parameter.stored_statistics;
        if (measured)
            backend_.run(round, {&parameter.value, 1}, {&parameter.stored, 1}, {&rounding, 1});
        else
            backend_.run(round, {&parameter.value, 1}, {&parameter.stored, 1});
    }
    if (measured) {
        const TensorView operands[] = {parameter.value, before};
        number::RangeStatistics *difference = &parameter.update.statistics;
        backend_.run(operation_of(OpKind::subtract), operands, {&parameter.update.view, 1}, {&difference, 1});
    }
}

void Optimizer::load(const Optimizer &other, std::int64_t count) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        Parameter &mine = parameters_[i];
        const Parameter &theirs = other.parameters_[i];
        copy(theirs.value, mine.value);
        if (count > 1)
            for (auto state : {&Parameter::first, &Parameter::second})
                if ((mine.*state).view.data) copy((theirs.*state).view, (mine.*state).view);
    }
    const model::Graph &graph = executor_.graph(), &source = other.executor_.graph();
    for (std::size_t i = 0; i < graph.buffers.size(); ++i)
        if (graph.value(graph.buffers[i]).updated_by != model::none)
            copy(other.executor_.view(source.buffers[i]), executor_.view(graph.buffers[i]));
}

} // namespace halfscope::train
