// Reading int64 indices along one axis.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <cstdint>
#include <vector>

namespace halfscope::ops::indexing {

/// A tensor around one of its axes: [outer, size, inner].
struct AroundAxis {
    std::int64_t outer = 1, size = 1, inner = 1;
};

/// Rejects an Axis attribute outside the shape.
[[nodiscard]] AroundAxis around_axis(const KernelCall &call, const Shape &shape);

/// Rejects a `gathered` that is not `data` with the Axis attribute's axis replaced by the axes of `indices`.
void require_gathered(const KernelCall &call, const Shape &data, const TensorView &indices, const Shape &gathered);

/// Every index of the view as a position in [0, size); rejects other dtypes than int64 and indices out of range.
[[nodiscard]] std::vector<std::int64_t> positions(const KernelCall &call, const TensorView &indices, std::int64_t size);

} // namespace halfscope::ops::indexing
