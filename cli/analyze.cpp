// `halfscope analyze DIR --format F --loss-scale S`: what a format and a loss scale would lose, from a trace alone.
#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/storage_outlook.h"
#include "analysis/statistics/wording.h"
#include "cli/command.h"
#include "cli/nearest_name.h"
#include "trace/io/reader.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <stdexcept>

namespace halfscope::cli {
namespace {

using analysis::LayerOutlook;
using analysis::StorageOutlook;
using analysis::TensorOutlook;

constexpr std::size_t layers_shown = 20;

struct Options {
    std::string directory, format = "fp16", loss_scale = "none", run;
    bool json = false;
};

const number::Format &format_asked_for(const std::string &name) {
    std::vector<std::string> names;
    for (const number::Format &format : number::formats) {
        if (!analysis::is_reduced(format)) continue;
        if (format.name == name) return format;
        names.emplace_back(format.name);
    }
    throw std::invalid_argument(fmt::format("--format {}: no such format; the nearest is '{}' (all: "
                                            "{})",
                                            name, nearest_name(name, names), fmt::join(names, ", ")));
}

double scale_asked_for(const std::string &text) {
    if (text == "none") return 1;
    if (text == "dynamic")
        throw std::invalid_argument(
            "--loss-scale dynamic: a trace alone cannot run a scaler; give static:K, or read the "
            "window of scales that 'none' prints");
    double scale = 0;
    const std::string_view prefix = "static:";
    if (text.starts_with(prefix)) {
        const char *begin = text.data() + prefix.size(), *end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(begin, end, scale);
        if (error == std::errc() && stop == end && std::isfinite(scale) && scale > 0) return scale;
        throw std::invalid_argument(
            fmt::format("--loss-scale {}: K must be a positive number, as in static:1024", text));
    }
    throw std::invalid_argument(fmt::format("--loss-scale {}: use none or static:K, as in static:1024", text));
}

/// The run to read: the one named, else the fp32 twin, else the first that has tensors.
const trace::StoredRun &run_asked_for(const std::vector<trace::StoredRun> &runs, const Options &options) {
    std::vector<std::string> names;
    const trace::StoredRun *found = nullptr;
    for (const trace::StoredRun &run : runs) {
        if (run.tensors.empty()) continue;
        names.push_back(run.run.recipe);
        const bool wanted =
            options.run.empty() ? run.run.kind == trace::Run::Kind::reference : run.run.recipe == options.run;
        if (wanted && !found) found = &run;
    }
    if (found) return *found;
    if (names.empty())
        throw std::runtime_error(
            fmt::format("{}: its trace holds no tensor statistics; profile again with --trace-every "
                        "1",
                        options.directory));
    if (!options.run.empty())
        throw std::invalid_argument(fmt::format("--run {}: {} has no such run; the nearest is '{}' (all: {})",
                                                options.run, options.directory, nearest_name(options.run, names),
                                                fmt::join(names, ", ")));
    return *std::find_if(runs.begin(), runs.end(), [](const auto &run) { return !run.tensors.empty(); });
}

struct Question {
    const trace::StoredRun *run = nullptr;
    const number::Format *format = nullptr;
    double scale = 1;

