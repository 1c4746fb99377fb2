#include "emulation/model/onnx/tables.h"

#include <algorithm>
#include <cmath>

namespace halfscope::model::importing {
namespace {

/// Squares of a sine and a cosine that fp32 (or a widened 16-bit table) holds add to 1 within this; bf16 has 2^-8
/// relative spacing, so each square is off by at most 2^-7.
constexpr float square_error = 0x1p-6f;

bool unit_pairs(std::span<const float> row, std::size_t first, std::size_t second, std::size_t step,
                std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const float a = row[first + i * step], b = row[second + i * step];
        if (!(std::abs(a * a + b * b - 1) <= square_error)) return false;
    }
    return true;
}

} // namespace

bool looks_like_mask(const ops::HostTensor &data) {
    const auto values = data.as<float>();
    if (values.empty() || data.shape.rank() < 2) return false;
    constexpr float masking = -1e4f;
    bool zeros = false, ones = false, negatives = false;
    for (float value : values) {
        if (value == 0)
            zeros = true;
        else if (value == 1)
            ones = true;
        else if (value <= masking)
            negatives = true;
        else
            return false;
    }
    return zeros && ones != negatives;
}

bool looks_like_sinusoids(const ops::HostTensor &data) {
    const auto values = data.as<float>();
    const int rank = data.shape.rank();
    if (rank < 2 || values.empty()) return false;
    const auto width = static_cast<std::size_t>(data.shape[rank - 1]);
    const std::size_t rows = values.size() / width;
    if (rows < 2) return false;
    if (std::any_of(values.begin(), values.end(), [](float x) { return !(std::abs(x) <= 1 + square_error); }))
        return false;
    bool neighbours = width % 2 == 0, halves = neighbours;
    for (std::size_t row = 0; row < rows && (neighbours || halves); ++row) {
        const auto line = values.subspan(row * width, width);
        neighbours = neighbours && unit_pairs(line, 0, 1, 2, width / 2);
        halves = halves && unit_pairs(line, 0, width / 2, 1, width / 2);
    }
    if (neighbours || halves) return true;
    const auto first = values.first(width), rest = values.subspan(width);
    const bool varied = std::any_of(rest.begin(), rest.end(), [&](float x) { return x != 0 && x != 1; });
    const auto all = [&](float x) { return std::all_of(first.begin(), first.end(), [x](float y) { return y == x; }); };
    // sin 0 = 0 needs more evidence than a row of zeros, which padding rows of embeddings have too.
    if (all(0)) return varied && width >= 2 && std::abs(rest[0] - std::sin(1.0f)) <= square_error;
    return all(1) && varied;
}

} // namespace halfscope::model::importing
