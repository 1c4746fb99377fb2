// The power-of-two loss scales under which a recipe's gradients keep what matters and do not overflow.
//
// For each gradient tensor, in the format the recipe stores it in:
//   * the upper end is exact: the largest k with amax * 2^k below the format's overflow threshold, amax over all steps;
//   * the lower end is the smallest k at which the values rounded to zero carry at most `allowed_lost_squares` of the
//     tensor's squared L2 norm (from binades, see what_if.h), over the whole run and over its second half alone,
//     because gradients shrink as training goes on.
// The share is of the squared norm, not of the count. To first order a step of training is worth u . g, so of a
// gradient that lost the part e it keeps 1 - |e|^2 / |g|^2: 0.1 % of the squared norm (3 % of the norm) costs a
// thousandth of the step. Many tiny values weigh little (hazard N02: 77 % of the non-zero values lost, same loss curve;
// N13: dead attention weights), and a count would refuse every scale to a tensor with a long tail.
//
// The values are the fp32 twin's where it traced a tensor of that name (they are whole: nothing was lost upstream),
// else the recipe's own with its loss scale divided out. The window of a layer is the intersection over its gradients,
// the window of the model the intersection over layers.
#pragma once

#include "analysis/statistics/tensor_history.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace halfscope::analysis {

inline constexpr double allowed_lost_squares = 0.001;

/// Scales are fp32 numbers.
inline constexpr int lowest_scale_log2 = -126;
inline constexpr int highest_scale_log2 = 127;

struct ScaleWindow {
    int low = lowest_scale_log2; ///< low > high: no scale fits
    int high = highest_scale_log2;
    std::string low_tensor, low_layer;   ///< what demands at least 2^low; empty when nothing does
    std::string high_tensor, high_layer; ///< what overflows above 2^high

    [[nodiscard]] bool fits() const { return low <= high; }
    void intersect(const ScaleWindow &other);
};

/// The smallest k at which at most the share `allowed` of the squared norm underflows; lowest_scale_log2 when nothing
/// does anywhere.
[[nodiscard]] int lowest_scale_keeping(const Exponents &exponents, const number::Format &format, double allowed);

/// The window of one tensor's unscaled values in `format`; nullopt when it holds no finite non-zero value.
[[nodiscard]] std::optional<std::pair<int, int>> scale_window(const Exponents &all, const Exponents &late, double amax,
                                                              const number::Format &format);

/// A scale 2^k to recommend out of a window: the customary 2^12 where the window has it with two binades to spare below
/// and four above (gradients grow more often than they shrink within a run), else its nearest; never below 1.
[[nodiscard]] int recommended_scale_log2(int low, int high);

struct ScaleWindows {
    std::map<std::string, ScaleWindow> layers; ///< only layers with gradients
    ScaleWindow model;
    bool reduced = false; ///< at least one gradient is stored in fewer bits than fp32
    std::string sentence; ///< the window of the model in words; empty without gradients
};

/// `in_format`: judges by this format instead of the one each gradient is stored in.
[[nodiscard]] ScaleWindows scale_windows(const RunRanges &recipe, const RunRanges *twin,
                                         const number::Format *in_format = nullptr);

} // namespace halfscope::analysis
