#include "kernels/judge/row_variant.h"

#include "kernels/judge/exact_operands.h"
#include "kernels/judge/product_variant.h"

#include "emulation/number/round_array.h"
#include "emulation/ops/reduction/tree.h"
#include "emulation/ops/transcendental.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>
#include <stdexcept>

namespace halfscope::kernels::judge {
namespace {

using ops::reduction::tree_max;
using ops::reduction::tree_sum;
namespace transcendental = ops::transcendental;

/// A float, or a float rounded to 16 bits.
using Store = std::function<float(float)>;
Store store_for(std::string_view model) {
    for (const auto format : {number::FormatId::fp16, number::FormatId::bf16})
        if (model == number::format_of(format).name)
            return [format](float value) { return number::widen_16bit(number::round_to_16bit(value, format), format); };
    return [](float value) { return value; };
}

void softmax_row(std::string_view model, std::span<const float> x, std::span<float> out) {
    const Store stored = store_for(model);
    const auto n = static_cast<std::int64_t>(x.size());
    const float largest = model == "no-max" ? 0.0F : tree_max(x.data(), n);
    for (std::size_t i = 0; i < x.size(); ++i) out[i] = stored(transcendental::exp(stored(x[i] - largest)));
    const float sum = stored(model == "sequential-sum" ? sum_of_row("sequential", out) : tree_sum(out.data(), n));
    const float reciprocal = 1.0F / sum;
    for (float &value : out) value = stored(model == "reciprocal" ? value * reciprocal : value / sum);
}

void layer_norm_row(std::string_view model, const RowInputs &inputs, const float *gamma, const float *beta,
                    std::span<const float> x, std::span<float> out) {
    const Store stored = store_for(model);
    const auto n = static_cast<std::int64_t>(x.size());
    const float count = static_cast<float>(n), epsilon = static_cast<float>(inputs.epsilon);
    const float mean = stored(tree_sum(x.data(), n) / count);
    float variance = 0;
    if (model == "one-pass") {
        const float squares = tree_sum<float>(
            n, [&](std::int64_t i) { return x[static_cast<std::size_t>(i)] * x[static_cast<std::size_t>(i)]; });
        variance = squares / count - mean * mean;
    } else {
        variance = stored(tree_sum<float>(n,
                                          [&](std::int64_t i) {
                                              const float d = stored(x[static_cast<std::size_t>(i)] - mean);
                                              return stored(d * d);
                                          }) /
                          count);
    }
    const bool narrow = model == "fp16" || model == "bf16";
    const float rstd = narrow ? stored(1.0F / stored(std::sqrt(stored(variance + epsilon))))
                              : transcendental::rsqrt(variance + epsilon);
    const bool separate = model != "fp32" && model != "one-pass";
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float h = stored(stored(x[i] - mean) * rstd);
        if (gamma && beta && !separate)
            out[i] = std::fma(h, gamma[i], beta[i]);
        else {
            out[i] = gamma ? stored(h * gamma[i]) : h;
            if (beta) out[i] = stored(out[i] + beta[i]);
        }
    }
}

} // namespace

std::string_view name_of(RowTask task) {
    constexpr std::array<std::string_view, 3> names{"sum", "softmax", "layernorm"};
    return names[static_cast<std::size_t>(task)];
}

ops::Shape RowInputs::result_shape() const {
    if (task != RowTask::sum) return x.shape;
    return ops::Shape(x.shape.sizes().first(x.shape.sizes().size() - 1));
}

