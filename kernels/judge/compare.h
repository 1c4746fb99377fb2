// The comparison that every judgement starts from: tested bits beside emulated bits, and both beside the exact result.
#pragma once

#include "kernels/judge/exact_results.h"
#include "kernels/judge/judgement.h"

#include "emulation/number/format.h"
#include "emulation/ops/tensor.h"
#include "emulation/ops/thread_pool.h"

#include <string>

namespace halfscope::kernels::judge {

/// Results of one kernel on one set of inputs.
struct Results {
    ops::TensorView tested;
    ops::TensorView emulated; ///< null data: nothing to compare bits with, errors alone are judged
    std::string model;        ///< what made `emulated`
    /// Of the results; the storage's own unless it is tf32 kept in fp32.
    number::FormatId format = number::FormatId::fp32;
    const ExactResults *exact = nullptr; ///< null: bits alone are judged
    ElementChoice tolerance_elements;    ///< the elements that the printed tolerance is made for; empty: all
    /// Exact results are computed for all elements up to this much work (elements * ExactResults::work), above it for
    /// evenly spaced ones, the most different and all that are not finite.
    std::int64_t most_exact_work = std::int64_t{1} << 32;
};

/// Counts, worst elements, errors and bound; the verdict is bit_equal, different_order (within the bound everywhere,
/// nothing identified) or real_bug (beyond it, or not finite where the exact result is). Without exact results any
/// difference in value is a real bug. `emulated` and `tested` must have equal dtype and shape.
[[nodiscard]] Judgement compare(const Results &results, ops::ThreadPool &threads);

/// True when nothing was left but NaN where numbers belong: the judgement says so, and nothing needs to be tried.
[[nodiscard]] bool only_nan(const Judgement &judgement);

/// Equal values everywhere, as Judgement::same_bits: cheap, for looking whether some model's bits are these.
[[nodiscard]] bool equal_bits(const ops::TensorView &tested, const ops::TensorView &other);

} // namespace halfscope::kernels::judge
