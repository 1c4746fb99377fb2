#include "cli/load_model.h"

#include "emulation/data/npz.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/onnx/import.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/profile/data_demand.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace halfscope::cli {
namespace {

constexpr std::int64_t default_batch = 32;

/// "NAME=SIZE" pairs of --dimension.
std::map<std::string, std::int64_t> parse_dimensions(const std::vector<std::string> &pairs) {
    std::map<std::string, std::int64_t> sizes;
    for (const std::string &pair : pairs) {
        const auto equals = pair.find('=');
        std::int64_t size = 0;
        const char *end = pair.data() + pair.size();
        const auto [stop, error] = equals == std::string::npos
                                       ? std::from_chars_result{end, std::errc::invalid_argument}
                                       : std::from_chars(pair.data() + equals + 1, end, size);
        if (error != std::errc() || stop != end || size < 1)
            throw std::invalid_argument(fmt::format("--dimension: '{}' is not NAME=SIZE with a positive size", pair));
        sizes[pair.substr(0, equals)] = size;
    }
    return sizes;
}

bool is_zoo(const std::string &model) { return model.rfind("zoo:", 0) == 0; }

/// What a named data set offers a zoo model that adapts to it.
model::InputHints hints_for(const std::string &data) {
    model::InputHints hints;
    if (data == "fashion-mnist" || data == "mnist") hints = {1, 28, 10, 0};
    return hints;
}

/// The data set a zoo model goes with, when none was named.
std::string default_data(const std::string &zoo_spec) {
    const std::string name = zoo_spec.substr(4, zoo_spec.find(':', 4) - 4);
    for (const model::ZooEntry &entry : model::zoo_list())
        if (entry.name == name) return entry.data;
    return "synthetic";
}

/// Of the array 'target' of an .npz, which tells scores of classes from a regression of the same shape.
std::optional<model::TargetFacts> target_facts(const std::string &data) {
    std::error_code error;
    if (std::filesystem::path(data).extension() != ".npz" || !std::filesystem::exists(data, error)) return {};
    const auto arrays = data::read_npz(data);
    const auto found = arrays.find("target");
    if (found == arrays.end() || found->second.shape.empty()) return {};
    const data::Array &array = found->second;
    model::TargetFacts facts;
    facts.floating = data::is_floating(array.type);
    facts.elements_a_sample = array.elements() / std::max<std::int64_t>(1, array.shape.front());
    facts.zeros_and_ones = facts.floating; // asked of those alone
    for (std::int64_t i = 0; i < array.elements() && facts.zeros_and_ones; ++i)
        facts.zeros_and_ones = array.number_at(i) == 0 || array.number_at(i) == 1;
    return facts;
}

void attach_chosen_loss(model::Graph &graph, const std::string &loss, std::vector<std::string> &notes,
                        const std::string &data = {}) {
    if (!loss.empty()) {
        model::attach_loss(graph, loss);
        return;
    }
    model::LossChoice choice = model::default_loss(graph);
    // Only scores of classes can turn out to be something else: other models need no look at the data.
    if (choice.loss == "cross-entropy") choice = model::default_loss(graph, target_facts(data));
    notes.push_back(choice.reason);
    model::attach_loss(graph, choice.loss);
}

/// Batch size of a zoo model: what its data makes usual.
std::int64_t zoo_batch(const std::string &spec) { return spec.rfind("zoo:gpt", 0) == 0 ? 8 : 64; }

} // namespace

LoadedModel load_model(const ProfileOptions &options) {
    LoadedModel loaded;
    loaded.data_name = options.data;
    if (is_zoo(options.model)) {
        if (loaded.data_name.empty()) {
            loaded.data_name = default_data(options.model);
            loaded.notes.push_back(fmt::format("No --data was given: {} is used.", loaded.data_name));
        }
        const auto hints = hints_for(loaded.data_name);
        const auto batch = static_cast<int>(options.training.batch.value_or(zoo_batch(options.model)));
        const auto build = [spec = options.model, hints, batch, loss = options.loss](std::uint64_t seed,
                                                                                     std::vector<std::string> &notes) {
            model::Graph graph = model::build_zoo_model(spec, batch, seed, hints);
            attach_chosen_loss(graph, loss, notes);
            return graph;
        };
        loaded.graph = build(options.training.seed.value_or(0), loaded.notes);
        loaded.reinitialize = [build](std::uint64_t seed) {
            std::vector<std::string> ignored;
            return build(seed, ignored);
        };
    } else {
        model::ImportOptions import;
        import.batch = options.training.batch.value_or(default_batch);
        import.dimensions = parse_dimensions(options.dimensions);
        import.freeze = options.training.freeze;
        model::Imported imported = model::import_onnx(options.model, import);
        loaded.graph = std::move(imported.graph);
        loaded.notes = std::move(imported.notes);
        attach_chosen_loss(loaded.graph, options.loss, loaded.notes, loaded.data_name);
        if (loaded.data_name.empty()) {
            loaded.data_name = "synthetic";
            loaded.notes.push_back("No --data was given: synthetic data made from the model's input shapes is used, so "
                                   "the verdict speaks of this network, not of your data.");
        }
    }
    loaded.dataset = data::open_dataset(loaded.data_name, train::demand_of(loaded.graph));
    for (std::string &note : loaded.dataset->notes()) loaded.notes.push_back(std::move(note));
    return loaded;
}

} // namespace halfscope::cli
