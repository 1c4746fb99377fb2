// Sums, softmax and layer normalisation of rows, computed as some kernel may have computed them.
#pragma once

#include "kernels/judge/judgement.h"

#include "emulation/number/format.h"
#include "emulation/ops/tensor.h"
#include "emulation/ops/thread_pool.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::kernels::judge {

enum class RowTask : std::uint8_t { sum, softmax, layer_norm };
/// "sum", "softmax", "layernorm".
[[nodiscard]] std::string_view name_of(RowTask task);

struct RowInputs {
    RowTask task = RowTask::sum;
    ops::HostTensor x;                          ///< [..., n]; every operation goes along the last axis
    std::optional<ops::HostTensor> gamma, beta; ///< layer_norm: [n]
    double epsilon = 1e-5;                      ///< layer_norm
    ElementChoice tolerance_elements = {};      ///< the elements that the printed tolerance is made for; empty: all

    [[nodiscard]] std::int64_t length() const { return x.shape[x.shape.rank() - 1]; }
    /// x's, without the last axis for a sum.
    [[nodiscard]] ops::Shape result_shape() const;
};

/// One way of computing a task; what `--model` names.
struct RowModel {
    RowTask task;
    std::string_view name;
    std::string_view description;
};
/// Sums: "tree" (the fixed tree of emulation/ops/reduction), "sequential", "pairwise" (halves down to one), "numpy"
/// (numpy's pairwise sum), "lanes-8", "lanes-32", ... (so many strided accumulators, then a tree of halves),
/// "blocks-256", ... (consecutive blocks added up one after the other, then their sums in order), and
/// "sequential-fp16", "sequential-bf16" (the accumulator rounded after every addition); all others in fp32. Softmax and
/// layer norm: "fp32" (the steps of emulation/ops/operation.h), "fp16" and "bf16" (the same steps, every intermediate
/// tensor stored in 16 bits, sums accumulated in fp32), and ways that kernels are known to take instead.
[[nodiscard]] const std::vector<RowModel> &row_models();
/// The model of that name; std::invalid_argument listing the names otherwise.
[[nodiscard]] const RowModel &row_model_named(RowTask task, std::string_view name);

/// The result in fp32, before any rounding to its storage.
[[nodiscard]] ops::HostTensor compute(const RowModel &model, const RowInputs &inputs, ops::ThreadPool &threads);

/// One row by a sum model's name.
[[nodiscard]] float sum_of_row(std::string_view model, std::span<const float> row);

} // namespace halfscope::kernels::judge
