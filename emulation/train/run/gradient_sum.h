// What the backward passes of one step are added up in: the micro-batches of a rank, then the ranks.
#pragma once

#include "emulation/train/execution/executor.h"
#include "emulation/train/recipe/recipe.h"
#include "emulation/train/training_settings.h"

#include "trace/schema/records.h"

#include <optional>
#include <vector>

namespace halfscope::train {

/// The sum of one weight's gradients. Backward passes are seeded with scale / micro-batches, so that a rank's sum is
/// its mean; the mean over R ranks is made here.
///   rank's sum   s = raw of its first micro-batch, then s = s + raw, each ROUNDED to the sum's format
///   on the wire  t = s ROUNDED to the wire's format; divide first: t = t * float(1 / R), ROUNDED to it
///   all-reduce   r = t of rank 0, then r = r + t of ranks 1, 2, ... in that order, each ROUNDED to the wire's format,
///   as
///                the hops of a ring do; sum first: r = r * float(1 / R) at the end, ROUNDED to it
/// With one rank there is no wire. Additions are those of ops' `add`: in fp32, to nearest even.
class GradientSum {
  public:
    /// What `weight` of this recipe needs; empty where its raw gradient is all there is: one batch a step, kept as it
    /// comes.
    [[nodiscard]] static std::optional<GradientSum> wanted(ops::Backend &backend, const ops::TensorView &weight,
                                                           const ops::TensorView &raw, const Recipe &recipe,
                                                           const TrainingSettings &settings);

    /// The raw gradient of the step's batch `index`, rank by rank. `exactly` also adds it up in double, for drift();
    /// the same for all batches of a step. `measured` adds to the statistics.
    void add(const ops::TensorView &raw, int index, bool exactly, bool measured);
    /// Of the whole step, scaled as the raw gradients are.
    [[nodiscard]] const ops::TensorView &result() const { return reduced_ ? reduced_->view : sum_->view; }

    struct Part {
        ops::TensorView view;
        DeviceMemory memory;
        number::RangeStatistics statistics; ///< of every rounding in measured steps
    };
    [[nodiscard]] std::optional<Part> &sum() { return sum_; }         ///< of a rank; empty with one batch a rank
    [[nodiscard]] std::optional<Part> &reduced() { return reduced_; } ///< over ranks; empty with one
    [[nodiscard]] const std::optional<Part> &sum() const { return sum_; }
    [[nodiscard]] const std::optional<Part> &reduced() const { return reduced_; }

    /// The result beside the exact mean, after a step added exactly; empty where nothing narrower than fp32 was added
    /// in, or after another step. Names are left to the caller.
    [[nodiscard]] std::optional<trace::Drift> drift() const;

  private:
    explicit GradientSum(ops::Backend &backend) : backend_(&backend) {}
    [[nodiscard]] Part make(const ops::Shape &shape, ops::DType dtype) const;
    void run(ops::OpKind kind, double factor, std::vector<ops::TensorView> operands, Part &to, bool measured) const;

    ops::Backend *backend_;
    std::optional<Part> sum_, term_, reduced_;
    int micro_batches_ = 1, ranks_ = 1;
    bool divide_first_ = false, flush_ = false;
    std::vector<double> exact_; ///< empty unless the step is added exactly
};

} // namespace halfscope::train
