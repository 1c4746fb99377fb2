// Where wrong results lie: a sentence for the person who has to find the bug.
#pragma once

#include "emulation/ops/tensor.h"

#include <cstdint>
#include <string>
#include <vector>

namespace halfscope::kernels::judge {

/// "all of them in rows 64 to 69, the last partial tile of 64 rows", "every 4th column, from 3 on", "one element", or
/// "" when nothing stands out. `wrong` are ascending element indices; `shape` is [..., rows, columns] or [columns].
[[nodiscard]] std::string pattern_of(const std::vector<std::int64_t> &wrong, const ops::Shape &shape);

} // namespace halfscope::kernels::judge
