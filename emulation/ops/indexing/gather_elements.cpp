#include "emulation/ops/indexing/exact_result.h"
#include "emulation/ops/indexing/index_axis.h"
#include "emulation/ops/indexing/indexing.h"
#include "emulation/ops/produce_units.h"

namespace halfscope::ops::indexing {
namespace {

/// For every element of `indices`, in row-major order, the flat element of `data` it names.
std::vector<std::int64_t> named_elements(const KernelCall &call, const Shape &data, const TensorView &indices) {
    const AroundAxis around = around_axis(call, data);
    const int axis = call.operation.get<Axis>().axis;
    if (indices.shape.rank() != data.rank())
        call.reject("indices " + indices.shape.text() + " need the rank of the data " + data.text());
    for (int i = 0; i < data.rank(); ++i)
        if (i != axis && indices.shape[i] > data[i])
            call.reject("indices " + indices.shape.text() + " reach past the data " + data.text());
    std::vector<std::int64_t> elements = positions(call, indices, around.size);
    std::array<std::int64_t, Shape::max_rank> strides{}, place{};
    std::int64_t stride = 1;
    for (int i = data.rank() - 1; i >= 0; --i) {
        strides[static_cast<std::size_t>(i)] = stride;
        stride *= data[i];
    }
    for (std::int64_t &element : elements) {
        std::int64_t flat = element * strides[static_cast<std::size_t>(axis)];
        for (int i = 0; i < data.rank(); ++i)
            if (i != axis) flat += place[static_cast<std::size_t>(i)] * strides[static_cast<std::size_t>(i)];
        element = flat;
        for (int i = data.rank() - 1; i >= 0 && ++place[static_cast<std::size_t>(i)] == indices.shape[i]; --i)
            place[static_cast<std::size_t>(i)] = 0;
    }
    return elements;
}

} // namespace

void gather_elements(const KernelCall &call) {
    const TensorView &data = call.inputs[0], &indices = call.inputs[1];
    if (!(call.outputs[0].shape == indices.shape))
        call.reject("the result has the shape of the indices " + indices.shape.text() + ", not " +
                    call.outputs[0].shape.text());
    const std::vector<std::int64_t> elements = named_elements(call, data.shape, indices);
    copy_runs(call, data, 1, [&](std::int64_t element) { return elements[static_cast<std::size_t>(element)]; });
}

template <typename C> void gather_elements_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0], &indices = call.inputs[1];
    if (!(dy.shape == indices.shape))
        call.reject("the gradient has the shape of the indices " + indices.shape.text() + ", not " + dy.shape.text());
    const std::vector<std::int64_t> elements = named_elements(call, call.outputs[0].shape, indices);
    const WholeResult<C> result(call, 0);
    std::fill(result.values(), result.values() + call.outputs[0].shape.elements(), C(0));
    std::vector<C> storage;
    const C *gradient = load_all<C>(dy, storage, call.threads);
    for (std::size_t i = 0; i < elements.size(); ++i) result.values()[elements[i]] += gradient[i];
    result.leave();
}

template void gather_elements_gradient<float>(const KernelCall &);
template void gather_elements_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::indexing
