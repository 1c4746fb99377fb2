#include "reports/render/share_plane.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace halfscope::reports {
namespace {

constexpr std::string_view alphabet =
    "!#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}";
constexpr unsigned base = alphabet.size();
static_assert(base == 88);
constexpr unsigned missing = base * base - 1;
constexpr unsigned largest = missing - 1;

void append_code(std::string &text, unsigned code) {
    text += alphabet[code / base];
    text += alphabet[code % base];
}

unsigned code_of(float value, double lowest_log2, double highest_log2) {
    if (std::isnan(value)) return missing;
    if (value <= 0) return 0;
    const double position = (std::log2(static_cast<double>(value)) - lowest_log2) / (highest_log2 - lowest_log2);
    return 1 + static_cast<unsigned>(std::lround(std::clamp(position, 0.0, 1.0) * (largest - 1)));
}

std::string encode(std::span<const float> values, double lowest_log2, double highest_log2) {
    constexpr unsigned shortest_run = 3; // a run takes five characters, two codes take four
    std::string text;
    for (std::size_t i = 0; i < values.size();) {
        const unsigned code = code_of(values[i], lowest_log2, highest_log2);
        unsigned count = 1;
        while (i + count < values.size() && count < missing &&
               code_of(values[i + count], lowest_log2, highest_log2) == code)
            ++count;
        if (count >= shortest_run) {
            text += '~';
            append_code(text, code);
            append_code(text, count);
        } else {
            for (unsigned n = 0; n < count; ++n) append_code(text, code);
        }
        i += count;
    }
    return text;
}

} // namespace

std::string encode_shares(std::span<const float> shares) { return encode(shares, -40, 0); }

std::string encode_magnitudes(std::span<const float> magnitudes) { return encode(magnitudes, -150, 130); }

} // namespace halfscope::reports
