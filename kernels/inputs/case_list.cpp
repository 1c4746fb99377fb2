#include "kernels/inputs/case_list.h"

#include "emulation/number/round_array.h"
#include "kernels/inputs/draw.h"

#include <cmath>

namespace halfscope::kernels {

using ops::DType;
using ops::HostTensor;

HostTensor values(DType dtype, const ops::Shape &shape, std::uint32_t stream, int scale, bool rough, bool specials) {
    HostTensor tensor(dtype, shape);
    Draw draw(11, stream);
    const auto count = static_cast<std::size_t>(shape.elements());
    for (std::size_t i = 0; i < count; ++i) {
        float value = draw.bell(scale);
        const std::uint32_t odd = draw.below(40);
        if (rough && odd < 5) {
            const float kinds[] = {value * 0x1p14f, value * 0x1p-18f, value * 0x1p-130f, 0.0f, -0.0f};
            value = kinds[odd];
        }
        if (specials && odd == 6) value = HUGE_VALF;
        if (specials && odd == 7) value = std::nanf("");
        if (dtype == DType::fp32)
            tensor.as<float>()[i] = value;
        else if (dtype == DType::boolean)
            tensor.as<std::uint8_t>()[i] = value > 0 ? 1 : 0;
        else
            tensor.as<std::uint16_t>()[i] = number::round_to_16bit(value, ops::format_id(dtype));
    }
    return tensor;
}

HostTensor integers(const ops::Shape &shape, std::uint32_t stream, int low, int high) {
    HostTensor tensor(DType::int64, shape);
    Draw draw(13, stream);
    for (std::int64_t &value : tensor.as<std::int64_t>()) value = draw.between(low, high);
    return tensor;
}

ops::OutputRounding rounding_in_turn(std::size_t i) {
    ops::OutputRounding r;
    r.mode = static_cast<ops::OutputRounding::Mode>(i % 3);
    r.flush_subnormals = i % 4 == 3;
    return r;
}

OperationCase &CaseList::add(std::string name, ops::OpKind kind, decltype(ops::Operation::attributes) attributes,
                             std::vector<HostTensor> inputs, std::vector<std::pair<DType, ops::Shape>> outputs) {
    OperationCase &one = all.emplace_back();
    one.name = std::move(name);
    one.operation.kind = kind;
    one.operation.attributes = std::move(attributes);
    one.inputs = std::move(inputs);
    one.outputs = std::move(outputs);
    return one;
}

OperationCase &CaseList::add(ops::OpKind kind, decltype(ops::Operation::attributes) attributes,
                             std::vector<HostTensor> inputs, std::vector<std::pair<DType, ops::Shape>> outputs) {
    return add(std::string(name_of(kind)), kind, std::move(attributes), std::move(inputs), std::move(outputs));
}

} // namespace halfscope::kernels
