// Text for a terminal: width, colour, wrapping, and curves of one line's height.
#pragma once

#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::reports {

/// What the terminal can show.
struct TerminalStyle {
    int width = 80; ///< columns; narrower terminals are treated as 80
    bool colour = false;
    bool unicode = true; ///< block characters and symbols; otherwise ASCII stands in

    /// Of the stream: its width (or $COLUMNS), colour when it is a terminal, NO_COLOR is unset or empty and TERM is
    /// not "dumb", unicode when the locale's environment variables name UTF-8 or nothing at all.
    [[nodiscard]] static TerminalStyle of(std::FILE *stream);
};

enum class Tone { plain, strong, faint, good, caution, bad };

/// `text` in the tone, where the style has colour; otherwise `text`.
[[nodiscard]] std::string toned(std::string_view text, Tone tone, const TerminalStyle &style);

/// Columns that UTF-8 text takes: code points, without escape sequences. Every symbol used here is one column wide.
[[nodiscard]] std::size_t columns(std::string_view text);

/// `text` followed by blanks up to `width` columns; longer text loses its middle to an ellipsis.
[[nodiscard]] std::string fitted(std::string_view text, std::size_t width, const TerminalStyle &style);

/// Lines of at most `width` columns, broken at blanks (a longer word stays whole).
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t width);

/// A curve of `width` columns: values resampled (mean of the finite ones per column), low to high between `lowest` and
/// `highest`, beyond them clamped. A column that holds inf or NaN shows a cross; a column without values a blank.
[[nodiscard]] std::string sparkline(std::span<const double> values, std::size_t width, double lowest, double highest,
                                    const TerminalStyle &style);

/// The same for shares in [0, 1]: the largest per column, nothing at exactly 0, the lowest block above it.
[[nodiscard]] std::string share_strip(std::span<const float> shares, std::size_t width, const TerminalStyle &style);

} // namespace halfscope::reports
