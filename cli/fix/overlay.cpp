#include "cli/fix/overlay.h"

#include "emulation/train/config/write_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <sstream>
#include <string_view>

namespace halfscope::cli {
namespace {

/// The word as a shell reads it back.
std::string quoted(const std::string &word) {
    const auto harmless = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view("_-./:,=+@%").find(c) != std::string_view::npos;
    };
    if (!word.empty() && std::all_of(word.begin(), word.end(), harmless)) return word;
    std::string text = "'";
    for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return text + '\'';
}

} // namespace

std::string overlay_of(const train::Recipe &fixed, std::span<const Change> changes, const ProfileOptions &options,
                       const std::string &comment) {
    std::string text;
    std::istringstream lines(comment);
    for (std::string line; std::getline(lines, line);) fmt::format_to(std::back_inserter(text), "# {}\n", line);
    train::TrainingOptions training = options.training;
    training.recipes = {fixed.name};
    for (const Change &change : changes) {
        if (change.kind == ChangeKind::clipping) training.clip_scaled = false;
        if (change.kind == ChangeKind::epsilon) training.epsilon = std::stod(change.value);
        if (change.kind == ChangeKind::hyperparameters) training.round_hyperparameters = false;
    }
    training.loss_scale.reset(); // these are the recipe's now
    training.accumulate.reset();
    training.kept = {};
    return text + '\n' + train::training_as_toml(training) + '\n' + train::recipe_as_toml(fixed);
}

std::string overlay_command(const ProfileOptions &options, const std::filesystem::path &overlay) {
    std::string command = "halfscope profile " + quoted(options.model);
    const auto flag = [&](const char *name, const std::string &value) {
        fmt::format_to(std::back_inserter(command), " {} {}", name, quoted(value));
    };
    if (!options.data.empty()) flag("--data", options.data);
    if (!options.loss.empty()) flag("--loss", options.loss);
    for (const std::string &dimension : options.dimensions) flag("--dimension", dimension);
    if (options.siblings != ProfileOptions{}.siblings) flag("--seeds", std::to_string(options.siblings));
    flag("--config", overlay.string());
    flag("--out", options.out + "-fixed");
    return command;
}

std::filesystem::path overlay_file(const ProfileOptions &options, const std::string &recipe) {
    std::string name = recipe;
    for (char &c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
    return std::filesystem::path(options.out) / fmt::format("fix-{}.toml", name);
}

} // namespace halfscope::cli
