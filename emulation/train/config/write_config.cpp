#include "emulation/train/config/write_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace halfscope::train {
namespace {

using Lines = std::vector<std::pair<std::string_view, std::string>>; ///< key, value as TOML

std::string toml_of(bool flag) { return flag ? "true" : "false"; }
std::string toml_of(std::int64_t number) { return fmt::format("{}", number); }
std::string toml_of(double number) { return fmt::format("{}", number); } // the shortest that reads back the same

std::string toml_of(const std::vector<std::string> &texts) {
    std::vector<std::string> quoted;
    for (const std::string &text : texts) quoted.push_back(toml_string(text));
    return fmt::format("[{}]", fmt::join(quoted, ", "));
}

/// Every key of a recipe but `base` and `layers`, with its value.
Lines fields_of(const Recipe &recipe) {
    return {{"description", toml_string(recipe.description)},
            {"policy", toml_string(name_of(recipe.policy))},
            {"compute", toml_string(ops::name_of(recipe.compute))},
            {"autocast", toml_string(recipe.autocast_lists)},
            {"weights", toml_string(ops::name_of(recipe.weights))},
            {"master-weights", toml_of(recipe.master_weights)},
            {"state", toml_string(ops::name_of(recipe.state))},
            {"gradients", toml_string(ops::name_of(recipe.gradients))},
            {"all-reduce", toml_string(ops::name_of(recipe.all_reduce))},
            {"all-reduce-order", toml_string(name_of(recipe.all_reduce_order))},
            {"ema", toml_string(ops::name_of(recipe.average))},
            {"step-counter", toml_string(ops::name_of(recipe.step_counter))},
            {"running-statistics", toml_string(ops::name_of(recipe.running_statistics))},
            {"accumulation", toml_string(ops::name_of(recipe.accumulation))},
            {"loss-scale", toml_string(recipe.loss_scale)},
            {"update", toml_string(name_of(recipe.update))},
            {"flush-subnormals", toml_of(recipe.flush_subnormals)}};
}

/// Lines of `fields` that `base` does not have.
Lines differences(const Lines &fields, const Lines &base) {
    Lines different;
    for (const auto &field : fields)
        if (std::find(base.begin(), base.end(), field) == base.end()) different.push_back(field);
    return different;
}

bool is_bare_key(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

void append(std::string &text, const Lines &lines) {
    for (const auto &[key, value] : lines) fmt::format_to(std::back_inserter(text), "{} = {}\n", key, value);
}

Lines fields_of(const TrainingOptions &o) {
    Lines lines;
    const auto put = [&](std::string_view key, const auto &value) {
        if (value) lines.emplace_back(key, toml_of(*value));
    };
    if (!o.recipes.empty()) lines.emplace_back("recipes", toml_of(o.recipes));
    put("steps", o.steps), put("batch", o.batch), put("accumulated-batches", o.micro_batches);
    put("ranks", o.ranks);
    const auto format = [&](std::string_view key, const std::optional<ops::DType> &value) {
        if (value) lines.emplace_back(key, toml_string(ops::name_of(*value)));
    };
    format("gradients", o.kept.gradients), format("all-reduce", o.kept.all_reduce);
    format("ema", o.kept.average), format("step-counter", o.kept.step_counter);
    format("running-statistics", o.kept.running_statistics), put("ema-decay", o.ema_decay);
    if (o.kept.all_reduce_order) lines.emplace_back("all-reduce-order", toml_string(name_of(*o.kept.all_reduce_order)));
    if (o.optimizer) lines.emplace_back("optimizer", toml_string(name_of(*o.optimizer)));
    put("lr", o.learning_rate), put("momentum", o.momentum), put("dampening", o.dampening);
    put("nesterov", o.nesterov);
    if (o.beta1 && o.beta2) lines.emplace_back("betas", fmt::format("[{}, {}]", *o.beta1, *o.beta2));
    put("eps", o.epsilon), put("weight-decay", o.weight_decay);
    put("warmup", o.warmup), put("cosine", o.cosine);
    put("clip-norm", o.clip_norm), put("clip-before-unscaling", o.clip_scaled);
    put("round-hyperparameters", o.round_hyperparameters);
    if (o.loss_scale) lines.emplace_back("loss-scale", toml_string(*o.loss_scale));
    if (o.accumulate) lines.emplace_back("accumulate", toml_string(*o.accumulate));
    if (o.seed) lines.emplace_back("seed", fmt::format("{}", *o.seed));
    if (o.order) lines.emplace_back("order", toml_string(*o.order == data::Order::file ? "file" : "shuffled"));
    if (!o.freeze.empty()) lines.emplace_back("freeze", toml_of(o.freeze));
    put("trace-every", o.trace_every);
    return lines;
}

} // namespace

std::string toml_string(std::string_view text) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    const bool plain = std::none_of(text.begin(), text.end(), is_control);
    const bool escapes = text.find_first_of("\\\"") != std::string_view::npos;
    if (plain && !escapes) return fmt::format("\"{}\"", text);
    if (plain && text.find('\'') == std::string_view::npos) return fmt::format("'{}'", text);
    std::string quoted = "\"";
    for (const char c : text) {
        if (is_control(c))
            fmt::format_to(std::back_inserter(quoted), "\\u{:04x}", static_cast<unsigned char>(c));
        else if (c == '"' || c == '\\')
            quoted += {'\\', c};
        else
            quoted += c;
    }
    return quoted + '"';
}

