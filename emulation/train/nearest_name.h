// Suggests the name somebody meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace halfscope::train {

/// " (did you mean 'x'?)" for the nearest of `names` by edit distance, or "" when none is near (more than a third of
/// the letters differ).
[[nodiscard]] std::string did_you_mean(std::string_view written, std::span<const std::string> names);

/// The closest of the names, however far; empty when there are none.
[[nodiscard]] std::string nearest_name(std::string_view written, std::span<const std::string> names);

} // namespace halfscope::train
