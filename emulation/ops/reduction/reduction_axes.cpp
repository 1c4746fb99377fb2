#include "emulation/ops/reduction/reduction_axes.h"

#include <algorithm>

namespace halfscope::ops::reduction {

std::int64_t AxisGroup::elements() const {
    std::int64_t product = 1;
    for (const std::int64_t size : sizes) product *= size;
    return product;
}

std::int64_t AxisGroup::offset(std::int64_t index) const {
    std::int64_t offset = 0;
    for (std::size_t axis = sizes.size(); axis-- > 0; index /= sizes[axis])
        offset += index % sizes[axis] * strides[axis];
    return offset;
}

ReductionAxes::ReductionAxes(const KernelCall &call) {
    const Shape &shape = call.inputs[0].shape;
    const std::vector<int> &axes = call.operation.get<Reduction>().axes;
    std::vector<bool> is_reduced(static_cast<std::size_t>(shape.rank()), axes.empty());
    for (const int axis : axes) {
        if (axis < 0 || axis >= shape.rank())
            call.reject("axis " + std::to_string(axis) + " does not exist in shape " + shape.text());
        is_reduced[static_cast<std::size_t>(axis)] = true;
    }
    // From the innermost axis outwards; an axis that follows one of its own kind extends it.
    std::int64_t stride = 1;
    int last_kind = -1;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        const std::int64_t size = shape[axis];
        if (size == 1) continue;
        const bool reduce = is_reduced[static_cast<std::size_t>(axis)];
        AxisGroup &group = reduce ? reduced : kept;
        if (last_kind < 0) reduced_innermost = reduce;
        if (last_kind == static_cast<int>(reduce)) {
            group.sizes.back() *= size;
        } else {
            group.sizes.push_back(size);
            group.strides.push_back(stride);
        }
        last_kind = reduce;
        stride *= size;
    }
    for (AxisGroup *group : {&kept, &reduced}) {
        std::reverse(group->sizes.begin(), group->sizes.end());
        std::reverse(group->strides.begin(), group->strides.end());
    }
    if (kept.sizes.empty()) reduced_innermost = true;
    if (kept.elements() != call.outputs[0].shape.elements())
        call.reject("reducing " + shape.text() + " does not give " + call.outputs[0].shape.text());
}

} // namespace halfscope::ops::reduction
