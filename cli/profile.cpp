// `halfscope profile`: trains the model under each recipe beside its fp32 twin, judges, reports.
#include "emulation/train/profile/profile.h"
#include "analysis/verdict/assess.h"
#include "cli/fix/fix.h"
#include "cli/interruption.h"
#include "cli/load_model.h"
#include "cli/machine.h"
#include "cli/outputs.h"
#include "cli/profile_options.h"
#include "cli/training_device.h"
#include "cli/version.h"
#include "reports/document/document.h"
#include "reports/document/validation_document.h"
#include "reports/render/html.h"
#include "reports/render/progress.h"
#include "trace/io/lockstep_table.h"
#include "trace/io/reader.h"
#include "trace/io/writer.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

namespace halfscope::cli {
namespace {

trace::Session session_of(const ProfileOptions &options, const LoadedModel &loaded, const Invocation &invocation) {
    trace::Session session;
    session.halfscope_version = version;
    session.model = options.model;
    session.model_name = loaded.graph.name;
    session.data = loaded.data_name;
    session.command = invocation.command_line;
    session.environment = describe_machine();
    session.settings["data"] = loaded.dataset->description();
    if (options.device != "cpu") session.settings["device"] = options.device;
    session.notes = loaded.notes;
    return session;
}

/// Feeds the progress bar on standard error; `runs` in all.
train::ProgressCallback bar_for(reports::Progress &bar, int runs) {
    return [&bar, runs, index = 0, current = std::string()](const std::string &run, std::int64_t step,
                                                            std::int64_t steps, double loss) mutable {
        if (run != current) {
            current = run;
            bar.begin(run, steps, ++index, runs);
        }
        if (step > 0) bar.step(step, loss);
        if (step == steps) bar.end();
    };
}

std::int64_t trained_elements(const model::Graph &graph) {
    std::int64_t elements = 0;
    for (const model::ValueId weight : graph.weights) elements += graph.value(weight).shape.elements();
    return elements;
}

train::ProfileSettings settings_of(const ProfileOptions &options, const LoadedModel &loaded, trace::Session &session,
                                   const Interruption &interruption) {
    train::ProfileSettings settings;
    for (const std::string &name : options.training.recipes)
        settings.recipes.push_back(train::configured_recipe(options.file, name));
    settings.training = train::resolved(options.training, loaded.graph, session.notes);
    settings.loss_scale = options.training.loss_scale;
    if (options.training.accumulate) settings.accumulation = ops::accumulation_from(*options.training.accumulate);
    settings.kept = options.training.kept;
    settings.siblings = options.siblings;
    settings.reinitialised = loaded.reinitialize;
    settings.stop = &interruption.requested();
    for (const auto &[name, value] : train::described(settings.training)) session.settings[name] = value;
    for (const auto &[name, value] : train::described(settings.kept)) session.settings[name] = value;
    return settings;
}

/// Trains, writes the trace and judges; with --fix goes on to search for fixes.
struct Profiling {
    bool finished = false; ///< false when it was interrupted
    analysis::Assessment assessment;
};

Profiling run_and_judge(const ProfileOptions &options, const FixOptions &fix, const Invocation &invocation) {
    const LoadedModel loaded = load_model(options);
    trace::Session session = session_of(options, loaded, invocation);
    session.parameters = trained_elements(loaded.graph);
    const Interruption interruption;
    const train::ProfileSettings settings = settings_of(options, loaded, session, interruption);
    check_fixable(fix, settings);
    TrainingDevice device(options.device, options.lockstep, options.training.threads.value_or(0));
    Profiling profiling;
    {
        trace::Writer writer(options.out);
        writer.session(session);
        reports::Progress bar(stderr);
        const int runs = 1 + settings.siblings + static_cast<int>(settings.recipes.size());
        profiling.finished =
            train::profile(loaded.graph, *loaded.dataset, settings, device.backend(), writer, bar_for(bar, runs));
        for (const std::string &note : device.notes()) session.notes.push_back(note);
        if (!device.notes().empty()) writer.session(session);
    }
    if (options.lockstep) trace::write_lockstep(options.out, device.lockstep());
    profiling.assessment = analysis::assess(trace::Reader(options.out));
    profiling.assessment.lockstep = trace::read_lockstep(options.out);
    if (fix.wanted && profiling.finished)
        search_fixes(profiling.assessment, {options, loaded, settings, device.backend(), interruption.requested()},
                     fix);
    profiling.finished = profiling.finished && !interruption.requested();
    return profiling;
}

int profile(ProfileOptions &options, const FixOptions &fix, const CheckDocuments &checks,
            const Invocation &invocation) {
    settle(options);
    (void)TrainingDevice(options.device, options.lockstep, 1); // refused before the model is read
    const std::filesystem::path out = options.out;
    const reports::Json validation = reports::read_validation(out); // refused before hours of training, not after
    const auto [finished, assessment] = run_and_judge(options, fix, invocation);
    reports::write_json(assessment, out / "report.json");
    reports::write_html(assessment, out / "report.html", validation);
    write_check_documents(assessment, checks);
    if (options.json)
        fmt::print("{}", reports::to_text(reports::to_document(assessment)));
    else
        print_summary(assessment, out / "report.html");
    if (!finished) fmt::print(stderr, "halfscope: interrupted; every finished step is in {}\n", options.out);
    return exit_code_of(assessment);
}

} // namespace

void add_profile_command(CLI::App &app, Invocation &invocation) {
    auto options = std::make_shared<ProfileOptions>();
    auto fix = std::make_shared<FixOptions>();
    auto checks = std::make_shared<CheckDocuments>();
    CLI::App *command = app.add_subcommand(
        "profile", "Train under each recipe beside an fp32 twin, and say which are safe and why not");
    add_profile_options(*command, *options);
    add_fix_options(*command, *fix);
    add_check_documents(*command, *checks);
    command->callback(
        [options, fix, checks, &invocation] { invocation.exit_code = profile(*options, *fix, *checks, invocation); });
}

} // namespace halfscope::cli
