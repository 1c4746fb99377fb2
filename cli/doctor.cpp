// `halfscope doctor`: what this machine offers HalfScope, and what is missing for which job.
#include "cli/command.h"
#include "cli/machine.h"
#include "kernels/device.h"

#include <fmt/format.h>

#include <filesystem>

namespace halfscope::cli {
namespace {

void line(std::string_view name, std::string_view value) { fmt::print("{:<22} {}\n", name, value); }

int doctor() {
    for (const auto &[name, value] : describe_machine()) line(name, value);
    line("cuda", kernels::cuda_status());
    const std::filesystem::path fashion = "/usr/share/datasets/fashion-mnist";
    std::error_code ignored;
    const bool found = std::filesystem::exists(fashion, ignored) ||
                       std::filesystem::exists("/usr/share/dataset-fashion-mnist", ignored);
    line("fashion-mnist", found ? "installed" : "missing: apt-get install dataset-fashion-mnist");
    return done;
}

} // namespace

void add_doctor_command(CLI::App &app, Invocation &invocation) {
    app.add_subcommand("doctor", "What this machine offers, and what is missing for which job")
        ->callback([&invocation] { invocation.exit_code = doctor(); });
}

} // namespace halfscope::cli
