// Curves that other programs wrote: tables with a header line, and TensorBoard's event files.
#pragma once

#include "trace/schema/curve.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::trace {

/// Every curve in the file whose name tells what it is: a name with "acc" is held-out accuracy; one with "loss" is
/// held-out loss when "val", "eval", "test" or "held" is in it too, else training loss. A single unnamed quantity
/// ("Value", as TensorBoard downloads it) is training loss. Of several of one kind the first counts.
///   * table: fields separated by commas, semicolons or tabs; its step column is called step, steps, global_step,
///     _step, trainer/global_step, iteration, iterations, iter or itr, in any case. Empty cells are passed over.
///   * event file, or a directory in which there is one (the last by name): recognised by "tfevents" in its name.
/// Throws std::runtime_error with one sentence naming the file: missing, without a step column, without a loss, a cell
/// that is no number, steps that do not rise.
[[nodiscard]] std::vector<Curve> read_curves(const std::filesystem::path &file);

[[nodiscard]] std::vector<Curve> parse_table(std::string_view text, const std::string &where);

} // namespace halfscope::trace
