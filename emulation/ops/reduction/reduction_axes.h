// Which elements each result of a reduction gathers: the operand's axes, merged into runs of kept and reduced ones.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <cstdint>
#include <vector>

namespace halfscope::ops::reduction {

/// Sizes and strides (in elements) of some axes, outermost first.
struct AxisGroup {
    std::vector<std::int64_t> sizes, strides;

    [[nodiscard]] std::int64_t elements() const;
    /// Offset of the element with this row-major index.
    [[nodiscard]] std::int64_t offset(std::int64_t index) const;
};

/// A dense operand split into kept and reduced axes; neighbours of one kind are merged, axes of size 1 dropped. Results
/// are in row-major order of the kept axes, the elements of each in row-major order of the reduced ones.
struct ReductionAxes {
    AxisGroup kept, reduced;
    bool reduced_innermost = true; ///< the operand's last axis is reduced (or nothing is kept)

    /// Of the call's Reduction and only operand. Rejects an axis that does not exist, and a result of another size.
    explicit ReductionAxes(const KernelCall &call);
};

} // namespace halfscope::ops::reduction
