#include "emulation/model/zoo/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace halfscope::model::zoo {
namespace {

/// Levenshtein distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i] != b[j]);
            diagonal = std::exchange(row[j + 1], std::min({row[j + 1] + 1, row[j] + 1, substituted}));
        }
    }
    return row.back();
}

} // namespace

std::string_view nearest(std::string_view typed, std::span<const std::string_view> names) {
    return *std::ranges::min_element(names, {}, [&](std::string_view name) { return edit_distance(typed, name); });
}

Parameter *Parameters::find(std::string_view name) {
    const auto found = std::ranges::find(values_, name, &Parameter::name);
    return found == values_.end() ? nullptr : &*found;
}

void Parameters::read(std::string_view text) {
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), item.size() + 1));
        const std::size_t equals = item.find('=');
        if (equals == std::string_view::npos) reject(fmt::format("'{}' is not of the form parameter=value", item));
        const std::string_view name = item.substr(0, equals), number = item.substr(equals + 1);
        Parameter *parameter = find(name);
        if (!parameter) {
            std::vector<std::string_view> names;
            for (const Parameter &known : values_) names.push_back(known.name);
            reject(fmt::format("it has no parameter '{}', did you mean '{}'?", name, nearest(name, names)));
        }
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
        if (error != std::errc() || end != number.data() + number.size() || value < parameter->least ||
            value > parameter->most)
            reject(fmt::format("'{}' must be a whole number from {} to {}, not '{}'", name, parameter->least,
                               parameter->most, number));
        parameter->value = value;
        written_.push_back(parameter->name);
    }
}

void Parameters::hint(std::string_view name, std::int64_t value) {
    Parameter *parameter = find(name);
    if (parameter && value != 0 && std::ranges::find(written_, name) == written_.end()) parameter->value = value;
}

std::int64_t Parameters::operator[](std::string_view name) const {
    const auto found = std::ranges::find(values_, name, &Parameter::name);
    if (found == values_.end()) throw std::logic_error("a zoo model asks for a parameter it did not declare");
    return found->value;
}

void Parameters::reject(const std::string &reason) const {
    throw std::invalid_argument(fmt::format("zoo model '{}': {}", model_, reason));
}

} // namespace halfscope::model::zoo
