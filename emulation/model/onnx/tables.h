// What the content of an initialiser gives away.
#pragma once

#include "emulation/ops/tensor.h"

namespace halfscope::model::importing {

/// Only 0 and 1 in two axes or more, or only 0 and one number at or below -1e4 (the smallest that masks use; fp16's
/// range ends at -65504), both present.
[[nodiscard]] bool looks_like_mask(const ops::HostTensor &data);

/// Two rows or more of a table of sines and cosines of one position each: neighbours, or halves of a row, have squares
/// that add to 1; or the first row is all cos 0 = 1 or all sin 0 = 0 and everything else is within [-1, 1].
[[nodiscard]] bool looks_like_sinusoids(const ops::HostTensor &data);

} // namespace halfscope::model::importing
