// converge.json: a sweep's statement, figures and curves. converge.schema.json describes it.
#pragma once

#include "analysis/convergence/other_run.h"
#include "reports/document/json.h"

#include <filesystem>
#include <span>
#include <string>

namespace halfscope::reports {

[[nodiscard]] Json to_document(const analysis::Convergence &convergence, std::span<const analysis::OtherRun> others);
void write_json(const analysis::Convergence &convergence, std::span<const analysis::OtherRun> others,
                const std::filesystem::path &file);

/// One line per value: run ("fp16-amp", or the file of another run), seed, step, quantity (training_loss, loss_scale,
/// skipped, gradient_norm, learning_rate, held_out_loss, held_out_accuracy), value.
[[nodiscard]] std::string to_csv(const analysis::Convergence &convergence, std::span<const analysis::OtherRun> others);

} // namespace halfscope::reports
