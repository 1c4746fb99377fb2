#include "cli/fix/fix.h"

#include "cli/fix/blame.h"
#include "cli/fix/overlay.h"
#include "cli/fix/pytorch_lines.h"
#include "cli/fix/search.h"
#include "cli/fix/trial.h"
#include "reports/document/output_file.h"
#include "reports/render/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <stdexcept>

namespace halfscope::cli {
namespace {

using analysis::Fix, analysis::RecipeAssessment, analysis::Verdict;
using trace::StepCost;

/// Names that a layer override can match, in forward order.
std::vector<std::string> layers_of(const model::Graph &graph) {
    std::vector<std::string> layers;
    for (const model::Node &node : graph.nodes) {
        const std::string &layer = graph.value(node.outputs.front()).layer;
        if (!layer.empty() && std::find(layers.begin(), layers.end(), layer) == layers.end()) layers.push_back(layer);
    }
    return layers;
}

std::string mebibytes(std::int64_t bytes) { return fmt::format("{:.4g} MiB", static_cast<double>(bytes) / (1 << 20)); }

double ratio(std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// "none", "all", "0.8 %".
std::string share_at_full_precision(const StepCost &cost) {
    const std::int64_t full = cost.multiply_adds - cost.multiply_adds_16bit;
    if (full == 0) return "none";
    if (full == cost.multiply_adds) return "all";
    return fmt::format("{:.2g} %", 100 * ratio(full, cost.multiply_adds));
}

std::string cost_sentence(const StepCost &fixed, const std::optional<StepCost> &unsafe,
                          const std::optional<StepCost> &fp32) {
    std::string text = fmt::format("A step holds {}", mebibytes(fixed.bytes()));
    if (unsafe && unsafe->bytes() == fixed.bytes())
        text += ", as much as the unchanged recipe";
    else if (unsafe)
        text += fmt::format(", {:.3g} times the unchanged recipe's {}", ratio(fixed.bytes(), unsafe->bytes()),
                            mebibytes(unsafe->bytes()));
    if (fp32)
        text += fmt::format("{} {:.3g} of fp32's {}", unsafe ? " and" : ",", ratio(fixed.bytes(), fp32->bytes()),
                            mebibytes(fp32->bytes()));
    text +=
        fmt::format(". Of {:.3g} multiply-adds {} {} kept at full precision", static_cast<double>(fixed.multiply_adds),
                    share_at_full_precision(fixed), fixed.multiply_adds == fixed.multiply_adds_16bit ? "is" : "are");
    if (unsafe) text += fmt::format(" ({} in the unchanged recipe)", share_at_full_precision(*unsafe));
    return text + '.';
}

/// One recipe's search.
class RecipeFix {
  public:
    RecipeFix(const RecipeAssessment &unsafe, const analysis::Assessment &assessment, const ProfiledRun &profiled,
              Trials &trials, reports::Progress &progress, const FixOptions &options)
        : unsafe_(unsafe),
          assessment_(assessment),
          profiled_(profiled),
          trials_(trials),
          progress_(progress),
          options_(options),
          recipe_(effective_recipe()),
          layers_(layers_of(profiled.model.graph)) {}

    Fix run() {
        const auto begun = std::chrono::steady_clock::now();
        std::filesystem::remove(overlay_file(profiled_.options, recipe_.name)); // an earlier run's
        const SearchResult result =
            search_fix(space(), [this](std::span<const Change> changes) { return attempt(changes); });
        fix_.found = result.safe.has_value();
        fix_.minimal = result.minimal;
        for (const Attempt &attempt : result.attempts) fix_.attempts.push_back(in_record(attempt));
        if (const auto best = result.safe ? result.safe : result.nearest) {
            const Attempt &answer = result.attempts[*best];
            fix_.changes = fix_.attempts[*best].changes;
            fix_.headline = answer.trial.headline;
            fix_.cost = costs_[*best];
            if (fix_.cost)
                fix_.cost_sentence = cost_sentence(*fix_.cost, unsafe_.run.cost, assessment_.reference.run.cost);
            if (fix_.found) write_down(answer.changes);
        }
        fix_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        fix_.sentence = sentence(result);
        return std::move(fix_);
    }

  private:
    [[nodiscard]] train::Recipe effective_recipe() const {
        const train::ProfileSettings &settings = profiled_.settings;
        const auto at = std::find_if(settings.recipes.begin(), settings.recipes.end(),
                                     [&](const auto &recipe) { return recipe.name == unsafe_.run.recipe; });
        if (at == settings.recipes.end()) throw std::logic_error("the assessed recipe is not among those that ran");
        train::Recipe recipe = *at;
        if (settings.loss_scale) recipe.loss_scale = *settings.loss_scale;
        if (settings.accumulation) recipe.accumulation = *settings.accumulation;
        return settings.kept.in(std::move(recipe));
    }

    /// Of the recipe and of the settings that it is tried with.
    [[nodiscard]] std::vector<Change> parts_of(const train::Recipe &recipe,
                                               const train::TrainingSettings &training) const {
        std::vector<Change> parts = setting_changes(training, recipe);
        const std::vector<Change> formats = part_changes(recipe, training);
        parts.insert(parts.end(), formats.begin(), formats.end());
        return parts;
    }

    [[nodiscard]] SearchSpace space() const {
        SearchSpace space;
        space.parts = parts_of(recipe_, profiled_.settings.training);
        space.suggestions = blamed_changes(unsafe_, recipe_, space.parts, layers_);
        // All at once includes a loss scale, unless the recipe has one.
        if (recipe_.loss_scale == "none")
            if (const auto scale = loss_scale_change(unsafe_, recipe_)) space.parts.insert(space.parts.begin(), *scale);
        space.layers = layers_by_blame(unsafe_, layers_);
        space.recipes = other_recipes(recipe_);
        space.most_runs = options_.most_runs;
        return space;
    }

    std::optional<Trial> attempt(std::span<const Change> changes) {
        const int number = static_cast<int>(costs_.size()) + 1;
        const train::Recipe recipe = changed(recipe_, changes, profiled_.options.file.recipes);
        progress_.note(fmt::format("{}: re-run {} of at most {}: {}", recipe.name, number, options_.most_runs,
                                   shortened(changes)));
        const train::TrainingSettings training = changed(profiled_.settings.training, changes);
        const auto judged = trials_.run(recipe, training, fmt::format("re-run {}", number));
        if (!judged) return std::nullopt;
        costs_.push_back(judged->run.cost);
        progress_.note(fmt::format("{}: re-run {}: {}", recipe.name, number, analysis::name_of(judged->verdict)));
        Trial trial;
        trial.verdict = judged->verdict;
        trial.headline = judged->headline;
        trial.gap = judged->outcome.difference;
        trial.suggestions = blamed_changes(*judged, recipe, parts_of(recipe, training), layers_);
        return trial;
    }

    /// In words, but a long list of layers by its number.
    [[nodiscard]] std::string shortened(std::span<const Change> changes) const {
        std::vector<std::string> words;
        for (const std::string &word : record_of(changes)) words.push_back(word);
        constexpr std::size_t most = 4;
        const std::size_t all = words.size();
        if (all > most) words.resize(most - 1);
        return fmt::format("{}{}", fmt::join(words, ", "),
                           all > most ? fmt::format(" and {} more", all - words.size()) : "");
    }

    [[nodiscard]] static std::vector<std::string> record_of(std::span<const Change> changes) {
        std::vector<std::string> words;
        for (const Change &change : changes) words.push_back(in_words(change));
        return words;
    }

    [[nodiscard]] static analysis::FixAttempt in_record(const Attempt &attempt) {
        return {record_of(attempt.changes), attempt.trial.verdict, attempt.trial.headline};
    }

    void write_down(const std::vector<Change> &changes) {
        const train::Recipe recipe = changed(recipe_, changes, profiled_.options.file.recipes);
        const std::uint64_t seed = profiled_.settings.training.seed + 1;
        const train::TrainingSettings training = changed(profiled_.settings.training, changes);
        if (const auto confirmed = trials_.confirm(recipe, training, seed)) {
            fix_.confirmed_seed = seed;
            fix_.confirmed_verdict = confirmed->verdict;
        }
        std::vector<std::string> fp32_layers;
        for (const Change &change : changes)
            if (change.kind == ChangeKind::layer) fp32_layers.push_back(change.value);
        fix_.pytorch = pytorch_lines(recipe, training, profiled_.model.graph, fp32_layers);
        const std::filesystem::path file = overlay_file(profiled_.options, recipe.name);
        fix_.overlay_file = file.string();
        fix_.command = overlay_command(profiled_.options, file);
        std::string comment =
            fmt::format("What makes {} safe: {}.\nFound by halfscope profile --fix and re-run; run it again with\n{}",
                        recipe.name, in_words(changes), fix_.command);
        for (const std::string_view flag : overriding_flags(changes))
            comment += fmt::format("\nBeside other flags leave out {}: the command line goes before this file.", flag);
        fix_.overlay = overlay_of(recipe, changes, profiled_.options, comment);
        reports::write_output_file(file, fix_.overlay);
    }

    /// Flags of the command line that would undo the overlay.
    [[nodiscard]] std::vector<std::string_view> overriding_flags(const std::vector<Change> &changes) const {
        const train::TrainingOptions &given = profiled_.options.training;
        const auto has = [&](ChangeKind kind) {
            return std::any_of(changes.begin(), changes.end(), [kind](const Change &c) { return c.kind == kind; });
        };
        std::vector<std::string_view> flags;
        if (profiled_.settings.loss_scale) flags.emplace_back("--loss-scale");
        if (given.clip_scaled && has(ChangeKind::clipping)) flags.emplace_back("--clip-before-unscale");
        if (given.epsilon && has(ChangeKind::epsilon)) flags.emplace_back("--eps");
        return flags;
    }

    [[nodiscard]] std::string sentence(const SearchResult &result) const {
        const std::string runs = fmt::format("{} re-run{}, {:.0f} s", result.attempts.size(),
                                             result.attempts.size() == 1 ? "" : "s", fix_.seconds);
        const std::string &name = recipe_.name;
        if (result.safe) {
            const std::vector<Change> &changes = result.attempts[*result.safe].changes;
            std::string text = fmt::format("{} is safe with {} ({}).", name, in_words(changes), runs);
            if (changes.size() > 1)
                text += result.minimal
                            ? " Without any one of these changes it is not safe."
                            : " The bound on re-runs was met before it was known whether fewer changes would do.";
            if (fix_.confirmed_verdict)
                text += fmt::format(" With seed {} the verdict is {}.", *fix_.confirmed_seed,
                                    analysis::name_of(*fix_.confirmed_verdict));
            return text;
        }
        if (result.attempts.empty())
            return result.interrupted
                       ? fmt::format("The search for what makes {} safe was interrupted before a re-run was finished.",
                                     name)
                       : fmt::format("There is nothing to try that could make {} safe.", name);
        const std::string why = result.interrupted ? "the search was interrupted"
                                : result.exhausted
                                    ? fmt::format("the bound of {} re-runs was met (--fix-runs)", options_.most_runs)
                                    : "nothing is left to try";
        std::string text = fmt::format("No change that was tried makes {} safe ({}; {}).", name, runs, why);
        const Attempt &near = result.attempts[*result.nearest];
        return text + fmt::format(" Nearest came {}: {}. {}", shortened(near.changes),
                                  analysis::name_of(near.trial.verdict), near.trial.headline);
    }

    const RecipeAssessment &unsafe_;
    const analysis::Assessment &assessment_;
    const ProfiledRun &profiled_;
    Trials &trials_;
    reports::Progress &progress_;
    const FixOptions &options_;
    train::Recipe recipe_;
    std::vector<std::string> layers_;
    std::vector<std::optional<StepCost>> costs_; ///< of each attempt
    Fix fix_;
};

bool wants_fix(Verdict verdict) { return verdict == Verdict::unsafe || verdict == Verdict::risky; }

} // namespace

void add_fix_options(CLI::App &command, FixOptions &options) {
    command.add_flag(
        "--fix", options.wanted,
        "Search for the least change that makes an unsafe or risky recipe safe, re-run it, and write it as "
        "OUT/fix-RECIPE.toml; the exit code stays that of the recipes asked for");
    command.add_option("--fix-runs", options.most_runs, "With --fix: at most so many re-runs a recipe")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
}

void check_fixable(const FixOptions &options, const train::ProfileSettings &settings) {
    if (!options.wanted) return;
    if (std::all_of(settings.recipes.begin(), settings.recipes.end(),
                    [](const train::Recipe &recipe) { return recipe.policy == train::Policy::full; }))
        throw std::invalid_argument("--fix: only fp32 was asked for, in which there is nothing to fix; name a 16-bit "
                                    "recipe with --recipes");
}

void search_fixes(analysis::Assessment &assessment, const ProfiledRun &profiled, const FixOptions &options) {
    reports::Progress progress(stderr);
    Trials trials(
        {profiled.model, profiled.settings, profiled.backend, progress, profiled.interrupted, profiled.options.out});
    for (RecipeAssessment &recipe : assessment.recipes) {
        if (profiled.interrupted) return;
        if (wants_fix(recipe.verdict))
            recipe.fix = RecipeFix(recipe, assessment, profiled, trials, progress, options).run();
        else
            progress.note(fmt::format("{}: {}, so --fix changes nothing", recipe.run.recipe,
                                      recipe.verdict == Verdict::safe ? "safe" : "there is no verdict"));
    }
}

} // namespace halfscope::cli
