#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {

std::string percent(double share) {
    const double p = 100 * share;
    if (!std::isfinite(p)) return figure(p) + " %";
    const double size = std::abs(p);
    if (size != 0 && size < 0.01) return "under 0.01 %";
    if (size > 99 && size < 100) return fmt::format("{} %", std::floor(p * 10) / 10); // 99.96 is not 100
    if (size >= 10 || size == 0) return fmt::format("{:.0f} %", p);
    return fmt::format("{:.{}g} %", p, size < 1 ? 1 : 2);
}

std::string figure(double value) {
    if (std::isnan(value)) return "nan";
    return fmt::format("{:.4g}", value);
}

std::string power_of_two(int k) {
    if (k == 0) return "1";
    if (k >= 1 && k <= 24) return fmt::format("2^{} ({})", k, 1L << k);
    return fmt::format("2^{}", k);
}

std::string named(std::string_view name) { return name.empty() ? "the model" : fmt::format("`{}`", name); }

std::string name_list(const std::vector<std::string> &names, std::size_t shown) {
    if (names.empty()) return "no layer";
    const std::size_t n = std::min(shown, names.size());
    const std::size_t rest = names.size() - n;
    std::string text = named(names[0]);
    for (std::size_t i = 1; i < n; ++i) text += (i + 1 == n && rest == 0 ? " and " : ", ") + named(names[i]);
    if (rest > 0) text += fmt::format(" and {} more layer{}", rest, rest == 1 ? "" : "s");
    return text;
}

std::string counted(long long n, std::string_view noun) { return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s"); }

} // namespace halfscope::analysis
