// What mixed precision gains on a device: time and memory of a training step, per recipe, and what tracing adds.
#pragma once

#include "emulation/ops/backend.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace halfscope::gpu {

struct Workload {
    std::string model; ///< of the zoo, with its sizes
    int batch;
};

/// The networks and sizes that peers were timed at.
[[nodiscard]] const std::vector<Workload> &timed_workloads();

/// Of one recipe; medians over steps after some to warm up.
struct StepTimes {
    std::string recipe;
    double seconds = 0, traced_seconds = 0; ///< a step without statistics, and with those of every traced tensor
    std::size_t peak_bytes = 0;             ///< device memory of untraced steps
    /// What tracing every tensor adds to a step, of the step.
    [[nodiscard]] double tracing_share() const { return traced_seconds / seconds - 1; }
};

/// How peak memory is read and forgotten; without these it is 0.
struct MemoryMeter {
    std::function<void()> forget_peak;
    std::function<std::size_t()> peak_bytes;
};

/// Trains a fresh network on one batch of synthetic data, `steps` steps untraced and as many traced, under each recipe.
/// Products of 16-bit operands accumulate as `accumulation` says, a model's name. A step ends with its loss on the
/// host. Throws as TrainingRun does.
[[nodiscard]] std::vector<StepTimes> time_steps(ops::Backend &backend, const Workload &workload,
                                                const std::vector<std::string> &recipes,
                                                const std::string &accumulation, int steps, const MemoryMeter &meter);

} // namespace halfscope::gpu