const std::vector<RowModel> &row_models() {
    static const std::vector<RowModel> models = {
        {RowTask::sum, "tree", "32 strided lanes, then a tree of halves; chunks of 4096"},
        {RowTask::sum, "sequential", "one accumulator, in order"},
        {RowTask::sum, "pairwise", "halves, down to single elements"},
        {RowTask::sum, "numpy", "numpy.sum of a contiguous axis"},
        {RowTask::sum, "lanes-2", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-4", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-8", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-16", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-32", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-64", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-128", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-256", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-512", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "lanes-1024", "strided accumulators, then a tree of halves"},
        {RowTask::sum, "blocks-32", "blocks added up in order, their sums in order"},
        {RowTask::sum, "blocks-64", "blocks added up in order, their sums in order"},
        {RowTask::sum, "blocks-128", "blocks added up in order, their sums in order"},
        {RowTask::sum, "blocks-256", "blocks added up in order, their sums in order"},
        {RowTask::sum, "blocks-512", "blocks added up in order, their sums in order"},
        {RowTask::sum, "blocks-1024", "blocks added up in order, their sums in order"},
        {RowTask::sum, "sequential-fp16", "in order, the accumulator rounded to fp16 every time"},
        {RowTask::sum, "sequential-bf16", "in order, the accumulator rounded to bf16 every time"},
        {RowTask::softmax, "fp32", "m = max, e = exp(x - m), y = e / tree(e), in fp32"},
        {RowTask::softmax, "sequential-sum", "as fp32, e added in order"},
        {RowTask::softmax, "reciprocal", "as fp32, y = e * (1 / sum)"},
        {RowTask::softmax, "no-max", "as fp32, without subtracting the maximum"},
        {RowTask::softmax, "fp16", "as fp32, every step stored in fp16, the sum accumulated in fp32"},
        {RowTask::softmax, "bf16", "as fp32, every step stored in bf16, the sum accumulated in fp32"},
        {RowTask::layer_norm, "fp32", "two passes, tree sums, y = fma(h, gamma, beta), in fp32"},
        {RowTask::layer_norm, "separate-affine", "as fp32, h * gamma rounded before beta is added"},
        {RowTask::layer_norm, "one-pass", "as fp32, variance = mean of squares - square of mean"},
        {RowTask::layer_norm, "fp16", "as fp32, every step stored in fp16, sums accumulated in fp32"},
        {RowTask::layer_norm, "bf16", "as fp32, every step stored in bf16, sums accumulated in fp32"},
    };
    return models;
}

const RowModel &row_model_named(RowTask task, std::string_view name) {
    std::vector<std::string_view> names;
    for (const RowModel &model : row_models()) {
        if (model.task != task) continue;
        if (model.name == name) return model;
        names.push_back(model.name);
    }
    throw std::invalid_argument(fmt::format("--model: '{}' is no way of computing a {}; there are {}", name,
                                            name_of(task), fmt::join(names, ", ")));
}

ops::HostTensor compute(const RowModel &model, const RowInputs &inputs, ops::ThreadPool &threads) {
    const std::int64_t n = inputs.length();
    const ops::HostTensor wide = rounded_to(inputs.x, ops::DType::fp32);
    const auto affine = [&](const std::optional<ops::HostTensor> &weights) {
        if (!weights) return std::vector<float>{};
        const ops::HostTensor values = rounded_to(*weights, ops::DType::fp32);
        const auto all = values.as<float>();
        return std::vector<float>(all.begin(), all.end());
    };
    const std::vector<float> gamma = affine(inputs.gamma), beta = affine(inputs.beta);
    ops::HostTensor result(ops::DType::fp32, inputs.result_shape());
    const auto x = wide.as<float>();
    const auto out = result.as<float>();
    if (n == 0) return result; // a sum of nothing is +0
    threads.run(static_cast<std::int64_t>(x.size()) / n, [&](std::int64_t row) {
        const auto first = static_cast<std::size_t>(row * n), count = static_cast<std::size_t>(n);
        const auto in = x.subspan(first, count);
        switch (inputs.task) {
        case RowTask::sum: out[static_cast<std::size_t>(row)] = sum_of_row(model.name, in); break;
        case RowTask::softmax: softmax_row(model.name, in, out.subspan(first, count)); break;
        case RowTask::layer_norm:
            layer_norm_row(model.name, inputs, gamma.empty() ? nullptr : gamma.data(),
                           beta.empty() ? nullptr : beta.data(), in, out.subspan(first, count));
            break;
        }
    });
    return result;
}

} // namespace halfscope::kernels::judge
