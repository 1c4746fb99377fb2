#include "reports/render/terminal_text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace halfscope::reports {
namespace {

constexpr int narrowest = 80;
constexpr std::array<std::string_view, 8> blocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 8> ascii_blocks = {"_", ".", "-", "=", "+", "o", "O", "#"};

std::string_view environment(const char *name) {
    const char *value = std::getenv(name);
    return value != nullptr ? value : "";
}

bool locale_is_utf8() {
    for (const char *name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        std::string value(environment(name));
        if (value.empty()) continue;
        std::transform(value.begin(), value.end(), value.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        return value.find("UTF-8") != std::string::npos || value.find("UTF8") != std::string::npos;
    }
    return true;
}

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

/// The first `count` code points.
std::string_view head(std::string_view text, std::size_t count) {
    std::size_t i = 0;
    for (std::size_t seen = 0; i < text.size(); ++i)
        if (starts_code_point(text[i]) && seen++ == count) break;
    return text.substr(0, i);
}

std::string_view block(double level, const TerminalStyle &style) {
    const double top = static_cast<double>(blocks.size()) - 1;
    const auto index = static_cast<std::size_t>(std::lround(std::clamp(level, 0.0, 1.0) * top));
    return style.unicode ? blocks[index] : ascii_blocks[index];
}

/// Columns [first, last) of `size` values that fall into `column` of `width`; never empty when size > 0.
std::pair<std::size_t, std::size_t> bucket(std::size_t column, std::size_t width, std::size_t size) {
    const std::size_t first = column * size / width;
    return {first, std::max(first + 1, (column + 1) * size / width)};
}

} // namespace

TerminalStyle TerminalStyle::of(std::FILE *stream) {
    TerminalStyle style;
    style.unicode = locale_is_utf8();
    const int descriptor = fileno(stream);
    const bool terminal = descriptor >= 0 && isatty(descriptor) == 1;
    style.colour = terminal && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
    winsize size{};
    if (terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        style.width = size.ws_col;
    else if (const int wished = std::atoi(environment("COLUMNS").data()); wished > 0)
        style.width = wished;
    style.width = std::max(style.width, narrowest);
    return style;
}

std::string toned(std::string_view text, Tone tone, const TerminalStyle &style) {
    if (!style.colour || tone == Tone::plain) return std::string(text);
    constexpr std::array<std::string_view, 6> codes = {"0", "1", "2", "32", "33", "31"};
    return "\x1b[" + std::string(codes[static_cast<std::size_t>(tone)]) + 'm' + std::string(text) + "\x1b[0m";
}

std::size_t columns(std::string_view text) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {
            while (i < text.size() && text[i] != 'm') ++i;
            continue;
        }
        count += starts_code_point(text[i]) ? 1 : 0;
    }
    return count;
}

std::string fitted(std::string_view text, std::size_t width, const TerminalStyle &style) {
    const std::size_t length = columns(text);
    if (length <= width) return std::string(text) + std::string(width - length, ' ');
    const std::string_view ellipsis = style.unicode ? "…" : "~";
    const std::size_t tail = width > 1 ? (width - 1) * 2 / 3 : 0; // the end of a layer's name says most
    const std::string_view kept_head = head(text, width > 0 ? width - 1 - tail : 0);
    const std::string_view before_tail = head(text, length - tail);
    return std::string(kept_head) + std::string(ellipsis) + std::string(text.substr(before_tail.size()));
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
    std::vector<std::string> lines(1);
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (word.empty()) continue;
        if (!lines.back().empty() && columns(lines.back()) + 1 + columns(word) > width) lines.emplace_back();
        if (!lines.back().empty()) lines.back() += ' ';
        lines.back() += word;
    }
    return lines;
}

std::string sparkline(std::span<const double> values, std::size_t width, double lowest, double highest,
                      const TerminalStyle &style) {
    std::string line;
    if (values.empty()) return std::string(width, ' ');
    width = std::max<std::size_t>(1, width);
    for (std::size_t column = 0; column < width; ++column) {
        const auto [first, last] = bucket(column, width, values.size());
        double sum = 0;
        bool finite = true;
        for (std::size_t i = first; i < last; ++i) finite = finite && std::isfinite(values[i]), sum += values[i];
        if (!finite) {
            line += style.unicode ? "×" : "x";
            continue;
        }
        const double mean = sum / static_cast<double>(last - first);
        line += block(highest > lowest ? (mean - lowest) / (highest - lowest) : 0, style);
    }
    return line;
}

std::string share_strip(std::span<const float> shares, std::size_t width, const TerminalStyle &style) {
    std::string line;
    if (shares.empty()) return std::string(width, ' ');
    for (std::size_t column = 0; column < width; ++column) {
        const auto [first, last] = bucket(column, width, shares.size());
        float largest = 0;
        for (std::size_t i = first; i < last; ++i) largest = std::max(largest, shares[i]);
        if (largest > 0)
            line += block(static_cast<double>(largest), style);
        else
            line += style.unicode ? "·" : " ";
    }
    return line;
}

} // namespace halfscope::reports
