// Times training steps on the device, fp32 (its products are fma chains: no tf32) beside mixed precision:
//   halfscope_gpu_steps        one JSON array on standard output
// Exit code 77 where there is no device.
#include "kernels/cuda_backend.h"
#include "kernels/device.h"
#include "kernels/on_device.h"
#include "tests/gpu/steps/step_times.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>

using namespace halfscope;

namespace {

constexpr int timed_steps = 10;

nlohmann::ordered_json measured(const gpu::Workload &workload) {
    const auto backend = kernels::make_cuda_backend();
    const gpu::MemoryMeter meter{[&] { backend->forget_peak(); }, [&] { return backend->peak_bytes(); }};
    const auto all = gpu::time_steps(*backend, workload, {"fp32", "fp16-amp", "bf16-amp"},
                                     kernels::device::matrix_unit(), timed_steps, meter);
    const gpu::StepTimes &fp32 = all.front();
    nlohmann::ordered_json recipes = nlohmann::ordered_json::array();
    for (const gpu::StepTimes &times : all)
        recipes.push_back({{"recipe", times.recipe},
                           {"step_seconds", times.seconds},
                           {"traced_step_seconds", times.traced_seconds},
                           {"tracing_share", times.tracing_share()},
                           {"peak_bytes", times.peak_bytes},
                           {"times_faster_than_fp32", fp32.seconds / times.seconds},
                           {"memory_of_fp32", static_cast<double>(times.peak_bytes) /
                                                  static_cast<double>(std::max<std::size_t>(1, fp32.peak_bytes))}});
    return {{"model", workload.model},
            {"batch", workload.batch},
            {"recipes", std::move(recipes)},
            {"operations_on_the_host", backend->places().on_host}};
}

} // namespace

int main() try {
    if (!kernels::cuda_available()) {
        std::fprintf(stderr, "skipped: %s\n", kernels::cuda_status().c_str());
        return 77;
    }
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const gpu::Workload &workload : gpu::timed_workloads()) all.push_back(measured(workload));
    std::printf("%s\n", all.dump(1).c_str());
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
