// Verdicts and causes beside the truth, counted.
#pragma once

#include "tests/hazards/observation.h"
#include "tests/hazards/truth.h"

#include <string>
#include <vector>

namespace halfscope::hazards {

/// One trial with all its seeds.
struct Row {
    const Case *tried = nullptr;
    const Trial *trial = nullptr;
    Truth truth;
    std::vector<Observation> observations; ///< per seed
};

/// How a verdict stands to the truth.
enum class Score : std::uint8_t {
    right,   ///< unsafe: "unsafe" (late failures: "risky" too). fine: "safe". misread: "risky" or "safe"
    hedged,  ///< unsafe: "risky"
    nothing, ///< "no-verdict"
    wrong,
};
[[nodiscard]] Score score_of(const Row &row, const Observation &seen);
/// Only where the truth is unsafe and the verdict unsafe or risky.
[[nodiscard]] bool cause_is_right(const Row &row, const Observation &seen);

struct Totals {
    int wrong = 0, hedged = 0, nothing = 0, right = 0;
};
[[nodiscard]] Totals totals_of(const std::vector<Row> &rows);

/// For the terminal: the confusion tables, then every verdict that is not right.
[[nodiscard]] std::string in_plain_text(const std::vector<Row> &rows);
/// docs/hazards.md.
[[nodiscard]] std::string in_markdown(const std::vector<Row> &rows);

} // namespace halfscope::hazards
