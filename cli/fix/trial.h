// Re-runs: one changed recipe trained with the same seed, steps and data, and judged against the same fp32 runs.
#pragma once

#include "analysis/verdict/assessment.h"
#include "cli/load_model.h"
#include "emulation/ops/backend.h"
#include "emulation/train/profile/profile.h"
#include "reports/render/progress.h"
#include "trace/io/reader.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace halfscope::cli {

/// What every re-run shares. The references must outlive the trials.
struct TrialSetting {
    const LoadedModel &model;
    const train::ProfileSettings &settings; ///< of the run to be fixed; its recipes are not used
    ops::Backend &backend;
    reports::Progress &progress;
    const std::atomic<bool> &interrupted;
    std::filesystem::path directory; ///< the run's --out: its trace holds the fp32 runs; tries go to a folder in it
};

class Trials {
  public:
    explicit Trials(const TrialSetting &setting);
    ~Trials(); ///< removes the folder of tries
    Trials(const Trials &) = delete;
    Trials &operator=(const Trials &) = delete;

    /// Trains the recipe with these settings and judges it against the fp32 runs in the directory; `label` is what the
    /// progress shows. A run whose loss has not been finite for a fifth of the steps is not gone on with: it is judged
    /// as it stands. nullopt: interrupted.
    [[nodiscard]] std::optional<analysis::RecipeAssessment>
    run(const train::Recipe &recipe, const train::TrainingSettings &training, const std::string &label);

    /// The same with another seed, weights and order of samples, beside fp32 runs of its own. nullopt: interrupted, or
    /// another seed would change nothing (file order and given weights).
    [[nodiscard]] std::optional<analysis::RecipeAssessment>
    confirm(const train::Recipe &recipe, const train::TrainingSettings &training, std::uint64_t seed);

  private:
    [[nodiscard]] bool train_into(const std::filesystem::path &folder, const model::Graph &graph,
                                  const train::ProfileSettings &settings, const std::string &label);

    TrialSetting setting_;
    std::unique_ptr<trace::Reader> fp32_;
    std::filesystem::path folder_;
};

} // namespace halfscope::cli
