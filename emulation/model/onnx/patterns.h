// Functions that exporters take apart, put together again, so that a recipe treats them as PyTorch would.
#pragma once

#include "emulation/model/onnx/draft.h"
#include "emulation/model/onnx/notes.h"

namespace halfscope::model::importing {

/// Runs every pattern below; nodes that become superfluous are marked as removed.
void recognise_patterns(Draft &draft, Notes &notes);

/// x - mean, over the root of the mean square plus epsilon [, times gamma [, plus beta]] over trailing axes.
void recognise_layer_norm(Draft &draft);
/// InstanceNormalization of groups folded into channels, unfolded, times gamma, plus beta per channel.
void recognise_group_norm(Draft &draft);
/// x/2 * (1 + erf(x / sqrt 2)) in any order of factors; the tanh form only as PyTorch's exporter writes
/// F.gelu(approximate='tanh') (numbers first, the cube as x * (x * x)): by hand it is other arithmetic, whose cube
/// overflows fp16, and stays as it is, with a note.
void recognise_gelu(Draft &draft, Notes &notes);
/// x * sigmoid(x).
void recognise_silu(Draft &draft);
/// 1 / sqrt(x) as PyTorch's rsqrt.
void recognise_rsqrt(Draft &draft);
/// x W^T + b and x W + b with parameters W and b: one product with a fused bias, policy "linear".
void recognise_linear(Draft &draft);

} // namespace halfscope::model::importing
