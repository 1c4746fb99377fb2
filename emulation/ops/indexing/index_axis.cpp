#include "emulation/ops/indexing/index_axis.h"

namespace halfscope::ops::indexing {
namespace {

/// The shape of a gather: `data` with its axis replaced by the axes of `indices`.
Shape gathered_shape(const KernelCall &call, const Shape &data, const Shape &indices) {
    const int axis = call.operation.get<Axis>().axis;
    Shape shape;
    for (int i = 0; i < axis; ++i) shape.append(data[i]);
    for (std::int64_t size : indices.sizes()) shape.append(size);
    for (int i = axis + 1; i < data.rank(); ++i) shape.append(data[i]);
    return shape;
}

} // namespace

void require_gathered(const KernelCall &call, const Shape &data, const TensorView &indices, const Shape &gathered) {
    const Shape expected = gathered_shape(call, data, indices.shape);
    if (!(expected == gathered))
        call.reject("data " + data.text() + " and indices " + indices.shape.text() + " give " + expected.text() +
                    ", not " + gathered.text());
}

AroundAxis around_axis(const KernelCall &call, const Shape &shape) {
    const int axis = call.operation.get<Axis>().axis;
    if (axis < 0 || axis >= shape.rank())
        call.reject("axis " + std::to_string(axis) + " lies outside the shape " + shape.text());
    AroundAxis around;
    for (int i = 0; i < axis; ++i) around.outer *= shape[i];
    around.size = shape[axis];
    for (int i = axis + 1; i < shape.rank(); ++i) around.inner *= shape[i];
    return around;
}

std::vector<std::int64_t> positions(const KernelCall &call, const TensorView &indices, std::int64_t size) {
    if (indices.dtype != DType::int64) call.reject("indices must be int64, not " + std::string(name_of(indices.dtype)));
    const auto *given = indices.as<const std::int64_t>();
    std::vector<std::int64_t> result(given, given + indices.shape.elements());
    for (std::int64_t &index : result) {
        if (index < -size || index >= size)
            call.reject("index " + std::to_string(index) + " lies outside an axis of size " + std::to_string(size));
        if (index < 0) index += size;
    }
    return result;
}

} // namespace halfscope::ops::indexing
