// A moving average of the weights (EMA), kept in the recipe's format beside training.
#pragma once

#include "emulation/train/run/optimizer.h"

#include <cstdint>
#include <vector>

namespace halfscope::train {

/// The average of one weight.
struct AveragedWeight {
    model::ValueId weight = model::none;
    StateTensor kept;  ///< in the recipe's format
    StateTensor exact; ///< the same average in fp32; no memory unless it is watched
    std::vector<double> kept_start, exact_start;
};

/// After each step that is applied, with w the weight that holds the state (the master where there is one):
///   a = fma(1 - decay, w - a, a), the difference in fp32, a ROUNDED to its format, to nearest even
/// which is torch.lerp(a, w, 1 - decay). It begins as the initial weights.
class WeightAverage {
  public:
    /// `watched`: where the format is narrower than fp32, the same average is kept in fp32 too.
    WeightAverage(const Optimizer &optimizer, ops::Backend &backend, const Recipe &recipe, double decay, bool watched);

    void update(const Optimizer &optimizer, bool measured);
    [[nodiscard]] const std::vector<AveragedWeight> &weights() const { return weights_; } ///< as the parameters are
    [[nodiscard]] bool watched() const { return watched_; }
    /// One per weight, names filled in, step left; empty unless it is watched.
    [[nodiscard]] std::vector<trace::Drift> drifts(const Optimizer &optimizer) const;

  private:
    void follow(const ops::TensorView &weight, StateTensor &average, bool measured);

    ops::Backend *backend_;
    double decay_;
    bool watched_, flush_;
    std::int64_t updates_ = 0;
    std::vector<AveragedWeight> weights_;
    DeviceMemory difference_;
};

} // namespace halfscope::train
