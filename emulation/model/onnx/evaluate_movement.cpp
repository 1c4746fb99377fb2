#include "emulation/model/onnx/evaluate_movement.h"

#include "emulation/model/onnx/evaluate.h"

#include <fmt/format.h>

#include <cstring>
#include <stdexcept>

namespace halfscope::model::importing {
namespace {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;
using Operands = std::span<const HostTensor *const>;

/// Copies elements by index whatever their width.
struct Copier {
    const std::byte *from;
    std::byte *to;
    std::size_t width;
    void operator()(std::int64_t destination, std::int64_t source) const {
        std::memcpy(to + static_cast<std::size_t>(destination) * width, from + static_cast<std::size_t>(source) * width,
                    width);
    }
};

Copier copier(const HostTensor &from, HostTensor &to) {
    return {from.bytes.data(), to.bytes.data(), ops::size_of(to.dtype)};
}

std::vector<std::int64_t> dense(const Shape &shape) {
    std::vector<std::int64_t> strides(static_cast<std::size_t>(shape.rank()), 1);
    for (int axis = shape.rank() - 2; axis >= 0; --axis)
        strides[static_cast<std::size_t>(axis)] = strides[static_cast<std::size_t>(axis) + 1] * shape[axis + 1];
    return strides;
}

void transpose(const ops::Permutation &permutation, const HostTensor &x, HostTensor &out) {
    const auto strides = dense(x.shape);
    std::vector<std::int64_t> reordered;
    for (int axis : permutation.order) reordered.push_back(strides[static_cast<std::size_t>(axis)]);
    walk(out.shape, 0, reordered, copier(x, out));
}

void slice(const ops::Slice &slice, const HostTensor &x, HostTensor &out) {
    if (out.shape.elements() == 0) return;
    auto strides = dense(x.shape);
    std::int64_t start = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) {
        start += slice.starts[i] * strides[i];
        strides[i] *= slice.steps[i];
    }
    walk(out.shape, start, strides, copier(x, out));
}

void pad(const ops::Slice &pads, const HostTensor &x, HostTensor &out) {
    if (out.dtype == DType::fp32) {
        for (float &value : out.as<float>()) value = static_cast<float>(pads.value);
    } else if (out.dtype == DType::int64) {
        for (std::int64_t &value : out.as<std::int64_t>()) value = static_cast<std::int64_t>(pads.value);
    } else {
        for (std::uint8_t &value : out.as<std::uint8_t>()) value = pads.value != 0;
    }
    const auto strides = dense(out.shape);
    std::int64_t start = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) start += pads.starts[i] * strides[i];
    const Copier copy = copier(x, out);
    walk(x.shape, start, strides, [&](std::int64_t flat, std::int64_t to) { copy(to, flat); });
}

void concat(int axis, Operands operands, HostTensor &out) {
    const auto strides = dense(out.shape);
    std::int64_t start = 0;
    for (const HostTensor *operand : operands) {
        const Copier copy = copier(*operand, out);
        walk(operand->shape, start, strides, [&](std::int64_t flat, std::int64_t to) { copy(to, flat); });
        start += operand->shape[axis] * strides[static_cast<std::size_t>(axis)];
    }
}

std::int64_t checked_index(std::int64_t index, std::int64_t size) {
    const std::int64_t wrapped = index < 0 ? index + size : index;
    if (wrapped < 0 || wrapped >= size)
        throw std::runtime_error(fmt::format("index {} is outside an axis of {}", index, size));
    return wrapped;
}

void gather(int axis, const HostTensor &data, const HostTensor &indices, HostTensor &out) {
    std::int64_t outer = 1, inner = 1;
    for (int i = 0; i < axis; ++i) outer *= data.shape[i];
    for (int i = axis + 1; i < data.shape.rank(); ++i) inner *= data.shape[i];
    const auto picks = indices.as<std::int64_t>();
    const std::size_t run = static_cast<std::size_t>(inner) * ops::size_of(out.dtype);
    std::byte *to = out.bytes.data();
    for (std::int64_t o = 0; o < outer; ++o)
        for (std::int64_t pick : picks) {
            const std::int64_t from = (o * data.shape[axis] + checked_index(pick, data.shape[axis])) * inner;
            if (run == 0) continue;
            std::memcpy(to, data.bytes.data() + static_cast<std::size_t>(from) * ops::size_of(out.dtype), run);
            to += run;
        }
}

