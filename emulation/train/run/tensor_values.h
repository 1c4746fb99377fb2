// Values of a tensor in backend memory, read exactly; and how one that was kept in a format of its own drifted.
#pragma once

#include "emulation/ops/backend.h"

#include "trace/schema/records.h"

#include <vector>

namespace halfscope::train {

/// A floating tensor in backend memory as doubles, exactly.
[[nodiscard]] std::vector<double> doubles_of(ops::Backend &backend, const ops::TensorView &view);

/// Element by element.
[[nodiscard]] std::vector<double> minus(std::vector<double> values, const std::vector<double> &start);

/// Elements, retained, distance and stuck of trace::Drift: `kept` beside `exact`, both less what they began with. Kind,
/// names, format and terms are the caller's.
[[nodiscard]] trace::Drift drift_between(const std::vector<double> &kept, const std::vector<double> &exact);

} // namespace halfscope::train
