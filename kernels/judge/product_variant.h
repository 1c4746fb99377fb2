// A matrix product computed as some kernel may have computed it: which model, how k is cut, where c enters, what is
// rounded in between. Judging tries these on a tested result until one gives its bits.
#pragma once

#include "kernels/judge/judgement.h"

#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"
#include "emulation/ops/thread_pool.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::kernels::judge {

/// (a [..., m, k], b [..., k, n][, c that broadcasts to the result]) -> c + a b.
struct ProductInputs {
    ops::HostTensor a, b;
    std::optional<ops::HostTensor> c;
    ops::Shape shape;                      ///< of the result
    ElementChoice tolerance_elements = {}; ///< the elements that the printed tolerance is made for; empty: all

    [[nodiscard]] std::int64_t depth() const { return a.shape[a.shape.rank() - 1]; }
};

struct ProductVariant {
    ops::Accumulation model = ops::Accumulation::fma_chain;
    /// k is cut into `parts`: step k belongs to part (k / tile) mod parts. Each part is the model's chain over its own
    /// k, ascending, from +0; the parts are added in fp32, to nearest.
    std::int64_t parts = 1, tile = 1;
    /// When not empty: consecutive parts of these lengths instead, as a blocked BLAS cuts k.
    std::vector<std::int64_t> lengths = {};
    /// Every part is itself dealt out, step by step, to so many chains, which are added in order.
    std::int64_t lanes = 1;
    enum class Join : std::uint8_t {
        in_order, ///< ((p0 + p1) + p2) + ...
        tree,     ///< halves: p_i + p_(i + parts / 2), and so on; parts is a power of two
        pairs,    ///< neighbours: p_2i + p_(2i + 1), and so on; parts is a power of two
    } join = Join::in_order;
    enum class C : std::uint8_t { starts, added_last } c = C::starts; ///< c starts part 0's chain, or is added in fp32
    /// Of an fma chain: every product is rounded to fp32 before it is added. Products of 16-bit operands are exact
    /// there, so this differs for fp32 operands alone.
    bool separate_products = false;
    std::optional<number::FormatId> rounded_operands =
        std::nullopt;                ///< both operands are first rounded to this, to nearest
    bool truncated_operands = false; ///< ... toward zero
    std::optional<number::FormatId> rounded_parts = std::nullopt; ///< every part, and the sum before c is added last

    /// "hopper", "fma-chain, split-k 4 of 256, joined in order, c added last".
    [[nodiscard]] std::string name(std::int64_t depth) const;
};

/// The result in fp32, before any rounding to its storage. Throws std::invalid_argument when the model does not take
/// such operands.
[[nodiscard]] ops::HostTensor compute(const ProductVariant &variant, const ProductInputs &inputs,
                                      ops::ThreadPool &threads);

/// The inputs of some elements of the result alone, as products [count, 1, k] x [count, k, 1].
[[nodiscard]] ProductInputs inputs_of_elements(const ProductInputs &inputs, const std::vector<std::int64_t> &elements);

/// fp32 values rounded to `storage`; before that to `through` when given. tf32 is kept in fp32.
[[nodiscard]] ops::HostTensor rounded_to(const ops::HostTensor &values, ops::DType storage,
                                         std::optional<number::FormatId> through = std::nullopt,
                                         bool truncated = false);
/// A tensor's values rounded to a format and stored as it is stored.
[[nodiscard]] ops::HostTensor converted(const ops::HostTensor &values, number::FormatId format, bool truncated);

} // namespace halfscope::kernels::judge
