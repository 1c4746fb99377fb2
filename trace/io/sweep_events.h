// A sweep's curves as TensorBoard's event files.
#pragma once

#include "trace/schema/sweep.h"

#include <filesystem>
#include <span>

namespace halfscope::trace {

/// `directory`/RECIPE/seedN/events.out.tfevents.1.halfscope for every run, with the tags training/loss,
/// training/loss_scale, training/gradient_norm, held_out/loss and held_out/accuracy; a file of an earlier call is
/// replaced, so that TensorBoard does not show a run twice. Throws std::runtime_error naming the file and the reason.
void write_event_files(std::span<const SweepRun> runs, const std::filesystem::path &directory);

} // namespace halfscope::trace
