#include "reports/render/page_data.h"

#include "reports/document/document.h"
#include "reports/render/share_plane.h"

#include <algorithm>
#include <limits>
#include <span>

namespace halfscope::reports {
namespace {

constexpr std::size_t most_columns = 400;   // about a pixel or two each on a wide screen
constexpr std::size_t fewest_columns = 100; // still shows when something happened to a percent of the run
constexpr std::size_t most_cells = 1'500'000;

constexpr float not_traced = std::numeric_limits<float>::quiet_NaN();

/// The traced steps of a run, gathered into display columns.
struct Columns {
    std::vector<std::int64_t> steps; ///< all traced steps of the run, ascending
    std::size_t per_column = 1;

    Columns(const analysis::RecipeAssessment &recipe, std::size_t limit) {
        for (const auto &layer : recipe.layers)
            for (const auto &tensor : layer.tensors)
                if (steps.size() < tensor.steps.size() || steps != tensor.steps) {
                    std::vector<std::int64_t> both;
                    std::set_union(steps.begin(), steps.end(), tensor.steps.begin(), tensor.steps.end(),
                                   std::back_inserter(both));
                    steps = std::move(both);
                }
        per_column = std::max<std::size_t>(1, (steps.size() + limit - 1) / limit);
    }

    [[nodiscard]] std::size_t count() const { return (steps.size() + per_column - 1) / per_column; }

    [[nodiscard]] std::size_t column_of(std::int64_t step) const {
        const auto place = std::lower_bound(steps.begin(), steps.end(), step) - steps.begin();
        return static_cast<std::size_t>(place) / per_column;
    }

    /// The largest value in each column; NaN where the tensor was not traced.
    template <class T>
    [[nodiscard]] std::vector<float> gather(std::span<const std::int64_t> at, std::span<const T> values) const {
        std::vector<float> row(count(), not_traced);
        for (std::size_t i = 0; i < std::min(at.size(), values.size()); ++i) {
            float &cell = row[column_of(at[i])];
            const auto value = static_cast<float>(values[i]);
            if (!(cell >= value)) cell = value;
        }
        return row;
    }
};

void add_plane(Json &row, const char *name, const std::vector<float> &shares) {
    if (std::any_of(shares.begin(), shares.end(), [](float share) { return share > 0; }))
        row[name] = encode_shares(shares);
}

Json heat_of(const analysis::RecipeAssessment &recipe, std::size_t column_limit) {
    const Columns columns(recipe, column_limit);
    Json rows = Json::array();
    for (std::size_t layer = 0; layer < recipe.layers.size(); ++layer)
        for (const auto &tensor : recipe.layers[layer].tensors) {
            const std::span<const std::int64_t> at = tensor.steps;
            Json row = {{"layer", layer}, {"tensor", tensor.name}};
            add_plane(row, "underflow", columns.gather<float>(at, tensor.underflow_by_step));
            add_plane(row, "overflow", columns.gather<float>(at, tensor.overflow_by_step));
            add_plane(row, "subnormal", columns.gather<float>(at, tensor.subnormal_by_step));
            add_plane(row, "non_finite", columns.gather<std::uint8_t>(at, tensor.non_finite_by_step));
            row["amax"] = encode_magnitudes(columns.gather<float>(at, tensor.amax_by_step));
            rows.push_back(std::move(row));
        }
    Json firsts = Json::array();
    for (std::size_t i = 0; i < columns.steps.size(); i += columns.per_column) firsts.push_back(columns.steps[i]);
    return {{"columns", std::move(firsts)},
            {"last", columns.steps.empty() ? 0 : columns.steps.back()},
            {"rows", std::move(rows)}};
}

} // namespace

Json page_data(const analysis::Assessment &assessment) {
    std::size_t tensors = 1;
    for (const auto &recipe : assessment.recipes)
        for (const auto &layer : recipe.layers) tensors += layer.tensors.size();
    const std::size_t limit = std::clamp(most_cells / tensors, fewest_columns, most_columns);
    Json heat = Json::array();
    for (const auto &recipe : assessment.recipes) heat.push_back(heat_of(recipe, limit));
    return {{"report", to_document(assessment)}, {"heat", std::move(heat)}};
}

} // namespace halfscope::reports
