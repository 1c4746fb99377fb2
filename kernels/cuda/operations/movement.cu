// Data movement, one thread an element: the strided copies of emulation/ops/movement/moves.h. Between equal dtypes bits
// are copied and the stored values measured; otherwise operands are moved in C and rounded on the way to the result.
#include "emulation/ops/movement/moves.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/operations/stored_statistics.h"

#include <algorithm>
#include <optional>

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;
using ops::movement::Moves;
using ops::movement::StridedCopy;
using ops::movement::Triangle;

/// Elements as they are stored.
template <typename Word> struct Words {
    const Word *data;
    [[nodiscard]] __device__ Word at(std::int64_t i) const { return data[i]; }
};

template <typename Source, typename T>
__global__ void copy_kernel(Source in, T *out, StridedCopy copy, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        std::int64_t rest = i, from = copy.in_offset, to = copy.out_offset;
        for (int axis = copy.rank - 1; axis >= 0; --axis) {
            const auto a = static_cast<std::size_t>(axis);
            const std::int64_t index = axis == 0 ? rest : rest % copy.sizes[a];
            rest /= copy.sizes[a];
            from += index * copy.in_strides[a];
            to += index * copy.out_strides[a];
        }
        out[to] = in.at(from);
    }
}

template <typename T> __global__ void fill_kernel(T *out, T element, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) out[i] = element;
}

template <typename Source, typename T>
__global__ void triangle_kernel(Source in, T *out, Triangle triangle, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t row = i / triangle.columns, column = i % triangle.columns;
        const bool kept = column >= triangle.first(row) && column < triangle.last(row);
        out[i] = kept ? in.at(i) : T{};
    }
}

/// Moves what source_of(operand) reads to `out`; element_of(bits) is an element of it.
template <typename T, typename SourceOf, typename ElementOf>
void move(const ops::KernelCall &call, DType stored, T *out, const SourceOf &source_of, const ElementOf &element_of) {
    const std::int64_t total = call.outputs[0].shape.elements();
    if (call.operation.kind == ops::OpKind::trilu) {
        if (total > 0)
            launch("triangle kernel", triangle_kernel<decltype(source_of(call.inputs[0])), T>, elementwise_grid(total),
                   elementwise_block, source_of(call.inputs[0]), out, ops::movement::triangle_of(call), total);
        return;
    }
    const Moves moves = ops::movement::moves_of(call, stored);
    if (moves.fill && total > 0)
        launch("fill kernel", fill_kernel<T>, elementwise_grid(total), elementwise_block, out, element_of(*moves.fill),
               total);
    for (const ops::movement::Part &part : moves.parts) {
        const StridedCopy copy = part.copy.merged();
        const std::int64_t count = copy.elements();
        if (count == 0) continue;
        launch("copy kernel", copy_kernel<decltype(source_of(call.inputs[0])), T>, elementwise_grid(count),
               elementwise_block, source_of(call.inputs[part.input]), out, copy, count);
    }
}

template <typename Word> void move_words(const ops::KernelCall &call) {
    move<Word>(
        call, call.outputs[0].dtype, call.outputs[0].as<Word>(),
        [](const ops::TensorView &view) { return Words<Word>{view.as<const Word>()}; },
        [](std::uint64_t bits) { return static_cast<Word>(bits); });
    measure_stored(call, 0);
}

void move_in_c(const ops::KernelCall &call) {
    const Result result(call, 0);
    move<float>(
        call, DType::fp32, result.values(), [](const ops::TensorView &view) { return Operand(view); },
        [](std::uint64_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); });
    result.leave();
}

} // namespace

bool run_movement(const ops::KernelCall &call) {
    if (call.inputs.empty() || call.outputs.size() != 1) return false;
    const DType dtype = call.outputs[0].dtype;
    const bool alike = std::all_of(call.inputs.begin(), call.inputs.end(),
                                   [dtype](const ops::TensorView &view) { return view.dtype == dtype; });
    if (dtype == DType::fp64) return false;
    if (call.operation.kind == ops::OpKind::trilu && call.inputs.size() != 1) return false;
    if (!alike) {
        if (!fits(call) || !std::all_of(call.inputs.begin(), call.inputs.end(),
                                        [](const ops::TensorView &view) { return ops::is_floating(view.dtype); }))
            return false;
        move_in_c(call);
        return true;
    }
    switch (ops::size_of(dtype)) {
    case 1: move_words<std::uint8_t>(call); break;
    case 2: move_words<std::uint16_t>(call); break;
    case 4: move_words<std::uint32_t>(call); break;
    default: move_words<std::uint64_t>(call); break;
    }
    return true;
}

} // namespace halfscope::kernels::device::operations
