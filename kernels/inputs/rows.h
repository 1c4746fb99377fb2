// Rows of operands for kernels that accumulate: each row is of one kind, so that a mistake shows which kind finds it.
#pragma once

#include "emulation/number/format.h"
#include "kernels/inputs/draw.h"

#include <array>
#include <span>

namespace halfscope::kernels {

enum class RowKind : std::uint8_t {
    ordinary,     ///< about normal, deviation 1
    positive,     ///< the same, all positive: sums grow
    same,         ///< one value throughout
    any_exponent, ///< every finite pattern equally likely: spans that no accumulator covers
    cancelling,   ///< x, -x pairs in random places, with a small rest
    giant,        ///< one value 2^20 times the others (or near the largest)
    ties,         ///< powers of two next to halves of their last place
    subnormal,    ///< below the smallest normal
    zeros,        ///< zeros of both signs
    largest,      ///< about the largest finite value, both signs: overflow, or not, by the order
    infinite,     ///< an ordinary row with an infinity
    nan,          ///< an ordinary row with a NaN
    count,
};

/// Fills `row` with encodings of `f` (at most 32 bits), finite ones below 2^(highest + 1).
void fill_row(RowKind kind, const number::Format &f, int highest, Draw &draw, std::span<std::uint32_t> row);

/// The kinds in turn, ordinary ones more often than those that end in inf or NaN.
[[nodiscard]] RowKind row_kind(std::size_t row);

/// Values about 1, as tensors of a network are.
[[nodiscard]] constexpr bool is_ordinary(RowKind kind) { return kind <= RowKind::same; }

} // namespace halfscope::kernels
