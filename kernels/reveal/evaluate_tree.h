// Runs a summation tree: the emulator computing in an order that was found from outside.
#pragma once

#include "emulation/number/format.h"
#include "kernels/reveal/summation_tree.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace halfscope::kernels::reveal {

/// What a mask can not see: how one node of the tree is rounded.
struct Steps {
    enum class Products : std::uint8_t {
        rounded,     ///< every product is rounded to the accumulator's format before it is added
        fma,         ///< a product joins a sum by one fma; of two products the first is rounded
        fma_reverse, ///< the same; of two products the second is rounded
    } products = Products::fma;
    /// Partial sums are kept in this format, rounded to nearest even.
    number::FormatId accumulator = number::FormatId::fp32;
    bool flush_subnormals = false; ///< operands, and sums after every step
    /// A node of more than two children: all aligned to the largest exponent, cut to so many bits below it, added
    /// exactly and rounded once (emulation/number/tensor_core.h).
    int fraction_bits = 24;
    bool fused_to_nearest = false; ///< the fused sum's rounding; else toward zero

    /// "each step an fma in fp32", "...; fused adds cut to 25 bits, rounded toward zero".
    [[nodiscard]] std::string name(bool has_products, bool has_fused) const;
};

/// Operands of one sum: x alone, or products a b; values exact in double.
struct Terms {
    std::span<const double> a, b; ///< b is empty for a sum
    std::optional<double> c;      ///< term number a.size()
};

/// The sum in the accumulator's format, as a value. NaN where the tree has fused nodes that `steps` can not run (more
/// than one child that is no term).
[[nodiscard]] double evaluate(const SummationTree &tree, const Steps &steps, const Terms &terms);

/// All steps worth trying on a tree, likeliest first.
[[nodiscard]] std::vector<Steps> likely_steps(const SummationTree &tree, bool products, number::FormatId accumulator);

} // namespace halfscope::kernels::reveal
