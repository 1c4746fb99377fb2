// What the search for the least change that makes a recipe safe found: every figure of it is of a run that was made.
#pragma once

#include "trace/schema/records.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::analysis {

enum class Verdict : std::uint8_t;

/// One re-run: the recipe with some changes, trained and judged as the recipe itself was.
struct FixAttempt {
    std::vector<std::string> changes; ///< each in words
    Verdict verdict{};
    std::string headline;
};

struct Fix {
    bool found = false;               ///< the changes below make the recipe safe
    std::vector<std::string> changes; ///< of the answer, else of the attempt that came nearest; each in words
    std::string sentence;             ///< the result in one or two sentences
    std::string headline;             ///< the verdict of the changed recipe, in one sentence
    bool minimal = false;             ///< without any one of the changes it was not safe
    /// Another seed, with the verdict there, where a confirming run was made.
    std::optional<std::uint64_t> confirmed_seed;
    std::optional<Verdict> confirmed_verdict;
    std::optional<trace::StepCost> cost; ///< of a step of the changed recipe
    std::string cost_sentence;           ///< memory and multiply-adds against the unchanged recipe and against fp32
    std::string overlay;                 ///< TOML for --config; empty when none was found
    std::string overlay_file;            ///< where it was written
    std::string command;                 ///< runs the changed recipe
    std::vector<std::string> pytorch;    ///< lines of Python for torch 2
    std::vector<FixAttempt> attempts;    ///< every re-run, in order
    double seconds = 0;                  ///< the search took so long
};

} // namespace halfscope::analysis
