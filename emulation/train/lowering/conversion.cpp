#include "emulation/number/round_array.h"
#include "emulation/train/lowering/lower.h"

#include <algorithm>
#include <stdexcept>

namespace halfscope::train {
namespace {

std::vector<float> as_floats(const ops::HostTensor &tensor) {
    const auto count = static_cast<std::size_t>(tensor.shape.elements());
    std::vector<float> values(count);
    switch (tensor.dtype) {
    case ops::DType::fp16:
    case ops::DType::bf16:
        number::widen_array(tensor.as<std::uint16_t>().data(), count, ops::format_id(tensor.dtype), values.data());
        return values;
    case ops::DType::fp32: std::copy_n(tensor.as<float>().data(), count, values.data()); return values;
    case ops::DType::fp64:
        std::transform(tensor.as<double>().begin(), tensor.as<double>().end(), values.begin(),
                       [](double value) { return static_cast<float>(value); });
        return values;
    case ops::DType::int64:
    case ops::DType::boolean: break;
    }
    throw std::invalid_argument("only floating tensors change their format");
}

} // namespace

ops::HostTensor converted(const ops::HostTensor &tensor, ops::DType dtype) {
    if (tensor.dtype == dtype) return tensor;
    const std::vector<float> values = as_floats(tensor);
    ops::HostTensor result(dtype, tensor.shape);
    if (dtype == ops::DType::fp64)
        std::copy(values.begin(), values.end(), result.as<double>().begin());
    else
        number::round_array(values.data(), values.size(), ops::format_id(dtype), result.bytes.data());
    return result;
}

} // namespace halfscope::train
