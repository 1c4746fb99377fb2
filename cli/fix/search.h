// The search for the least change that makes an unsafe recipe safe. It knows neither training nor judging: a callback
// does both, so that the search is tested by itself.
//
//   1. Grow. What the evidence blames is added to the changes: first one change, then two more, then four, as the
//      evidence of each try says; until a try is safe or nothing new is blamed.
//   2. Reach further, where blame ran out: all parts of the recipe; every layer in fp32; both; then other recipes,
//      one by one.
//   3. Shrink. From the first safe set delta debugging (delta_debugging.h) leaves out what is not needed; the most
//      blamed changes come first. The result is 1-minimal: without any one of its changes it is not safe.
#pragma once

#include "analysis/verdict/assessment.h"
#include "cli/fix/change.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace halfscope::cli {

/// What one re-run showed.
struct Trial {
    analysis::Verdict verdict = analysis::Verdict::no_verdict;
    std::string headline;            ///< the verdict in one sentence
    double gap = 0;                  ///< final loss above the twin's; inf or nan when it diverged
    std::vector<Change> suggestions; ///< what its findings blame, the likeliest first
};

/// Trains and judges the recipe with these changes; nullopt: interrupted, nothing more is to be tried.
using TryChanges = std::function<std::optional<Trial>(std::span<const Change> changes)>;

struct SearchSpace {
    std::vector<Change> suggestions{}; ///< of the unsafe run itself
    std::vector<Change> parts{};       ///< every part of the recipe that could be kept in fp32
    std::vector<Change> layers{};      ///< every layer, the most blamed first
    std::vector<Change> recipes{};     ///< others to turn to
    int most_runs = 20;
};

struct Attempt {
    std::vector<Change> changes;
    Trial trial;
};

struct SearchResult {
    std::optional<std::size_t> safe;    ///< index into attempts: the answer
    std::optional<std::size_t> nearest; ///< without an answer, the attempt that came nearest
    bool minimal = false;               ///< without any one of the answer's changes it was not safe
    bool exhausted = false;             ///< the bound on runs was met before the search was through
    bool interrupted = false;
    std::vector<Attempt> attempts; ///< every re-run, in order
};

[[nodiscard]] SearchResult search_fix(const SearchSpace &space, const TryChanges &try_changes);

} // namespace halfscope::cli