void gather_elements(int axis, const HostTensor &data, const HostTensor &indices, HostTensor &out) {
    auto strides = dense(data.shape);
    const std::int64_t along = strides[static_cast<std::size_t>(axis)];
    strides[static_cast<std::size_t>(axis)] = 0;
    const auto picks = indices.as<std::int64_t>();
    const Copier copy = copier(data, out);
    walk(out.shape, 0, strides, [&](std::int64_t flat, std::int64_t base) {
        copy(flat, base + checked_index(picks[static_cast<std::size_t>(flat)], data.shape[axis]) * along);
    });
}

void select(Operands operands, HostTensor &out) {
    const HostTensor &condition = *operands[0];
    std::vector<std::uint8_t> chosen(static_cast<std::size_t>(out.shape.elements()));
    walk(out.shape, 0, strides_for(condition.shape, out.shape), [&](std::int64_t flat, std::int64_t from) {
        chosen[static_cast<std::size_t>(flat)] = condition.as<std::uint8_t>()[static_cast<std::size_t>(from)];
    });
    for (std::size_t branch = 1; branch <= 2; ++branch) {
        const HostTensor &x = *operands[branch];
        const Copier copy = copier(x, out);
        walk(out.shape, 0, strides_for(x.shape, out.shape), [&](std::int64_t flat, std::int64_t from) {
            if ((chosen[static_cast<std::size_t>(flat)] != 0) == (branch == 1)) copy(flat, from);
        });
    }
}

void triangle(const ops::Scalars &scalars, const HostTensor &x, HostTensor &out) {
    const std::int64_t rows = x.shape[x.shape.rank() - 2], columns = x.shape[x.shape.rank() - 1];
    const bool upper = scalars.alpha != 0;
    const auto diagonal = static_cast<std::int64_t>(scalars.beta);
    const Copier copy = copier(x, out);
    for (std::int64_t i = 0, count = x.shape.elements(); i < count; ++i) {
        const std::int64_t offset = i % columns - i / columns % rows;
        if (upper ? offset >= diagonal : offset <= diagonal) copy(i, i);
    }
}

} // namespace

bool is_movement(OpKind kind) {
    switch (kind) {
    case OpKind::transpose:
    case OpKind::reshape:
    case OpKind::expand:
    case OpKind::concat:
    case OpKind::slice:
    case OpKind::pad:
    case OpKind::trilu:
    case OpKind::gather:
    case OpKind::gather_elements:
    case OpKind::where: return true;
    default: return false;
    }
}

HostTensor move_elements(const ops::Operation &operation, Operands operands, DType dtype, const Shape &shape) {
    for (const HostTensor *operand : operands.subspan(operation.kind == OpKind::where ? 1 : 0, 1))
        if (operand->dtype != dtype) throw std::runtime_error("data movement cannot change the type of its elements");
    HostTensor out(dtype, shape);
    const HostTensor &x = *operands[0];
    switch (operation.kind) {
    case OpKind::transpose: transpose(operation.get<ops::Permutation>(), x, out); break;
    case OpKind::reshape: out.bytes = x.bytes; break;
    case OpKind::expand: walk(out.shape, 0, strides_for(x.shape, shape), copier(x, out)); break;
    case OpKind::concat: concat(operation.get<ops::Axis>().axis, operands, out); break;
    case OpKind::slice: slice(operation.get<ops::Slice>(), x, out); break;
    case OpKind::pad: pad(operation.get<ops::Slice>(), x, out); break;
    case OpKind::trilu: triangle(operation.get<ops::Scalars>(), x, out); break;
    case OpKind::gather: gather(operation.get<ops::Axis>().axis, x, *operands[1], out); break;
    case OpKind::gather_elements: gather_elements(operation.get<ops::Axis>().axis, x, *operands[1], out); break;
    default: select(operands, out); break;
    }
    return out;
}

} // namespace halfscope::model::importing
