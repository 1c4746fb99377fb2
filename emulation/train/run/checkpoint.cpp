// A training run's state as bytes. What a step leaves for the next: weights, masters, optimizer state, their average,
// running statistics, the loss scaler and the counters; sums of micro-batches and gradients begin anew in every step.
#include "emulation/train/run/training_run.h"

#include <cstring>
#include <stdexcept>

namespace halfscope::train {
namespace {

constexpr std::uint64_t magic = 0x3254504b43535348; // "HSSCKPT2"

struct Counters {
    std::uint64_t magic = 0, bytes = 0; ///< of the tensors
    std::int64_t step = 0, updates = 0, non_finite_steps = 0;
    double scale = 0;
    std::int64_t hysteresis = 0, clean = 0, iteration = 0, last_overflow = 0;
};

/// Every tensor that lives on, in one order.
std::vector<ops::TensorView> lasting(const Optimizer &optimizer, const std::optional<WeightAverage> &average,
                                     const Executor &executor) {
    std::vector<ops::TensorView> views;
    for (const Parameter &parameter : optimizer.parameters()) {
        views.push_back(parameter.stored);
        if (parameter.has_master()) views.push_back(parameter.value);
        for (const StateTensor *state : {&parameter.first, &parameter.second, &parameter.compensation})
            if (state->view.data) views.push_back(state->view);
    }
    if (average)
        for (const AveragedWeight &weight : average->weights()) views.push_back(weight.kept.view);
    for (const model::ValueId id : executor.graph().buffers) views.push_back(executor.view(id));
    return views;
}

std::uint64_t bytes_of(const std::vector<ops::TensorView> &views) {
    std::uint64_t bytes = 0;
    for (const ops::TensorView &view : views) bytes += view.bytes();
    return bytes;
}

} // namespace

std::vector<std::byte> TrainingRun::checkpoint() const {
    const std::vector<ops::TensorView> views = lasting(optimizer_, average_, executor_);
    const LossScalerState scaler = scaler_.state();
    const Counters counters{magic,        bytes_of(views),   step_,        updates_,         non_finite_steps_,
                            scaler.scale, scaler.hysteresis, scaler.clean, scaler.iteration, scaler.last_overflow};
    std::vector<std::byte> state(sizeof counters + counters.bytes);
    std::memcpy(state.data(), &counters, sizeof counters);
    std::byte *out = state.data() + sizeof counters;
    for (const ops::TensorView &view : views) {
        executor_.backend().download(out, view.data, view.bytes());
        out += view.bytes();
    }
    return state;
}

void TrainingRun::restore(std::span<const std::byte> checkpoint) {
    const std::vector<ops::TensorView> views = lasting(optimizer_, average_, executor_);
    Counters counters;
    if (checkpoint.size() >= sizeof counters) std::memcpy(&counters, checkpoint.data(), sizeof counters);
    if (counters.magic != magic || counters.bytes != bytes_of(views) ||
        checkpoint.size() != sizeof counters + counters.bytes)
        throw std::invalid_argument("a checkpoint does not fit this model and recipe");
    const std::byte *in = checkpoint.data() + sizeof counters;
    for (const ops::TensorView &view : views) {
        executor_.backend().upload(view.data, in, view.bytes());
        in += view.bytes();
    }
    step_ = counters.step, updates_ = counters.updates, non_finite_steps_ = counters.non_finite_steps;
    scaler_.restore({counters.scale, static_cast<int>(counters.hysteresis), counters.clean, counters.iteration,
                     counters.last_overflow});
}

} // namespace halfscope::train
