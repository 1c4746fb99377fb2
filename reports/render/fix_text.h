// The section of the terminal's summary that tells what makes a recipe safe.
#pragma once

#include "analysis/verdict/fix.h"
#include "reports/render/terminal_text.h"

#include <string>
#include <string_view>

namespace halfscope::reports {

/// The result and its cost in sentences wrapped at `width`; the TOML overlay and the PyTorch lines as they are, so that
/// they can be copied. Ends with a newline.
[[nodiscard]] std::string fix_text(std::string_view recipe, const analysis::Fix &fix, const TerminalStyle &style,
                                   std::size_t width);

} // namespace halfscope::reports
