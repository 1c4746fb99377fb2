// `halfscope profile --fix`: searches for the least change that makes each unsafe or risky recipe safe, re-runs it, and
// writes it down.
#pragma once

#include "analysis/verdict/assessment.h"
#include "cli/load_model.h"
#include "cli/profile_options.h"
#include "emulation/ops/backend.h"
#include "emulation/train/profile/profile.h"

#include <atomic>

namespace halfscope::cli {

struct FixOptions {
    bool wanted = false;
    int most_runs = 20; ///< re-runs a recipe
};

/// Declares --fix and --fix-runs.
void add_fix_options(CLI::App &command, FixOptions &options);

/// Throws std::invalid_argument with one sentence when no recipe is asked for that could be fixed.
void check_fixable(const FixOptions &options, const train::ProfileSettings &settings);

/// What the profile was made of.
struct ProfiledRun {
    const ProfileOptions &options;
    const LoadedModel &model;
    const train::ProfileSettings &settings;
    ops::Backend &backend;
    const std::atomic<bool> &interrupted;
};

/// Fills RecipeAssessment::fix of every unsafe or risky recipe and writes OUT/fix-RECIPE.toml for each that was made
/// safe; OUT/trace.db must hold the finished run. Says on standard error what is tried, and of which recipes there is
/// nothing to fix.
void search_fixes(analysis::Assessment &assessment, const ProfiledRun &profiled, const FixOptions &options);

} // namespace halfscope::cli
