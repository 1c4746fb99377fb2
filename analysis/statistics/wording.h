// Figures in words, the same everywhere in findings, headlines and sentences.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace halfscope::analysis {

[[nodiscard]] std::string percent(double share);        ///< 0.384 -> "38 %", 0.0004 -> "0.04 %"
[[nodiscard]] std::string figure(double value);         ///< 4 significant digits; "inf", "nan"
[[nodiscard]] std::string power_of_two(int k);          ///< 10 -> "2^10 (1024)", 40 -> "2^40"
[[nodiscard]] std::string named(std::string_view name); ///< fc1 -> "`fc1`", "" -> "the model"
/// "`a`", "`a` and `b`", "`a`, `b` and 3 more layers"
[[nodiscard]] std::string name_list(const std::vector<std::string> &names, std::size_t shown = 2);
[[nodiscard]] std::string counted(long long n, std::string_view noun); ///< 1 -> "1 step", 3 -> "3 steps"

} // namespace halfscope::analysis
