// Orders in which sums are taken.
#include "kernels/judge/row_variant.h"

#include "emulation/number/round_array.h"
#include "emulation/ops/reduction/tree.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace halfscope::kernels::judge {
namespace {

float sequential(std::span<const float> row) {
    float total = 0;
    for (const float value : row) total += value;
    return total;
}

float sequential_in(std::span<const float> row, number::FormatId format) {
    float total = 0;
    for (const float value : row) total = number::widen_16bit(number::round_to_16bit(total + value, format), format);
    return total;
}

float pairwise(std::span<const float> row) {
    if (row.empty()) return 0;
    if (row.size() == 1) return row[0];
    const std::size_t half = row.size() / 2;
    return pairwise(row.first(half)) + pairwise(row.subspan(half));
}

/// numpy/_core/src/umath/loops_utils.h.src: below 8 elements in order; up to 128 eight accumulators, joined as
/// ((0+1)+(2+3)) + ((4+5)+(6+7)), and the rest in order; above, halves cut at a multiple of 8.
float numpy_pairwise(std::span<const float> row) {
    if (row.size() < 8) {
        float total = -0.0F; // numpy's start since 1.25; +0 before: the same but for sums of -0
        for (const float value : row) total += value;
        return total;
    }
    if (row.size() <= 128) {
        std::array<float, 8> r{};
        std::copy_n(row.begin(), 8, r.begin());
        std::size_t i = 8;
        for (; i < row.size() - row.size() % 8; i += 8)
            for (std::size_t lane = 0; lane < 8; ++lane) r[lane] += row[i + lane];
        float total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for (; i < row.size(); ++i) total += row[i];
        return total;
    }
    const std::size_t half = row.size() / 2 - row.size() / 2 % 8;
    return numpy_pairwise(row.first(half)) + numpy_pairwise(row.subspan(half));
}

float lanes(std::span<const float> row, std::size_t count) {
    std::vector<float> lane(count, 0.0F);
    for (std::size_t i = 0; i < row.size(); ++i) lane[i % count] += row[i];
    for (std::size_t half = count / 2; half > 0; half /= 2)
        for (std::size_t i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
}

float blocks(std::span<const float> row, std::size_t length) {
    float total = 0;
    for (std::size_t first = 0; first < row.size(); first += length)
        total += sequential(row.subspan(first, std::min(length, row.size() - first)));
    return total;
}

std::size_t number_behind(std::string_view model, std::string_view prefix) {
    std::size_t value = 0;
    const std::string_view digits = model.substr(prefix.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

} // namespace

float sum_of_row(std::string_view model, std::span<const float> row) {
    if (model == "tree") return ops::reduction::tree_sum(row.data(), static_cast<std::int64_t>(row.size()));
    if (model == "sequential") return sequential(row);
    if (model == "sequential-fp16") return sequential_in(row, number::FormatId::fp16);
    if (model == "sequential-bf16") return sequential_in(row, number::FormatId::bf16);
    if (model == "pairwise") return pairwise(row);
    if (model == "numpy") return numpy_pairwise(row);
    if (model.starts_with("lanes-")) return lanes(row, number_behind(model, "lanes-"));
    if (model.starts_with("blocks-")) return blocks(row, number_behind(model, "blocks-"));
    throw std::logic_error("no sum is called " + std::string(model));
}

} // namespace halfscope::kernels::judge
