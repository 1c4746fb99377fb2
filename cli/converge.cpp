// `halfscope converge`: every recipe over several seeds, and the statement whether they reach what fp32 reaches.
#include "analysis/convergence/convergence.h"
#include "cli/converge_options.h"
#include "cli/fingerprint.h"
#include "cli/interruption.h"
#include "cli/load_model.h"
#include "cli/machine.h"
#include "cli/version.h"
#include "emulation/data/set_apart.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/evaluation.h"
#include "emulation/train/sweep/sweep.h"
#include "reports/document/convergence_document.h"
#include "reports/document/document.h"
#include "reports/document/output_file.h"
#include "reports/plot/convergence_plot.h"
#include "reports/render/convergence_page.h"
#include "reports/render/convergence_text.h"
#include "reports/render/progress.h"
#include "trace/io/curve_file.h"
#include "trace/io/sweep_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

namespace halfscope::cli {
namespace {

/// What is trained, and how it is called.
struct Asked {
    LoadedModel loaded;
    std::int64_t batch = 1;
    train::SweepSettings sweep;
    trace::Session session;
};

void hold_out(LoadedModel &loaded, const data::Demand &demand) {
    const data::Dataset *before = loaded.dataset.get();
    loaded.dataset = data::set_apart(std::move(loaded.dataset), demand.batch);
    if (loaded.dataset.get() != before) loaded.notes.push_back(loaded.dataset->notes().back());
    if (loaded.dataset->size(data::Split::held_out) < demand.batch)
        throw std::invalid_argument(
            fmt::format("--data {}: {} samples leave no held-out batch of {}; give more samples or a smaller --batch",
                        loaded.data_name, loaded.dataset->size(data::Split::training), demand.batch));
}

std::vector<train::Recipe> recipes_of(const ProfileOptions &options) {
    std::vector<train::Recipe> recipes;
    for (const std::string &name : options.training.recipes) {
        train::Recipe recipe = train::configured_recipe(options.file, name);
        if (name != analysis::reference_recipe) {
            if (options.training.accumulate) recipe.accumulation = ops::accumulation_from(*options.training.accumulate);
            if (options.training.loss_scale) recipe.loss_scale = *options.training.loss_scale;
            recipe = options.training.kept.in(std::move(recipe));
        }
        recipes.push_back(std::move(recipe));
    }
    return recipes;
}

Asked load(const ConvergeOptions &o, const Invocation &invocation) {
    Asked asked;
    asked.loaded = load_model(o.training);
    const data::Demand demand = train::demand_of(asked.loaded.graph);
    asked.batch = demand.batch;
    hold_out(asked.loaded, demand);
    if (o.metric == "accuracy" && demand.task != data::Task::classification &&
        demand.task != data::Task::language_model)
        throw std::invalid_argument("--metric accuracy: this model's loss is no classification; use --metric loss");
    train::SweepSettings &sweep = asked.sweep;
    sweep.training = train::resolved(o.training.training, asked.loaded.graph, asked.loaded.notes);
    sweep.recipes = recipes_of(o.training);
    sweep.seeds = o.seeds;
    sweep.evaluate_every = o.evaluate_every.value_or(std::max<std::int64_t>(1, sweep.training.steps / 10));
    sweep.reinitialised = asked.loaded.reinitialize;
    sweep.threads = o.training.training.threads.value_or(0);
    train::check_sweep(asked.loaded.graph, sweep);

    trace::Session &session = asked.session;
    session.schema = "halfscope.converge/1";
    session.halfscope_version = version;
    session.model = o.training.model;
    session.model_name = asked.loaded.graph.name;
    session.data = asked.loaded.data_name;
    session.command = invocation.command_line;
    session.environment = describe_machine();
    session.settings = train::described(sweep.training);
    session.settings.erase("trace-every");
    for (const auto &[name, value] : train::described(o.training.training.kept)) session.settings[name] = value;
    session.settings["data"] = asked.loaded.dataset->description();
    session.settings["batch"] = std::to_string(asked.batch);
    session.settings["eval-every"] = std::to_string(sweep.evaluate_every);
    session.settings["seeds"] = std::to_string(sweep.seeds);
    session.notes = asked.loaded.notes;
    for (const model::ValueId weight : asked.loaded.graph.weights)
        session.parameters += asked.loaded.graph.value(weight).shape.elements();
    return asked;
}

/// Seeds and recipes may grow from one call to the next; everything else makes another sweep.
trace::SweepIdentity identity_of(const ConvergeOptions &o, const Asked &asked) {
    const std::map<std::string, std::string> &settings = asked.session.settings;
    trace::SweepIdentity identity{
        {"model", o.training.model},
        {"data", asked.loaded.data_name},
        {"steps", settings.at("steps")},
        {"program version", std::string(version)},
        {"loss", o.training.loss},
        {"loss-scale", o.training.training.loss_scale.value_or("")},
        {"accumulate", o.training.training.accumulate.value_or("")},
    };
    for (const auto &[name, value] : settings)
        if (name != "seed" && name != "seeds" && name != "steps" && name != "data" && name != "eval-every")
            identity.emplace_back(name, value);
    identity.emplace_back("eval-every", settings.at("eval-every"));
    identity.emplace_back("contents of the model", fingerprint_of(asked.loaded.graph));
    identity.emplace_back("contents of the data", fingerprint_of(*asked.loaded.dataset, asked.batch));
    identity.emplace_back("contents of the data file", fingerprint_of_file(asked.loaded.data_name));
    identity.emplace_back("contents of --config", fingerprint_of_file(o.training.config));
    return identity;
}

std::vector<trace::SweepRun> train_all(const ConvergeOptions &o, Asked &asked) {
    const Interruption interruption;
    asked.sweep.stop = &interruption.requested();
    trace::SweepStore store(o.training.out, identity_of(o, asked));
    reports::Progress bar(stderr);
    const auto runs = static_cast<int>(asked.sweep.recipes.size()) * o.seeds;
    std::int64_t kept = 0;
    for (const train::Recipe &recipe : asked.sweep.recipes)
        for (int seed = 0; seed < o.seeds; ++seed)
            if (store.finished({recipe.name, asked.sweep.training.seed + static_cast<std::uint64_t>(seed)}))
                kept += asked.sweep.training.steps;
    const std::int64_t planned = runs * asked.sweep.training.steps;
    if (kept < planned) bar.begin(fmt::format("{} runs", runs), planned, 1, 1, kept);
    auto done = train::sweep(
        asked.loaded.graph, *asked.loaded.dataset, asked.sweep, store,
        [&](std::int64_t finished, std::int64_t, const std::string &, double loss) { bar.step(finished, loss); });
    if (!done.empty()) bar.end();
    return done;
}

int exit_code_of(const analysis::Convergence &convergence) {
    using Standing = analysis::ConvergenceStanding;
    const auto any = [&](Standing standing) {
        return std::any_of(convergence.recipes.begin(), convergence.recipes.end(),
                           [&](const auto &recipe) { return recipe.standing == standing; });
    };
    if (any(Standing::worse) || any(Standing::diverged)) return unsafe;
    return any(Standing::undecided) || !convergence.recipes.front().diverged_seeds.empty() ? no_verdict : done;
}

/// Mistakes in what is to be written or read beside the training are told before it.
std::vector<trace::Curve> check_files(const ConvergeOptions &o) {
    for (const std::string &plot : o.plots) reports::check_plot(plot, "--plot");
    for (const auto &[flag, file] : {std::pair("--csv", o.csv), std::pair("--html", o.html)}) {
        const std::filesystem::path folder = std::filesystem::path(file).parent_path();
        std::error_code error;
        if (!folder.empty() && !std::filesystem::is_directory(folder, error))
            throw std::runtime_error(
                fmt::format("{} {}: the directory {} does not exist", flag, file, folder.string()));
    }
    std::error_code error;
    if (!o.tensorboard.empty() && std::filesystem::exists(o.tensorboard, error) &&
        !std::filesystem::is_directory(o.tensorboard, error))
        throw std::runtime_error(fmt::format("--tensorboard {}: it is not a directory", o.tensorboard));
    std::vector<trace::Curve> curves;
    for (const std::string &file : o.others)
        for (trace::Curve &curve : trace::read_curves(file)) curves.push_back(std::move(curve));
    return curves;
}

void write_all(const ConvergeOptions &o, const analysis::Convergence &convergence,
               const std::vector<analysis::OtherRun> &others) {
    const std::filesystem::path out = o.training.out;
    reports::write_json(convergence, others, out / "converge.json");
    const reports::Json document = reports::to_document(convergence, others);
    reports::write_convergence_html(document, out / "converge.html");
    if (!o.html.empty()) reports::write_convergence_html(document, o.html);
    if (!o.csv.empty()) reports::write_output_file(o.csv, reports::to_csv(convergence, others));
    if (!o.tensorboard.empty()) trace::write_event_files(convergence.runs, o.tensorboard);
    for (const std::string &plot : o.plots) reports::draw_plot(convergence, others, plot);
}

int converge(ConvergeOptions &o, const Invocation &invocation) {
    settle(o);
    const std::vector<trace::Curve> curves = check_files(o);
    Asked asked = load(o, invocation);
    std::vector<trace::SweepRun> runs = train_all(o, asked);
    if (runs.empty()) {
        fmt::print(stderr, "halfscope: interrupted; what was trained is in {}, and the same command goes on with it\n",
                   o.training.out);
        return no_verdict;
    }
    analysis::Convergence convergence = analysis::judge_convergence(std::move(runs), {o.metric, o.margin, o.target});
    convergence.session = asked.session;
    convergence.evaluate_every = asked.sweep.evaluate_every;
    convergence.held_out_samples =
        std::min(asked.loaded.dataset->size(data::Split::held_out), train::most_evaluated_samples) / asked.batch *
        asked.batch;
    std::vector<analysis::OtherRun> others;
    for (const trace::Curve &curve : curves) others.push_back(analysis::compare_other(curve, convergence));
    write_all(o, convergence, others);
    if (o.training.json)
        fmt::print("{}", reports::to_text(reports::to_document(convergence, others)));
    else
        fmt::print("{}\nCurves: {}\n",
                   reports::convergence_summary(convergence, others, reports::TerminalStyle::of(stdout)),
                   (std::filesystem::path(o.training.out) / "converge.html").string());
    return exit_code_of(convergence);
}

} // namespace

void add_converge_command(CLI::App &app, Invocation &invocation) {
    auto options = std::make_shared<ConvergeOptions>();
    CLI::App *command = app.add_subcommand(
        "converge", "Train every recipe over several seeds, and say whether they reach what fp32 reaches");
    add_converge_options(*command, *options);
    command->footer("Exit codes: 0 every recipe is equal to fp32 or better, 1 one is worse or diverges, 2 usage or "
                    "input error, 3 undecided. Interrupted or killed, the same command goes on where it was.");
    command->callback([options, &invocation] { invocation.exit_code = converge(*options, invocation); });
}

} // namespace halfscope::cli
