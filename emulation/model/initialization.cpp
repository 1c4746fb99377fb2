#include "emulation/model/initialization.h"

#include "emulation/ops/random/philox.h"

#include <algorithm>
#include <cmath>

namespace halfscope::model {
namespace {

number::RandomStream stream_of(InitializationKey key) {
    return ops::random::stream_of({key.seed, 0, key.tensor}, number::RandomPurpose::initialisation);
}

} // namespace

ops::HostTensor uniform_tensor(const ops::Shape &shape, float bound, InitializationKey key) {
    ops::HostTensor tensor(ops::DType::fp32, shape);
    ops::random::fill_uniform(stream_of(key), -bound, bound, tensor.as<float>());
    return tensor;
}

ops::HostTensor normal_tensor(const ops::Shape &shape, float deviation, InitializationKey key) {
    ops::HostTensor tensor(ops::DType::fp32, shape);
    ops::random::fill_normal(stream_of(key), 0, deviation, tensor.as<float>());
    return tensor;
}

ops::HostTensor constant_tensor(const ops::Shape &shape, float value) {
    ops::HostTensor tensor(ops::DType::fp32, shape);
    std::ranges::fill(tensor.as<float>(), value);
    return tensor;
}

float default_bound(std::int64_t fan_in) {
    return fan_in > 0 ? static_cast<float>(1 / std::sqrt(static_cast<double>(fan_in))) : 0.0f;
}

} // namespace halfscope::model
