#include "tests/gpu/steps/step_times.h"

#include "emulation/data/synthetic.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/training_options.h"
#include "emulation/train/recipe/recipe.h"
#include "emulation/train/run/training_run.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace halfscope::gpu {
namespace {

constexpr int warm_up_steps = 3;

double median_seconds(train::TrainingRun &run, const train::Batch &batch, bool traced, int steps) {
    std::vector<double> seconds;
    for (int step = 0; step < warm_up_steps + steps; ++step) {
        const auto start = std::chrono::steady_clock::now();
        (void)run.step({&batch, 1}, traced, false);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        if (step >= warm_up_steps) seconds.push_back(took.count());
    }
    const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    return *middle;
}

} // namespace

const std::vector<Workload> &timed_workloads() {
    // As they are timed on a CPU, where launches are most of a device's time; then as large as a device is used for.
    static const std::vector<Workload> all{{"gpt:layers=4,width=256,heads=4,seq=128,vocab=256", 8},
                                           {"resnet20:size=32,channels=3,classes=10", 64},
                                           {"gpt:layers=12,width=768,heads=12,seq=1024,vocab=8192", 8},
                                           {"resnet20:size=32,channels=3,classes=10", 1024}};
    return all;
}

std::vector<StepTimes> time_steps(ops::Backend &backend, const Workload &workload,
                                  const std::vector<std::string> &recipes, const std::string &accumulation, int steps,
                                  const MemoryMeter &meter) {
    model::Graph graph = model::build_zoo_model(workload.model, workload.batch, 0);
    model::attach_loss(graph, model::default_loss(graph).loss);
    const auto dataset = data::make_synthetic(train::demand_of(graph));
    std::vector<std::int64_t> samples(static_cast<std::size_t>(workload.batch));
    std::iota(samples.begin(), samples.end(), std::int64_t{0});
    const train::Batch batch = dataset->batch(samples, data::Split::training);
    std::vector<std::string> notes;
    const train::TrainingSettings settings = train::resolved({}, graph, notes);

    std::vector<StepTimes> all;
    for (const std::string &name : recipes) {
        train::Recipe recipe = train::recipe_named(name);
        if (name != "fp32") recipe.accumulation = ops::accumulation_from(accumulation);
        StepTimes &times = all.emplace_back();
        times.recipe = name;
        if (meter.forget_peak) meter.forget_peak();
        train::TrainingRun run(graph, recipe, train::parse_loss_scale(recipe.loss_scale), settings, backend, nullptr);
        times.seconds = median_seconds(run, batch, false, steps);
        if (meter.peak_bytes) times.peak_bytes = meter.peak_bytes();
        times.traced_seconds = median_seconds(run, batch, true, steps);
    }
    return all;
}

} // namespace halfscope::gpu
