// Initial weights: PyTorch's default distributions, drawn from Philox so that they depend on the seed and the tensor's
// index alone.
#pragma once

#include "emulation/ops/tensor.h"

#include <cstdint>

namespace halfscope::model {

/// Which draw: one stream per (seed, tensor).
struct InitializationKey {
    std::uint64_t seed = 0;
    std::uint32_t tensor = 0;
};

/// fp32, uniform in [-bound, bound).
[[nodiscard]] ops::HostTensor uniform_tensor(const ops::Shape &shape, float bound, InitializationKey key);
/// fp32, mean 0.
[[nodiscard]] ops::HostTensor normal_tensor(const ops::Shape &shape, float deviation, InitializationKey key);
[[nodiscard]] ops::HostTensor constant_tensor(const ops::Shape &shape, float value);

/// 1 / sqrt(fan_in): what PyTorch's kaiming_uniform_(a = sqrt(5)) comes to, the default bound of nn.Linear and
/// nn.Conv2d for weights and biases (torch/nn/modules/linear.py, conv.py).
[[nodiscard]] float default_bound(std::int64_t fan_in);

} // namespace halfscope::model
