#include "emulation/train/config/config.h"

#include "emulation/data/file_bytes.h"
#include "emulation/train/autocast/op_lists.h"
#include "emulation/train/loss_scaler.h"
#include "emulation/train/lowering/layer_patterns.h"
#include "emulation/train/nearest_name.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>

namespace halfscope::train {
namespace {

/// Where a value stands, for messages.
class Reader {
  public:
    explicit Reader(std::string where) : where_(std::move(where)) {}

    [[noreturn]] void fail(const toml::node &node, const std::string &reason) const {
        throw std::invalid_argument(fmt::format("{}: {}", place(node), reason));
    }
    /// "run.toml, line 3".
    std::string place(const toml::node &node) const {
        return fmt::format("{}, line {}", where_, node.source().begin.line);
    }
    std::string text(const toml::node &node, std::string_view key) const {
        if (const auto *value = node.as_string()) return value->get();
        fail(node, fmt::format("{} must be a string in quotes", key));
    }
    double number(const toml::node &node, std::string_view key) const {
        if (const auto *value = node.as_floating_point()) return value->get();
        if (const auto *value = node.as_integer()) return static_cast<double>(value->get());
        fail(node, fmt::format("{} must be a number", key));
    }
    std::int64_t whole(const toml::node &node, std::string_view key) const {
        if (const auto *value = node.as_integer()) return value->get();
        fail(node, fmt::format("{} must be a whole number", key));
    }
    bool flag(const toml::node &node, std::string_view key) const {
        if (const auto *value = node.as_boolean()) return value->get();
        fail(node, fmt::format("{} must be true or false", key));
    }
    const toml::table &table(const toml::node &node, std::string_view key) const {
        if (const auto *value = node.as_table()) return *value;
        fail(node, fmt::format("{0} must be a table: [{0}] or [{0}.NAME]", key));
    }
    const toml::array &array(const toml::node &node, std::string_view key) const {
        if (const auto *value = node.as_array()) return *value;
        fail(node, fmt::format("{0} must be a list: [...] or, of tables, [[{0}]]", key));
    }
    std::vector<std::string> texts(const toml::node &node, std::string_view key) const {
        std::vector<std::string> values;
        for (const toml::node &each : array(node, key)) values.push_back(text(each, key));
        return values;
    }
    /// Runs an own parser, giving its message a place.
    template <typename Parse> auto placed(const toml::node &node, Parse parse) const {
        try {
            return parse();
        } catch (const std::invalid_argument &error) {
            fail(node, error.what());
        }
    }

    using Setters = std::map<std::string, std::function<void(const toml::node &, std::string_view)>>;
    /// Gives each key of the table to its setter.
    void read(const toml::table &source, std::string_view what, const Setters &setters) const {
        for (const auto &[key, node] : source) {
            const auto setter = setters.find(std::string(key.str()));
            if (setter == setters.end()) {
                std::vector<std::string> names;
                for (const auto &[name, unused] : setters) names.push_back(name);
                fail(node, fmt::format("{} has no key '{}'{}; it takes {}", what, key.str(),
                                       did_you_mean(key.str(), names), fmt::join(names, ", ")));
            }
            setter->second(node, setter->first);
        }
    }