    [[nodiscard]] bool rounded() const { return run->run.kind == trace::Run::Kind::recipe; }
    [[nodiscard]] std::string scale_in_words() const {
        return scale == 1 ? "no loss scale" : fmt::format("loss scale {:.10g}", scale);
    }
};

std::string conclusion(const StorageOutlook &outlook, const Question &q) {
    if (!outlook.matters())
        return fmt::format("In {} with {} nothing that matters would be lost in any of {} layers.", q.format->name,
                           q.scale_in_words(), outlook.layers.size());
    std::vector<std::string> names;
    for (const LayerOutlook &layer : outlook.layers)
        if (layer.matters) names.push_back(layer.name);
    return fmt::format("In {} with {}, {} of {} layers would lose something that matters: {}.", q.format->name,
                       q.scale_in_words(), outlook.layers_that_lose, outlook.layers.size(),
                       analysis::name_list(names, 3));
}

std::string share(std::uint64_t part, std::uint64_t whole) {
    if (whole == 0) return "";
    return part == 0 ? "0" : analysis::percent(static_cast<double>(part) / static_cast<double>(whole));
}

std::string window_of(const LayerOutlook &layer) {
    if (!layer.has_gradients) return "";
    if (!layer.window.fits()) return "none fits";
    const std::string low =
        layer.window.low <= analysis::lowest_scale_log2 ? "any" : fmt::format("2^{}", layer.window.low);
    return fmt::format("{} to 2^{}", low, layer.window.high);
}

/// "h.0.mlp.gelu_cubed": the tensor that is worst in its layer.
std::string why(const LayerOutlook &layer) {
    const TensorOutlook &worst = layer.tensors.front();
    if (layer.matters && !worst.matters) return "no loss scale fits its gradients";
    const std::string &name = worst.tensor->info.name;
    if (!worst.counts) return name + " (optimizer state: not counted)";
    if (worst.mask) return name + " (a mask: becomes -inf as meant)";
    if (worst.forecast.overflows > 0) return name + " overflows";
    if (worst.matters)
        return fmt::format("{} loses {} of its squared norm", name, analysis::percent(worst.lost_squares_share));
    return worst.forecast.underflows > 0 ? name + " (too small to matter)" : "";
}

void print_table(const StorageOutlook &outlook) {
    std::vector<const LayerOutlook *> shown;
    for (const LayerOutlook &layer : outlook.layers)
        if (shown.size() < layers_shown &&
            (layer.matters || layer.overflows + layer.forward_underflows + layer.gradient_underflows > 0))
            shown.push_back(&layer);
    std::size_t width = 5;
    for (const LayerOutlook *layer : shown) width = std::max(width, layer->name.size() + 2);
    if (!shown.empty()) {
        fmt::print("\n  {:<{}}  {:>13}  {:>13}  {:>9}  {:<14}  {}\n", "layer", width, "forward lost", "gradient lost",
                   "overflows", "scales that fit", "worst tensor");
        for (const LayerOutlook *layer : shown)
            fmt::print("{} {:<{}}  {:>13}  {:>13}  {:>9}  {:<15}  {}\n", layer->matters ? '!' : ' ',
                       layer->name.empty() ? "(model)" : layer->name, width,
                       share(layer->forward_underflows, layer->forward_values),
                       share(layer->gradient_underflows, layer->gradient_values),
                       layer->overflows == 0 ? "0" : std::to_string(layer->overflows), window_of(*layer), why(*layer));
    }
    if (const std::size_t rest = outlook.layers.size() - shown.size(); rest > 0)
        fmt::print("  {} more {} {}\n", rest, rest == 1 ? "layer" : "layers",
                   shown.size() == layers_shown ? "in --json" : "where nothing is lost");
}

void print_text(const StorageOutlook &outlook, const Question &q) {
    fmt::print("{}\n", conclusion(outlook, q));
    print_table(outlook);
    fmt::print("\n");
    if (!outlook.windows.sentence.empty()) fmt::print("{}\n", outlook.windows.sentence);
    fmt::print("Read from run '{}' over {} steps, as if every tensor were stored in {}. ! marks what matters: a value "
               "that becomes infinite, more than {} of a tensor's squared norm lost, or gradients that no scale fits. "
               "Shares are of the finite non-zero values.\n",
               q.run->run.recipe, q.run->steps.size(), q.format->name,
               analysis::percent(analysis::allowed_lost_squares));
    if (q.rounded())
        fmt::print("This run was rounded itself: what it had lost already is not counted. The fp32 twin shows all.\n");
}

nlohmann::ordered_json in_json(const analysis::ScaleWindow &window) {
    return window.fits() ? nlohmann::ordered_json::array({window.low, window.high}) : nlohmann::ordered_json();
}

nlohmann::ordered_json in_json(const TensorOutlook &t) {
    return {{"name", t.tensor->info.name},
            {"role", t.tensor->info.role},
            {"operation", t.tensor->info.operation},
            {"backward", t.tensor->info.backward},
            {"values", t.forecast.values},
            {"underflows", t.forecast.underflows},
            {"subnormals", t.forecast.subnormals},
            {"overflows", t.forecast.overflows},
            {"underflow_share", t.lost_share()},
            {"lost_squares_share", t.lost_squares_share},
            {"mask", t.mask},
            {"matters", t.matters}};
}

void print_json(const StorageOutlook &outlook, const Question &q) {
    nlohmann::ordered_json document{{"schema", "halfscope.analyze/1"},
                                    {"run", q.run->run.recipe},
                                    {"steps", q.run->steps.size()},
                                    {"format", q.format->name},
                                    {"loss_scale", q.scale},
                                    {"loses", outlook.matters()},
                                    {"conclusion", conclusion(outlook, q)},
                                    {"window_log2", in_json(outlook.windows.model)},
                                    {"window", outlook.windows.sentence}};
    document["layers"] = nlohmann::ordered_json::array();
    for (const LayerOutlook &layer : outlook.layers) {
        nlohmann::ordered_json entry{
            {"name", layer.name},
            {"matters", layer.matters},
            {"overflows", layer.overflows},
            {"window_log2", layer.has_gradients ? in_json(layer.window) : nlohmann::ordered_json()},
            {"tensors", nlohmann::ordered_json::array()}};
        for (const TensorOutlook &tensor : layer.tensors) entry["tensors"].push_back(in_json(tensor));
        document["layers"].push_back(std::move(entry));
    }
    fmt::print("{}\n", document.dump(2));
}

int analyze(const Options &options) {
    Question q;
    q.format = &format_asked_for(options.format);
    q.scale = scale_asked_for(options.loss_scale);
    const trace::Reader reader(options.directory);
    const std::vector<trace::StoredRun> runs = reader.runs();
    q.run = &run_asked_for(runs, options);
    const analysis::RunRanges ranges = analysis::read_ranges(reader, *q.run);
    const StorageOutlook outlook = analysis::storage_outlook(ranges, *q.format, q.scale);
    if (options.json)
        print_json(outlook, q);
    else
        print_text(outlook, q);
    return outlook.matters() ? unsafe : done;
}

} // namespace

void add_analyze_command(CLI::App &app, Invocation &invocation) {
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand(
        "analyze", "What a format and a loss scale would lose, layer by layer, from a trace alone (no training)");
    command->add_option("DIR", options->directory, "The --out directory of a profile")->required();
    command->add_option("--format", options->format, "fp16 or bf16: as if every tensor were stored in it")
        ->capture_default_str();
    command->add_option("--loss-scale", options->loss_scale, "none or static:K")->capture_default_str();
    command->add_option("--run", options->run, "The run to read (default: the fp32 twin)");
    command->add_flag("--json", options->json, "Every tensor, as JSON on standard output");
    command->footer("Exit codes: 0 nothing that matters would be lost, 1 something would, 2 usage or input error.");
    command->callback([options, &invocation] { invocation.exit_code = analyze(*options); });
}

} // namespace halfscope::cli
