// `halfscope profile`: trains the model under each recipe beside its fp32 twin, judges, reports.
#include "analysis/verdict/assess.h"
#include "cli/interruption.h"
#include "cli/load_model.h"
#include "cli/machine.h"
#include "cli/outputs.h"
#include "cli/profile_options.h"
#include "cli/version.h"
#include "kernels/device.h"
#include "reports/document/document.h"
#include "reports/render/html.h"
#include "reports/render/progress.h"
#include "trace/io/reader.h"
#include "trace/io/writer.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

namespace halfscope::cli {
namespace {

void require_device(const std::string &device) {
    if (device == "cpu") return;
    if (!kernels::cuda_available())
        throw std::invalid_argument("--device cuda: no CUDA device can be used here (" + kernels::cuda_status() +
                                    "); run without it, on the CPU emulator");
    throw std::invalid_argument(
        "--device cuda: training on the device is not available in this version; run without it, "
        "on the CPU emulator");
}

trace::Session session_of(const ProfileOptions &options, const LoadedModel &loaded, const Invocation &invocation) {
    trace::Session session;
    session.halfscope_version = version;
    session.model = options.model;
    session.model_name = loaded.graph.name;
    session.data = loaded.data_name;
    session.command = invocation.command_line;
    session.environment = describe_machine();
    session.settings["data"] = loaded.dataset->description();
    session.notes = loaded.notes;
    return session;
}

/// Feeds the progress bar on standard error.
train::ProgressCallback bar_for(reports::Progress &bar) {
    return [&bar, current = std::string()](const train::Progress &at) mutable {
        if (at.step == 0 || at.run != current) {
            current = at.run;
            bar.begin(at.run, at.steps, at.index, at.runs);
            if (at.step == 0) return;
        }
        bar.step(at.step, at.loss);
        if (at.step == at.steps) bar.end();
    };
}

int profile(ProfileOptions &options, const Invocation &invocation) {
    settle(options);
    require_device(options.device);
    const LoadedModel loaded = load_model(options);
    const std::filesystem::path out = options.out;
    const Interruption interruption;
    {
        trace::Writer writer(out);
        reports::Progress bar(stderr);
        train::profile(loaded.graph, *loaded.dataset, options.training, session_of(options, loaded, invocation), writer,
                       bar_for(bar), loaded.reinitialize, &interruption.requested());
    }
    const analysis::Assessment assessment = analysis::assess(trace::Reader(out));
    reports::write_json(assessment, out / "report.json");
    reports::write_html(assessment, out / "report.html");
    if (options.json)
        fmt::print("{}", reports::to_text(reports::to_document(assessment)));
    else
        print_summary(assessment, out / "report.html");
    return exit_code_of(assessment);
}

} // namespace

void add_profile_command(CLI::App &app, Invocation &invocation) {
    auto options = std::make_shared<ProfileOptions>();
    CLI::App *command = app.add_subcommand(
        "profile", "Train under each recipe beside an fp32 twin, and say which are safe and why not");
    add_profile_options(*command, *options);
    command->callback([options, &invocation] { invocation.exit_code = profile(*options, invocation); });
}

} // namespace halfscope::cli
