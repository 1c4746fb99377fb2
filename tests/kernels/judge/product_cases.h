// Products to be judged: random operands, and results made by plain loops.
#pragma once

#include "tests/ops/operation_runner.h"

#include "kernels/judge/judge_matmul.h"

namespace halfscope::test {

using kernels::judge::ProductInputs;
using kernels::judge::Verdict;

inline ProductInputs product(DType dtype, std::int64_t m, std::int64_t k, std::int64_t n, unsigned seed = 1) {
    ProductInputs inputs;
    inputs.a = normal_tensor(dtype, {m, k}, seed);
    inputs.b = normal_tensor(dtype, {k, n}, seed + 1);
    inputs.shape = {m, n};
    return inputs;
}

/// A result in fp32 of what sum(i, j) gives in float.
template <typename Sum> HostTensor result_of(const ProductInputs &inputs, Sum sum) {
    HostTensor result(DType::fp32, inputs.shape);
    const std::int64_t n = inputs.shape[1];
    for (std::int64_t i = 0; i < inputs.shape[0]; ++i)
        for (std::int64_t j = 0; j < n; ++j) result.as<float>()[static_cast<std::size_t>(i * n + j)] = sum(i, j);
    return result;
}

/// Sums of products in float, products rounded before they are added, over k from `first` in steps of `step`.
class PlainProduct {
  public:
    explicit PlainProduct(const ProductInputs &inputs)
        : a_(values(inputs.a)), b_(values(inputs.b)), k_(inputs.depth()), n_(inputs.shape[1]) {}
    [[nodiscard]] float product(std::int64_t i, std::int64_t k, std::int64_t j) const {
        return static_cast<float>(a_[static_cast<std::size_t>(i * k_ + k)]) *
               static_cast<float>(b_[static_cast<std::size_t>(k * n_ + j)]);
    }
    [[nodiscard]] float sum(std::int64_t i, std::int64_t j, std::int64_t first, std::int64_t last,
                            std::int64_t step = 1) const {
        float total = 0;
        for (std::int64_t k = first; k < last; k += step) total += product(i, k, j);
        return total;
    }

  private:
    std::vector<double> a_, b_;
    std::int64_t k_, n_;
};

inline kernels::judge::Judgement judged(const ProductInputs &inputs, HostTensor tested,
                                        ops::Accumulation model = ops::Accumulation::fma_chain) {
    ops::ThreadPool threads(1);
    return kernels::judge::judge_matmul(inputs, tested.view(), model, threads);
}

} // namespace halfscope::test
