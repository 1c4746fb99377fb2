#include "emulation/data/npz_dataset.h"

#include "emulation/data/array_dataset.h"
#include "emulation/data/npz.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

namespace halfscope::data {
namespace {

std::string listed(const std::map<std::string, Array> &arrays) {
    std::string names;
    for (const auto &[name, array] : arrays) names += (names.empty() ? "'" : ", '") + name + "'";
    return names;
}

/// Array name for each slot; notes tell of pairings that names alone do not give.
std::vector<std::string> match(const std::map<std::string, Array> &arrays, const Demand &demand,
                               const std::string &where, std::vector<std::string> &notes) {
    std::vector<std::string> names(demand.slots.size());
    std::vector<std::string> unused;
    for (const auto &[name, array] : arrays)
        if (!name.starts_with("test_")) unused.push_back(name);
    const auto take = [&](std::size_t slot, const std::string &name) {
        const auto found = std::find(unused.begin(), unused.end(), name);
        if (found == unused.end()) return false;
        names[slot] = name;
        unused.erase(found);
        return true;
    };
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < demand.slots.size(); ++i)
        if (!take(i, demand.slots[i].name) && !(demand.slots[i].target && take(i, "target"))) open.push_back(i);
    if (open.size() == 1 && unused.size() == 1) {
        notes.push_back(fmt::format("array '{}' is given to the input '{}', the only one left", unused.front(),
                                    demand.slots[open.front()].name));
        names[open.front()] = unused.front();
        open.clear();
    }
    if (!open.empty()) {
        const Slot &slot = demand.slots[open.front()];
        throw std::invalid_argument(fmt::format(
            "{}: it has no array for the model's {} '{}'{}; it holds {}", where, slot.target ? "target" : "input",
            slot.name, slot.target && slot.name != "target" ? " (or 'target')" : "", listed(arrays)));
    }
    return names;
}

bool fills(const Array &array, const Slot &slot) {
    const auto wanted = slot.shape.sizes();
    return std::equal(array.shape.begin(), array.shape.end(), wanted.begin(), wanted.end());
}

Column column_of(const Array &array, const Slot &slot, std::int64_t samples) {
    Column column;
    column.array = array;
    column.shared = (slot.whole || array.shape.empty() || array.shape.front() != samples) && fills(array, slot);
    return column;
}

} // namespace

std::unique_ptr<Dataset> open_npz_dataset(const std::filesystem::path &file, const Demand &demand) {
    const std::string where = file.string();
    const auto arrays = read_npz(file);
    std::vector<std::string> notes;
    const auto names = match(arrays, demand, where, notes);

    // The number of samples is what most arrays agree on; the longest decides between equals.
    std::map<std::int64_t, int> votes;
    for (std::size_t i = 0; i < names.size(); ++i)
        if (const Array &array = arrays.at(names[i]); !array.shape.empty() && !demand.slots[i].whole)
            ++votes[array.shape.front()];
    std::int64_t samples = 0;
    for (const auto &[count, number] : votes)
        if (samples == 0 || number >= votes[samples]) samples = count;

    std::vector<Column> training, held_out;
    for (std::size_t i = 0; i < names.size(); ++i)
        training.push_back(column_of(arrays.at(names[i]), demand.slots[i], samples));
    // Samples of one graph belong to its edges: where the arrays are one batch, they stay together and in order.
    bool one_batch = std::any_of(demand.slots.begin(), demand.slots.end(), [](const Slot &slot) { return slot.whole; });
    for (std::size_t i = 0; i < training.size(); ++i)
        one_batch = one_batch && fills(training[i].array, demand.slots[i]);
    if (one_batch) {
        for (Column &column : training) column.shared = true;
        notes.push_back("the arrays are one batch, taken whole at every step");
    }
    const bool has_test = std::all_of(names.begin(), names.end(),
                                      [&](const std::string &name) { return arrays.contains("test_" + name); });
    std::int64_t test_samples = 0;
    if (has_test) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            const Array &array = arrays.at("test_" + names[i]);
            if (!array.shape.empty()) test_samples = std::max(test_samples, array.shape.front());
        }
        for (std::size_t i = 0; i < names.size(); ++i)
            held_out.push_back(column_of(arrays.at("test_" + names[i]), demand.slots[i], test_samples));
    }
    std::string description = fmt::format("{}: {} samples, {} held out", where, samples, has_test ? test_samples : 0);
    return std::make_unique<ArrayDataset>(demand, std::move(training), std::move(held_out), where,
                                          std::move(description), std::move(notes));
}

} // namespace halfscope::data
