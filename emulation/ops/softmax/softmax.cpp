// softmax, log_softmax and their gradients along one axis; definitions in ops/operation.h.
#include "emulation/ops/kernels.h"
#include "emulation/ops/produce_units.h"
#include "emulation/ops/softmax/rows.h"

#include <array>
#include <vector>

namespace halfscope::ops {
namespace {

/// Runs row(operand pointers of one row, n, out) over every row along the axis. Rows of an axis that is not the last
/// are first gathered into contiguous memory.
template <typename C, typename Row>
void along_axis(const KernelCall &call, std::int64_t inner, std::int64_t n, Row row) {
    const std::size_t operands = call.inputs.size();
    const std::int64_t unit = n * inner; // with inner 1, a row
    produce_units<C>(call, 0, unit, [&](std::int64_t number, C *out) {
        thread_local std::vector<C> widened, rows, result;
        widened.resize(operands * static_cast<std::size_t>(unit));
        std::array<const C *, 2> slabs{};
        for (std::size_t i = 0; i < operands; ++i)
            slabs[i] =
                load<C>(call.inputs[i], number * unit, unit, widened.data() + i * static_cast<std::size_t>(unit));
        if (inner == 1) {
            row(slabs.data(), out);
            return;
        }
        rows.resize(operands * static_cast<std::size_t>(n));
        result.resize(static_cast<std::size_t>(n));
        for (std::int64_t column = 0; column < inner; ++column) {
            std::array<const C *, 2> gathered{};
            for (std::size_t i = 0; i < operands; ++i) {
                C *destination = rows.data() + i * static_cast<std::size_t>(n);
                for (std::int64_t j = 0; j < n; ++j) destination[j] = slabs[i][j * inner + column];
                gathered[i] = destination;
            }
            row(gathered.data(), result.data());
            for (std::int64_t j = 0; j < n; ++j) out[j * inner + column] = result[static_cast<std::size_t>(j)];
        }
    });
}

template <typename C> void run(const KernelCall &call) {
    const bool gradient =
        call.operation.kind == OpKind::softmax_gradient || call.operation.kind == OpKind::log_softmax_gradient;
    if (call.inputs.size() != (gradient ? 2u : 1u) || call.outputs.size() != 1)
        call.reject(gradient ? "takes (dy, y) and gives dx" : "takes one input and gives one output");
    const Shape &shape = call.outputs[0].shape;
    for (const TensorView &input : call.inputs)
        if (!(input.shape == shape))
            call.reject("operands " + input.shape.text() + " and " + shape.text() + " differ in shape");
    const int axis = call.operation.get<Axis>().axis;
    if (axis < 0 || axis >= shape.rank())
        call.reject("axis " + std::to_string(axis) + " lies outside the shape " + shape.text());
    const std::int64_t n = shape[axis];
    std::int64_t inner = 1;
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
    const auto rows = [&](auto row) { along_axis<C>(call, inner, n, row); };
    switch (call.operation.kind) {
    case OpKind::softmax: return rows([n](const C *const *in, C *out) { softmax::softmax_row(in[0], n, out); });
    case OpKind::softmax_gradient:
        return rows([n](const C *const *in, C *out) { softmax::softmax_gradient_row(in[0], in[1], n, out); });
    case OpKind::log_softmax: return rows([n](const C *const *in, C *out) { softmax::log_softmax_row(in[0], n, out); });
    case OpKind::log_softmax_gradient:
        return rows([n](const C *const *in, C *out) { softmax::log_softmax_gradient_row(in[0], in[1], n, out); });
    default: call.reject("is not a softmax operation");
    }
}

} // namespace

void run_softmax(const KernelCall &call) { call.in_fp64() ? run<double>(call) : run<float>(call); }

} // namespace halfscope::ops
