#include "trace/io/sweep_events.h"

#include "trace/io/event_file.h"

#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <stdexcept>

namespace halfscope::trace {
namespace {

std::vector<Scalar> scalars_of(const SweepRun &run) {
    std::vector<Scalar> scalars;
    for (const Step &step : run.steps) {
        scalars.push_back({step.step, "training/loss", step.loss});
        scalars.push_back({step.step, "training/loss_scale", step.loss_scale});
        scalars.push_back({step.step, "training/gradient_norm", step.gradient_norm});
    }
    for (const Evaluation &evaluation : run.evaluations)
        scalars.push_back({evaluation.step, "held_out/" + evaluation.metric, evaluation.value});
    return scalars;
}

/// A recipe's name as one folder: names from a configuration file may hold anything.
std::string folder_name(std::string name) {
    for (char &c : name)
        if (c == '/' || c == '\0') c = '_';
    return name == "." || name == ".." ? "_" + name : name;
}

} // namespace

void write_event_files(std::span<const SweepRun> runs, const std::filesystem::path &directory) {
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    for (const SweepRun &run : runs) {
        const auto folder = directory / folder_name(run.key.recipe) / fmt::format("seed{}", run.key.seed);
        std::error_code error;
        std::filesystem::create_directories(folder, error);
        if (error)
            throw std::runtime_error(fmt::format("--tensorboard {}: {} cannot be made ({})", directory.string(),
                                                 folder.string(), error.message()));
        const auto file = folder / "events.out.tfevents.1.halfscope";
        std::ofstream out(file, std::ios::binary | std::ios::trunc);
        const std::string bytes = event_file(scalars_of(run), now);
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        out.flush();
        if (!out) throw std::runtime_error(fmt::format("Cannot write {}.", file.string()));
    }
}

} // namespace halfscope::trace
