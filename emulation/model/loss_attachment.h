// Puts a loss at the end of a model that has none, or points at the one it has.
#pragma once

#include "emulation/model/graph.h"

#include <optional>
#include <string>
#include <string_view>

namespace halfscope::model {

/// Sets graph.loss. `loss` is one of
///   "cross-entropy"    the first floating output as logits, softmax over the class axis: the last one of rank 3
///                      ([batch, position, vocabulary] of language models, and of rank 3 only), else axis 1
///                      ([batch, classes], [batch, classes, height, width]). Target: int64, the logits' shape without
///                      the class axis. Nodes with the policies "log_softmax" and "nll_loss"; mean over the targets,
///                      -100 ignored, as PyTorch's cross_entropy does.
///   "mse"              target of the output's shape and fp32 (fp64 for an fp64 output); policy "mse_loss", mean
///   "bce-with-logits"  the same shape; policy "binary_cross_entropy_with_logits", mean
///   "output:NAME"      the graph computes its loss: the scalar output called NAME
/// Where there are several floating outputs, the first in the file's order is taken. The target is an input named
/// "target" (made unique) with Role::target. Throws std::invalid_argument with one sentence when the loss is unknown or
/// does not fit the outputs.
void attach_loss(Graph &graph, std::string_view loss);

struct LossChoice {
    std::string loss;   ///< for attach_loss
    std::string reason; ///< a sentence for the report
};
/// What is known of the targets that the data hold.
struct TargetFacts {
    bool floating = false;       ///< stored as floating-point numbers
    bool zeros_and_ones = false; ///< floating, and nothing else
    std::int64_t elements_a_sample = 0;
};
/// A sensible loss when none was asked for: an output that is a scalar; cross-entropy where the first output looks like
/// scores of classes (rank 2 with at least two columns, or a higher rank) unless the targets are floating, one for each
/// of its elements (bce-with-logits for zeros and ones); mse otherwise. A target input the graph already has decides
/// first. Throws std::invalid_argument when no output is floating.
[[nodiscard]] LossChoice default_loss(const Graph &graph, const std::optional<TargetFacts> &targets = {});

} // namespace halfscope::model
