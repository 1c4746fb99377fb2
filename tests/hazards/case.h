// One case of the scorecard: a small training problem with a known way to fail, or one that only looks as if it had.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/train/recipe/kept_formats.h"
#include "emulation/train/training_settings.h"
#include "tests/hazards/samples.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace halfscope::hazards {

/// A recipe the case is judged under.
struct Trial {
    train::Recipe recipe; ///< its name is unique in the case
    /// Detectors that name the cause rightly where the truth is "unsafe"; empty where the run is expected to be fine.
    std::vector<std::string> causes;
};

/// What the truth is decided by.
enum class Metric : std::uint8_t {
    training_loss, ///< mean over the last eighth of the steps
    held_out_loss, ///< of the finished model, as it would be used: running statistics, averaged weights
};

struct Case {
    std::string name;     ///< "g01-unscaled"
    std::string imitates; ///< one sentence
    /// Forward graph with its loss, initialised from the seed.
    std::function<model::Graph(std::uint64_t seed)> model;
    Sampler sample;
    train::TrainingSettings settings; ///< steps: what the judge sees; seed is set by the runner
    std::vector<Trial> trials;
    std::int64_t long_factor = 6; ///< the truth is looked at after so many times the judge's steps
    Metric metric = Metric::training_loss;
    bool late = false; ///< the failure comes after the judged steps: a forecast ("risky") is all that can be asked for
};

/// All cases, family by family.
[[nodiscard]] const std::vector<Case> &all_cases();
/// Networks that no mechanism of the cases above was written for and the judge was not corrected by: see held_out/.
[[nodiscard]] const std::vector<Case> &held_out_cases();

// One file per family.
void add_gradient_cases(std::vector<Case> &cases);
void add_loss_scale_cases(std::vector<Case> &cases);
void add_update_cases(std::vector<Case> &cases);
void add_optimizer_state_cases(std::vector<Case> &cases);
void add_kept_value_cases(std::vector<Case> &cases);
void add_activation_cases(std::vector<Case> &cases);
void add_reduction_cases(std::vector<Case> &cases);
void add_attention_cases(std::vector<Case> &cases);
void add_loss_cases(std::vector<Case> &cases);
void add_integer_cases(std::vector<Case> &cases);
void add_network_cases(std::vector<Case> &cases);

// The same for the networks held out.
void add_held_out_sequences(std::vector<Case> &cases);
void add_held_out_regressions(std::vector<Case> &cases);
void add_held_out_representations(std::vector<Case> &cases);
void add_held_out_generative(std::vector<Case> &cases);
void add_held_out_structured(std::vector<Case> &cases);

/// A case with a name, the sentence and its trials; the rest is the caller's.
[[nodiscard]] Case new_case(std::string name, std::string imitates, std::vector<Trial> trials = {});

/// A built-in recipe with another loss scale and, where given, another name.
[[nodiscard]] train::Recipe recipe(const std::string &base, const std::string &loss_scale = {},
                                   const std::string &name = {});

} // namespace halfscope::hazards