  private:
    std::string where_;
};

std::vector<LayerOverride> read_layers(const Reader &reader, const toml::node &list) {
    std::vector<LayerOverride> layers;
    for (const toml::node &entry : reader.array(list, "layers")) {
        LayerOverride layer;
        bool matched = false;
        reader.read(reader.table(entry, "layers"), "a layer override",
                    {{"match",
                      [&](const toml::node &node, std::string_view key) {
                          layer.pattern = reader.text(node, key);
                          layer.where = reader.place(node);
                          (void)reader.placed(node, [&] { return compiled_pattern(layer.pattern); });
                          matched = true;
                      }},
                     {"format", [&](const toml::node &node, std::string_view key) {
                          layer.format = reader.placed(node, [&] { return format_named(reader.text(node, key), key); });
                      }}});
        if (!matched) reader.fail(entry, "a layer override needs match = \"REGEX\"");
        for (const LayerOverride &earlier : layers)
            if (earlier.pattern == layer.pattern && earlier.format != layer.format)
                reader.fail(entry,
                            fmt::format("'{}' is in {} here and in {} at {}; leave one of the two out", layer.pattern,
                                        ops::name_of(layer.format), ops::name_of(earlier.format), earlier.where));
        layers.push_back(std::move(layer));
    }
    return layers;
}

void read_training(const Reader &reader, const toml::table &table, TrainingOptions &options) {
    const auto number = [&](std::optional<double> &to) {
        return [&reader, &to](const toml::node &node, std::string_view key) { to = reader.number(node, key); };
    };
    const auto whole = [&](std::optional<std::int64_t> &to) {
        return [&reader, &to](const toml::node &node, std::string_view key) { to = reader.whole(node, key); };
    };
    const auto flag = [&](std::optional<bool> &to) {
        return [&reader, &to](const toml::node &node, std::string_view key) { to = reader.flag(node, key); };
    };
    const auto format = [&](std::optional<ops::DType> &to) {
        return [&reader, &to](const toml::node &node, std::string_view key) {
            to = reader.placed(node, [&] { return format_named(reader.text(node, key), key); });
        };
    };
    reader.read(
        table, "[train]",
        {{"steps", whole(options.steps)},
         {"batch", whole(options.batch)},
         {"warmup", whole(options.warmup)},
         {"accumulated-batches", whole(options.micro_batches)},
         {"ranks", whole(options.ranks)},
         {"gradients", format(options.kept.gradients)},
         {"all-reduce", format(options.kept.all_reduce)},
         {"ema", format(options.kept.average)},
         {"step-counter", format(options.kept.step_counter)},
         {"running-statistics", format(options.kept.running_statistics)},
         {"ema-decay", number(options.ema_decay)},
         {"all-reduce-order",
          [&](const toml::node &node, std::string_view key) {
              options.kept.all_reduce_order =
                  reader.placed(node, [&] { return reduce_order_named(reader.text(node, key), key); });
          }},
         {"trace-every", whole(options.trace_every)},
         {"lr", number(options.learning_rate)},
         {"momentum", number(options.momentum)},
         {"dampening", number(options.dampening)},
         {"eps", number(options.epsilon)},
         {"weight-decay", number(options.weight_decay)},
         {"clip-norm", number(options.clip_norm)},
         {"nesterov", flag(options.nesterov)},
         {"cosine", flag(options.cosine)},
         {"clip-before-unscaling", flag(options.clip_scaled)},
         {"round-hyperparameters", flag(options.round_hyperparameters)},
         {"betas",
          [&](const toml::node &node, std::string_view key) {
              const toml::array &list = reader.array(node, key);
              if (list.size() != 2) reader.fail(node, "betas must be a list of two numbers");
              options.beta1 = reader.number(list[0], key);
              options.beta2 = reader.number(list[1], key);
          }},
         {"optimizer",
          [&](const toml::node &node, std::string_view key) {
              options.optimizer = reader.placed(node, [&] { return optimizer_named(reader.text(node, key)); });
          }},
         {"seed",
          [&](const toml::node &node, std::string_view key) {
              const std::int64_t seed = reader.whole(node, key);
              if (seed < 0) reader.fail(node, "seed must not be negative");
              options.seed = static_cast<std::uint64_t>(seed);
          }},
         {"threads",
          [&](const toml::node &node, std::string_view key) {
              const std::int64_t threads = reader.whole(node, key);
              if (threads < 0 || threads > 4096) reader.fail(node, "threads must be from 0 (all cores) to 4096");
              options.threads = static_cast<int>(threads);
          }},
         {"order",
          [&](const toml::node &node, std::string_view key) {
              const std::string order = reader.text(node, key);
              if (order != "file" && order != "shuffled") reader.fail(node, "order is \"shuffled\" or \"file\"");
              options.order = order == "file" ? data::Order::file : data::Order::shuffled;
          }},
         {"loss-scale",
          [&](const toml::node &node, std::string_view key) {
              options.loss_scale = reader.text(node, key);
              reader.placed(node, [&] { return parse_loss_scale(*options.loss_scale); });
          }},
         {"accumulate",
          [&](const toml::node &node, std::string_view key) {
              options.accumulate = reader.text(node, key);
              reader.placed(node, [&] { return ops::accumulation_from(*options.accumulate); });
          }},
         {"freeze", [&](const toml::node &node, std::string_view key) { options.freeze = reader.texts(node, key); }},
         {"recipes",
          [&](const toml::node &node, std::string_view key) { options.recipes = reader.texts(node, key); }}});
}

Policy policy_named(const std::string &name) {
    std::vector<std::string> names;
    for (const Policy policy : {Policy::full, Policy::autocast, Policy::o2, Policy::pure}) {
        if (name_of(policy) == name) return policy;
        names.emplace_back(name_of(policy));
    }
    throw std::invalid_argument(fmt::format("no policy is called '{}'{}; there are {}", name, did_you_mean(name, names),
                                            fmt::join(names, ", ")));
}

UpdateRounding update_named(const std::string &name) {
    std::vector<std::string> names;
    for (const UpdateRounding update : {UpdateRounding::nearest, UpdateRounding::stochastic, UpdateRounding::kahan}) {
        if (name_of(update) == name) return update;
        names.emplace_back(name_of(update));
    }
    throw std::invalid_argument(
        fmt::format("update is nearest, stochastic or kahan, not '{}'{}", name, did_you_mean(name, names)));
}

Recipe read_recipe(const Reader &reader, const std::string &name, const toml::node &source,
                   std::span<const Recipe> earlier) {
    const toml::table &table = reader.table(source, "recipes." + name);
    std::string base = name;
    if (const toml::node *node = table.get("base")) base = reader.text(*node, "base");
    const bool known = std::any_of(built_in_recipes().begin(), built_in_recipes().end(),
                                   [&](const Recipe &recipe) { return recipe.name == name; });
    if (!table.get("base") && !known)
        reader.fail(source, fmt::format("recipe '{}' is not built in, so it needs base = \"RECIPE\"", name));
    const toml::node *base_node = table.get("base");
    Recipe recipe = reader.placed(base_node ? *base_node : source, [&] { return recipe_named(base, earlier); });
    recipe.name = name;
    const auto format = [&](ops::DType &to) {
        return [&reader, &to](const toml::node &node, std::string_view key) {
            to = reader.placed(node, [&] { return format_named(reader.text(node, key), key); });
        };
    };
    reader.read(
        table, fmt::format("recipe '{}'", name),
        {{"base", [](const toml::node &, std::string_view) {}},
         {"description",
          [&](const toml::node &node, std::string_view key) { recipe.description = reader.text(node, key); }},
         {"policy",
          [&](const toml::node &node, std::string_view key) {
              recipe.policy = reader.placed(node, [&] { return policy_named(reader.text(node, key)); });
          }},
         {"compute", format(recipe.compute)},
         {"weights", format(recipe.weights)},
         {"state", format(recipe.state)},
         {"gradients", format(recipe.gradients)},
         {"all-reduce", format(recipe.all_reduce)},
         {"ema", format(recipe.average)},
         {"step-counter", format(recipe.step_counter)},
         {"running-statistics", format(recipe.running_statistics)},
         {"all-reduce-order",
          [&](const toml::node &node, std::string_view key) {
              recipe.all_reduce_order =
                  reader.placed(node, [&] { return reduce_order_named(reader.text(node, key), key); });
          }},
         {"autocast",
          [&](const toml::node &node, std::string_view key) {
              recipe.autocast_lists = reader.text(node, key);
              reader.placed(node, [&] { return autocast_lists_of(recipe.autocast_lists).name; });
          }},
         {"master-weights",
          [&](const toml::node &node, std::string_view key) { recipe.master_weights = reader.flag(node, key); }},
         {"accumulation",
          [&](const toml::node &node, std::string_view key) {
              recipe.accumulation = reader.placed(node, [&] { return ops::accumulation_from(reader.text(node, key)); });
          }},
         {"loss-scale",
          [&](const toml::node &node, std::string_view key) {
              recipe.loss_scale = reader.text(node, key);
              reader.placed(node, [&] { return parse_loss_scale(recipe.loss_scale); });
          }},
         {"update",
          [&](const toml::node &node, std::string_view key) {
              recipe.update = reader.placed(node, [&] { return update_named(reader.text(node, key)); });
          }},
         {"flush-subnormals",
          [&](const toml::node &node, std::string_view key) { recipe.flush_subnormals = reader.flag(node, key); }},
         {"layers", [&](const toml::node &node, std::string_view) {
              for (LayerOverride &layer : read_layers(reader, node)) recipe.layers.push_back(std::move(layer));
          }}});
    reader.placed(source, [&] {
        check(recipe);
        if (recipe.policy == Policy::full && recipe.layers.empty() && recipe.name != "fp32")
            throw std::invalid_argument(fmt::format("recipe '{}': everything in fp32 is the twin, which always runs; "
                                                    "give it layers in 16 bits or another policy",
                                                    recipe.name));
        return 0;
    });
    return recipe;
}

} // namespace

Config parse_config(std::string_view text, const std::string &where) {
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (const toml::parse_error &error) {
        throw std::invalid_argument(
            fmt::format("{}, line {}: not valid TOML ({})", where, error.source().begin.line, error.description()));
    }
    const Reader reader(where);
    Config config;
    reader.read(
        root, "the file",
        {{"train", [&](const toml::node &node,
                       std::string_view key) { read_training(reader, reader.table(node, key), config.training); }},
         {"recipes",
          [&](const toml::node &node, std::string_view key) {
              // In the order they are written, so that one may be the base of a later one.
              std::vector<std::pair<toml::source_position, std::string>> order;
              const toml::table &recipes = reader.table(node, key);
              for (const auto &[name, recipe] : recipes)
                  order.emplace_back(recipe.source().begin, std::string(name.str()));
              std::sort(order.begin(), order.end());
              for (const auto &[position, name] : order)
                  config.recipes.push_back(read_recipe(reader, name, *recipes.get(name), config.recipes));
          }},
         {"layers", [&](const toml::node &node, std::string_view) { config.layers = read_layers(reader, node); }}});
    return config;
}

Config read_config(const std::filesystem::path &file) {
    const auto bytes = data::read_file(file);
    return parse_config({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, file.string());
}

Recipe configured_recipe(const Config &config, std::string_view name) {
    Recipe recipe = recipe_named(name, config.recipes);
    if (recipe.policy != Policy::full)
        recipe.layers.insert(recipe.layers.begin(), config.layers.begin(), config.layers.end());
    return recipe;
}

} // namespace halfscope::train
