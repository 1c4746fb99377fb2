// gnuplot as a subprocess.
#pragma once

#include <string>

namespace halfscope::reports {

/// Whether a program of that name is on the PATH.
[[nodiscard]] bool gnuplot_installed();

/// Runs a script. Throws std::runtime_error with what it complained about.
void run_gnuplot(const std::string &script);

/// `text` as a string of its language in which nothing is interpreted.
[[nodiscard]] std::string gnuplot_quoted(const std::string &text);

} // namespace halfscope::reports
