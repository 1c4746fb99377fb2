// A kernel that adds up terms, as a box whose terms can be set one by one.
#pragma once

#include "kernels/registry/kernel.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace halfscope::kernels::reveal {

/// What a term is set to.
enum class Term : std::uint8_t { zero, unit, plus_mask, minus_mask };

/// n terms added up by a kernel. `run` sums several settings of the terms (each of n) and returns each sum in units;
/// NaN where a sum is not finite.
struct BlackBox {
    std::int64_t terms = 0;
    std::int64_t batch = 1; ///< settings that one call takes at most
    std::function<std::vector<double>(std::span<const std::vector<Term>> settings)> run;
};

/// The shape in which a kernel is looked at: `length` terms (L, or k), m and n of a matmul, and which of its elements
/// (row-major) is looked at.
struct Problem {
    std::int64_t length = 0, rows = 1, columns = 1;
    std::int64_t element = 0;
};

/// The box of a sum, dot or matmul. Terms 0 .. length - 1 are x_k, or the products a_k b_k, of one element of a matmul
/// (of row 0 .. batch - 1 of a sum or dot: rows are taken to have one order). With operand c it is term `length`, the
/// last. Units and masks are powers of two of the operands' format, as far apart as it allows: a mask has to swallow
/// any number of units in the accumulator. Throws std::invalid_argument for other tasks.
[[nodiscard]] BlackBox box_of(const Kernel &kernel, const Problem &problem);

} // namespace halfscope::kernels::reveal
