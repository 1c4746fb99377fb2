#include "emulation/ops/elementwise/broadcast.h"

namespace halfscope::ops::elementwise {

Shape broadcast_shape(const Shape &a, const Shape &b) {
    const int rank = std::max(a.rank(), b.rank());
    Shape out;
    for (int axis = 0; axis < rank; ++axis) {
        const int in_a = axis - (rank - a.rank()), in_b = axis - (rank - b.rank());
        const std::int64_t size_a = in_a < 0 ? 1 : a[in_a], size_b = in_b < 0 ? 1 : b[in_b];
        if (size_a != size_b && size_a != 1 && size_b != 1)
            throw std::invalid_argument("shapes " + a.text() + " and " + b.text() + " do not broadcast");
        out.append(size_a == 1 ? size_b : size_a);
    }
    return out;
}

Broadcast::Broadcast(const Shape &operand, const Shape &output) {
    const auto fail = [&] {
        throw std::invalid_argument("shape " + operand.text() + " does not broadcast to " + output.text());
    };
    if (operand.rank() > output.rank()) fail();
    // Built from the innermost axis outwards, then reversed.
    std::int64_t dense = 1;
    for (int axis = output.rank() - 1; axis >= 0; --axis) {
        const int own = axis - (output.rank() - operand.rank());
        const std::int64_t size = own < 0 ? 1 : operand[own];
        if (size != output[axis] && size != 1) fail();
        if (output[axis] == 1) continue;
        const std::int64_t stride = size == 1 ? 0 : dense;
        dense *= size;
        if (rank_ > 0 && stride == strides_[at(rank_ - 1)] * sizes_[at(rank_ - 1)]) {
            sizes_[at(rank_ - 1)] *= output[axis];
        } else {
            sizes_[at(rank_)] = output[axis];
            strides_[at(rank_++)] = stride;
        }
    }
    if (rank_ == 0) {
        sizes_[0] = strides_[0] = 1;
        rank_ = 1;
    }
    std::reverse(sizes_.begin(), sizes_.begin() + rank_);
    std::reverse(strides_.begin(), strides_.begin() + rank_);
}

} // namespace halfscope::ops::elementwise
