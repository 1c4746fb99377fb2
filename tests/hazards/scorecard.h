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
    uncounted, ///< the truth is unclear
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
/// Writes the part of docs/hazards.md that is made of the yardstick, or of the networks held out; the other part of the
/// file stays as it is. `first`: the rows as they were judged first.
void write_yardstick(const std::filesystem::path &document, const std::vector<Row> &rows);
void write_held_out(const std::filesystem::path &document, const std::vector<Row> &rows, const std::vector<Row> &first);

} // namespace halfscope::hazards
