// How the page carries a row of a heat map: text short enough for a report of a thousand layers.
#pragma once

#include <span>
#include <string>

namespace halfscope::reports {

/// Encodes values as printable ASCII without quotes, backslash, '<', '>' or '&'. Each value becomes one of 7,744 codes,
/// a code two characters of an alphabet of 88 (the higher digit first); "~" + code + count (a code too) stands for
/// `count` equal codes in a row. reports/web/src/planes.ts decodes.
///
/// Shares in [0, 1]: code 0 is exactly 0, codes 1 to 7742 are 2^-40 to 1, evenly spaced in log2 (relative error at
/// most 0.2 %), smaller shares count as 2^-40; code 7743 is "not traced", which NaN stands for.
[[nodiscard]] std::string encode_shares(std::span<const float> shares);

/// Magnitudes >= 0: code 0 is exactly 0, codes 1 to 7742 are 2^-150 to 2^130 evenly spaced in log2 (relative error at
/// most 1.3 %); code 7743 is NaN: not traced.
[[nodiscard]] std::string encode_magnitudes(std::span<const float> magnitudes);

} // namespace halfscope::reports
