// The movement operations as strided copies, worked out from shapes alone: the emulator and a device carry them out.
#pragma once

#include "emulation/ops/kernel_call.h"
#include "emulation/ops/movement/strided_copy.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace halfscope::ops::movement {

/// Elements of operand `input` and where in the result they go.
struct Part {
    std::size_t input;
    StridedCopy copy;
};

/// First every element of the result becomes `fill`, where it is needed; then the parts are copied.
struct Moves {
    std::optional<std::uint64_t> fill; ///< the bits of an element
    std::vector<Part> parts;
};

/// Of reshape, transpose, expand, concat, slice, slice_gradient and pad between elements stored as `stored`. Rejects
/// shapes and attributes that do not fit.
[[nodiscard]] Moves moves_of(const KernelCall &call, DType stored);

/// trilu keeps of each row of its matrices the columns [first, last), the others become zero.
struct Triangle {
    std::int64_t rows, columns; ///< of one matrix
    std::int64_t diagonal;
    bool upper;

    /// `row` counts through all matrices.
    [[nodiscard]] constexpr std::int64_t first(std::int64_t row) const { return upper ? edge(row) : 0; }
    [[nodiscard]] constexpr std::int64_t last(std::int64_t row) const { return upper ? columns : edge(row); }

  private:
    [[nodiscard]] constexpr std::int64_t edge(std::int64_t row) const {
        const std::int64_t at = row % rows + diagonal + (upper ? 0 : 1);
        return at < 0 ? 0 : at > columns ? columns : at;
    }
};
/// Rejects operands without two axes.
[[nodiscard]] Triangle triangle_of(const KernelCall &call);

} // namespace halfscope::ops::movement
