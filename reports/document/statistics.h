// Statistics of tensors in the words of the field (Transformer Engine's names where one exists).
#pragma once

#include "analysis/verdict/assessment.h"
#include "reports/document/json.h"

#include <span>

namespace halfscope::reports {

/// {"lowest": e, "counts": [...]}: counts[i] values have floor(log2 |x|) = e + i. Leading and trailing empty binades
/// are left out; an all-zero tensor gives {"lowest": 0, "counts": []}. fp32 subnormals are gathered in binade -127.
[[nodiscard]] Json exponents_of(const number::RangeStatistics &statistics);

/// Statistics of one tensor over all traced steps.
[[nodiscard]] Json statistics_of(const analysis::TensorSummary &tensor);

/// {role: statistics} of a layer. Where several tensors share a role (weight and bias), the role's statistics are
/// pooled over them and "members" holds each one's own, in execution order.
[[nodiscard]] Json statistics_by_role(std::span<const analysis::TensorSummary> tensors);

} // namespace halfscope::reports
