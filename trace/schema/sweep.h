// What a sweep leaves: several recipes trained over several seeds, without tensors. A seed fixes initialisation, order
// of samples, dropout and stochastic rounding, so runs of one seed differ by their recipe only.
#pragma once

#include "trace/schema/records.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace halfscope::trace {

/// Which run of a sweep.
struct SweepKey {
    std::string recipe;
    std::uint64_t seed = 0;
    friend auto operator<=>(const SweepKey &, const SweepKey &) = default;
};

/// One run. Of each step: step, loss, loss_scale, loss_scale_after, skipped, gradient_norm and learning_rate; wall time
/// is left out, so that equal runs have equal records. `step` of an evaluation counts finished steps.
struct SweepRun {
    SweepKey key;
    bool complete = false;
    std::string stopped; ///< why the loss scaler ended the run before its last step; usually empty
    std::vector<Step> steps;
    std::vector<Evaluation> evaluations;
};

/// A run cut short, and the bytes from which its trainer goes on bit for bit.
struct SweepCheckpoint {
    SweepRun run;
    std::vector<std::byte> state;
};

/// What a sweep was asked for: name and value of everything on which the bits of its runs depend, except which recipes
/// and seeds there are; in the order in which differences are told. Runs of one identity may be gathered in one
/// directory.
using SweepIdentity = std::vector<std::pair<std::string, std::string>>;

} // namespace halfscope::trace
