// A sweep's curves as a picture for papers: training loss and held-out figures, a line and a band over seeds per
// recipe, drawn by gnuplot (http://www.gnuplot.info), which is called as a program.
#pragma once

#include "analysis/convergence/other_run.h"

#include <filesystem>
#include <span>
#include <string>

namespace halfscope::reports {

/// Throws std::invalid_argument, naming `flag`, when the extension is none of .svg, .png and .pdf, and
/// std::runtime_error when gnuplot is not installed (the package is named) or the folder does not exist. To be called
/// before anything long.
void check_plot(const std::filesystem::path &file, const std::string &flag);

/// The script that draws into `file`. Colours are Okabe and Ito's, each with dashes of its own, so that lines are told
/// apart in grey. A loss axis is logarithmic where fp32 falls by more than a factor of ten and everything is positive.
/// A recipe that blows up leaves the picture at the top.
[[nodiscard]] std::string plot_script(const analysis::Convergence &convergence,
                                      std::span<const analysis::OtherRun> others, const std::filesystem::path &file);

/// Throws std::runtime_error with gnuplot's own words when it fails.
void draw_plot(const analysis::Convergence &convergence, std::span<const analysis::OtherRun> others,
               const std::filesystem::path &file);

} // namespace halfscope::reports
