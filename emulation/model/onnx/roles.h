// Which floating initialisers are trained. Nothing in a file says so; use and content do, and every guess is said.
#pragma once

#include "emulation/model/onnx/lowering.h"

namespace halfscope::model::importing {

/// Judges the weights of a draft in which every floating initialiser is still a weight. The result lists those that are
/// not:
///   * running statistics of batch normalisation: kept, replaced by the step's new ones;
///   * names that options.freeze matches: kept;
///   * those that no gradient can reach (a causal mask that is only compared): constants;
///   * guesses, with a note: masks by content (0 and 1, or 0 and a huge negative number), masks by use (added to
///     attention scores before a softmax), tables of sines and cosines, frequencies that only feed sine and cosine,
///     constants that normalise an input, and the customary names of such things: constants.
/// Throws std::invalid_argument when a freeze pattern is not a regular expression.
[[nodiscard]] Treatment judge_roles(const Draft &draft, const ImportOptions &options, Notes &notes);

} // namespace halfscope::model::importing