std::string recipe_as_toml(const Recipe &recipe) {
    const Lines fields = fields_of(recipe);
    const auto distance = [&](const Recipe &built_in) { return differences(fields, fields_of(built_in)).size(); };
    // A change of a built-in recipe reads best as such, even where another recipe is a key nearer.
    const auto farness = [&](const Recipe &built_in) {
        return distance(built_in) + (built_in.name == recipe.name ? 0 : 2);
    };
    const std::span<const Recipe> all = built_in_recipes();
    const Recipe *base = &*std::min_element(all.begin(), all.end(),
                                            [&](const Recipe &a, const Recipe &b) { return farness(a) < farness(b); });
    std::string text = fmt::format("[recipes.{}]\n", is_bare_key(recipe.name) ? recipe.name : toml_string(recipe.name));
    if (base->name != recipe.name) fmt::format_to(std::back_inserter(text), "base = {}\n", toml_string(base->name));
    append(text, differences(fields, fields_of(*base)));
    for (const LayerOverride &layer : recipe.layers)
        fmt::format_to(std::back_inserter(text), "\n[[recipes.{}.layers]]\nmatch = {}\nformat = \"{}\"\n",
                       is_bare_key(recipe.name) ? recipe.name : toml_string(recipe.name), toml_string(layer.pattern),
                       ops::name_of(layer.format));
    return text;
}

std::string training_as_toml(const TrainingOptions &options) {
    std::string text = "[train]\n";
    append(text, fields_of(options));
    return text;
}

std::span<const std::string_view> written_recipe_keys() {
    static const std::vector<std::string_view> keys = [] {
        std::vector<std::string_view> names{"base", "layers"};
        for (const auto &[key, value] : fields_of(Recipe{})) names.push_back(key);
        return names;
    }();
    return keys;
}

std::span<const std::string_view> written_training_keys() {
    static const std::vector<std::string_view> keys = [] {
        TrainingOptions all;
        all.recipes = all.freeze = {"x"};
        all.steps = all.batch = all.warmup = all.micro_batches = all.trace_every = 1;
        all.optimizer = OptimizerKind::adam;
        all.learning_rate = all.momentum = all.dampening = all.beta1 = all.beta2 = 0.5;
        all.epsilon = all.weight_decay = all.clip_norm = 0.5;
        all.nesterov = all.cosine = all.clip_scaled = all.round_hyperparameters = true;
        all.seed = 1;
        all.order = data::Order::file;
        all.loss_scale = all.accumulate = "x";
        all.ranks = 1;
        all.ema_decay = 0.5;
        constexpr auto format = ops::DType::fp16;
        all.kept = {format, format, format, format, format, ReduceOrder::sum_first};
        std::vector<std::string_view> names{"threads"}; // not written: results do not depend on it
        for (const auto &[key, value] : fields_of(all)) names.push_back(key);
        return names;
    }();
    return keys;
}

} // namespace halfscope::train
