// gather and its gradient, gather_elements and its, one_hot. gather's gradient adds what comes to one element in index
// order: each gathered row's place among those of its data row is counted first, so that a thread finds its
// contributions in order.
#include "emulation/ops/indexing/index_axis.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/operations/stored_statistics.h"
#include "kernels/cuda/shared_memory.cuh"

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;
using ops::indexing::AroundAxis;

/// Indices as positions in [0, size); `found` is set where one lies outside.
__global__ void positions_kernel(const std::int64_t *indices, std::int64_t count, std::int64_t size,
                                 std::int64_t *positions, unsigned *found) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t index = indices[i];
        if (index < -size || index >= size) atomicOr(found, 1u);
        positions[i] = index < 0 ? index + size : index;
    }
}

/// The element of the data that element i of the gathered tensor is.
__device__ std::int64_t source_of(std::int64_t i, const AroundAxis &around, const std::int64_t *positions,
                                  std::int64_t indices) {
    const std::int64_t run = i / around.inner, inside = i % around.inner;
    return (run / indices * around.size + positions[run % indices]) * around.inner + inside;
}

template <typename Word>
__global__ void gather_words_kernel(const Word *data, AroundAxis around, const std::int64_t *positions,
                                    std::int64_t indices, Word *out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count())
        out[i] = data[source_of(i, around, positions, indices)];
}

__global__ void gather_kernel(Operand data, AroundAxis around, const std::int64_t *positions, std::int64_t indices,
                              Stored out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count())
        out.put(i, data.at(source_of(i, around, positions, indices)));
}

/// ranks[i]: how many of the indices before i are equal to it; totals[row]: how many are this row.
__global__ void rank_kernel(const std::int64_t *positions, std::int64_t indices, std::int64_t *ranks,
                            unsigned long long *totals) {
    for (std::int64_t i = thread_index(); i < indices; i += thread_count()) {
        const std::int64_t position = positions[i];
        std::int64_t rank = 0;
        for (std::int64_t before = 0; before < i; ++before)
            if (positions[before] == position) ++rank;
        ranks[i] = rank;
        atomicAdd(&totals[position], 1ull);
    }
}

constexpr int scan_threads = 256;

/// starts[row]: indices of all rows before it. One block; each thread takes consecutive rows.
__global__ void starts_kernel(const unsigned long long *totals, std::int64_t rows, std::int64_t *starts) {
    HALFSCOPE_SHARED(std::int64_t, sums, [scan_threads]);
    const std::int64_t each = (rows + scan_threads - 1) / scan_threads, first = threadIdx.x * each;
    const std::int64_t end = first + each < rows ? first + each : rows;
    std::int64_t sum = 0;
    for (std::int64_t row = first; row < end; ++row) sum += static_cast<std::int64_t>(totals[row]);
    sums[threadIdx.x] = sum;
    __syncthreads();
    std::int64_t start = 0;
    for (unsigned before = 0; before < threadIdx.x; ++before) start += sums[before];
    for (std::int64_t row = first; row < end; ++row) {
        starts[row] = start;
        start += static_cast<std::int64_t>(totals[row]);
    }
}

/// sources: the indices of each row, one row after the other, each in order.
__global__ void sort_kernel(const std::int64_t *positions, const std::int64_t *ranks, const std::int64_t *starts,
                            std::int64_t indices, std::int64_t *sources) {
    for (std::int64_t i = thread_index(); i < indices; i += thread_count())
        sources[starts[positions[i]] + ranks[i]] = i;
}

__global__ void gradient_kernel(Operand dy, AroundAxis around, const std::int64_t *sources, const std::int64_t *starts,
                                const unsigned long long *totals, std::int64_t indices, Stored out,
                                std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t inside = i % around.inner, row = i / around.inner % around.size;
        const std::int64_t outer = i / around.inner / around.size;
        const std::int64_t first = starts[row], end = first + static_cast<std::int64_t>(totals[row]);
        float sum = 0;
        for (std::int64_t at = first; at < end; ++at)
            sum = __fadd_rn(sum, dy.at((outer * indices + sources[at]) * around.inner + inside));
        out.put(i, sum);
    }
}

/// False where an index lies outside the axis: the host then says which.
bool positions_of(const ops::TensorView &indices, std::int64_t size, const DeviceArray<std::int64_t> &positions) {
    const std::int64_t count = indices.shape.elements();
    const DeviceArray<unsigned> found(1);
    check(cudaMemset(found.data(), 0, sizeof(unsigned)), "cudaMemset");
    launch("positions kernel", positions_kernel, elementwise_grid(count), elementwise_block,
           indices.as<const std::int64_t>(), count, size, positions.data(), found.data());
    unsigned outside = 0;
    found.download(&outside);
    return outside == 0;
}

template <typename Word>
void gather_words(const ops::KernelCall &call, const AroundAxis &around, const DeviceArray<std::int64_t> &positions) {
    const std::int64_t count = call.outputs[0].shape.elements();
    launch("gather kernel", gather_words_kernel<Word>, elementwise_grid(count), elementwise_block,
           call.inputs[0].as<const Word>(), around, positions.data(), static_cast<std::int64_t>(positions.size()),
           call.outputs[0].as<Word>(), count);
    measure_stored(call, 0);
}

/// True for what leave_gathered can make of the data: its bits, or its values through C.
bool can_gather(const ops::TensorView &data, const ops::TensorView &out) {
    if (data.dtype == out.dtype) return out.dtype != DType::fp64;
    return ops::is_floating(out.dtype) && ops::is_floating(data.dtype) && readable(out) && readable(data);
}

void leave_gathered(const ops::KernelCall &call, const AroundAxis &around, const DeviceArray<std::int64_t> &positions) {
    const ops::TensorView &data = call.inputs[0], &out = call.outputs[0];
    if (data.dtype == out.dtype && out.dtype != DType::fp32) { // the bits; fp32 results may be flushed
        switch (ops::size_of(out.dtype)) {
        case 1: return gather_words<std::uint8_t>(call, around, positions);
        case 2: return gather_words<std::uint16_t>(call, around, positions);
        default: return gather_words<std::uint64_t>(call, around, positions);
        }
    }
    const std::int64_t count = out.shape.elements();
    const Result result(call, 0);
    launch("gather kernel", gather_kernel, elementwise_grid(count), elementwise_block, Operand(data), around,
           positions.data(), static_cast<std::int64_t>(positions.size()), result.stored(), count);
    result.leave();
}

bool run_gather(const ops::KernelCall &call) {
    const ops::TensorView &data = call.inputs[0], &out = call.outputs[0];
    if (!can_gather(data, out)) return false;
    const AroundAxis around = ops::indexing::around_axis(call, data.shape);
    ops::indexing::require_gathered(call, data.shape, call.inputs[1], out.shape);
    if (out.shape.elements() == 0) return false;
    const DeviceArray<std::int64_t> positions(static_cast<std::size_t>(call.inputs[1].shape.elements()));
    if (!positions_of(call.inputs[1], around.size, positions)) return false;
    leave_gathered(call, around, positions);
    return true;
}

bool run_gather_gradient(const ops::KernelCall &call) {
    const ops::TensorView &dy = call.inputs[0], &out = call.outputs[0];
    if (!readable(dy) || !readable(out) || !ops::is_floating(dy.dtype) || !ops::is_floating(out.dtype)) return false;
    const AroundAxis around = ops::indexing::around_axis(call, out.shape);
    ops::indexing::require_gathered(call, out.shape, call.inputs[1], dy.shape);
    const std::int64_t count = out.shape.elements(), indices = call.inputs[1].shape.elements();
    if (count == 0 || indices == 0) return false;
    const auto n = static_cast<std::size_t>(indices), rows = static_cast<std::size_t>(around.size);
    const DeviceArray<std::int64_t> positions(n), ranks(n), sources(n), starts(rows);
    if (!positions_of(call.inputs[1], around.size, positions)) return false;
    const DeviceArray<unsigned long long> totals(rows);
    check(cudaMemset(totals.data(), 0, rows * sizeof(unsigned long long)), "cudaMemset");
    launch("gather rank kernel", rank_kernel, elementwise_grid(indices), elementwise_block, positions.data(), indices,
           ranks.data(), totals.data());
    launch("gather starts kernel", starts_kernel, 1, scan_threads, totals.data(), around.size, starts.data());
    launch("gather sort kernel", sort_kernel, elementwise_grid(indices), elementwise_block, positions.data(),
           ranks.data(), starts.data(), indices, sources.data());
    const Result result(call, 0);
    launch("gather gradient kernel", gradient_kernel, elementwise_grid(count), elementwise_block, Operand(dy), around,
           sources.data(), starts.data(), totals.data(), indices, result.stored(), count);
    result.leave();
    return true;
}

/// Indices of gather_elements on their data.
struct Places {
    int rank, axis;
    std::int64_t sizes[ops::Shape::max_rank] = {}, strides[ops::Shape::max_rank] = {}; ///< indices', data's

    Places(const ops::Shape &indices, const ops::Shape &data, int along) : rank(data.rank()), axis(along) {
        std::int64_t stride = 1;
        for (int i = rank - 1; i >= 0; --i) {
            sizes[i] = indices[i];
            strides[i] = stride;
            stride *= data[i];
        }
    }
    /// The element of the data that index i names, its position along the axis given.
    [[nodiscard]] __device__ std::int64_t element(std::int64_t i, std::int64_t position) const {
        std::int64_t at = position * strides[axis];
        for (int other = rank - 1; other >= 0; --other) {
            if (other != axis) at += i % sizes[other] * strides[other];
            i /= sizes[other];
        }
        return at;
    }
};

/// Positions along the axis become elements of the data.
__global__ void elements_kernel(Places places, std::int64_t *positions, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count())
        positions[i] = places.element(i, positions[i]);
}

/// The elements of `data` that the indices name; false for the host.
bool named_elements(const ops::KernelCall &call, const ops::Shape &data, const DeviceArray<std::int64_t> &elements) {
    const ops::TensorView &indices = call.inputs[1];
    const int axis = call.operation.get<ops::Axis>().axis;
    if (indices.shape.rank() != data.rank()) return false;
    for (int i = 0; i < data.rank(); ++i)
        if (i != axis && indices.shape[i] > data[i]) return false;
    if (!positions_of(indices, data[axis], elements)) return false;
    const std::int64_t count = indices.shape.elements();
    launch("named elements kernel", elements_kernel, elementwise_grid(count), elementwise_block,
           Places(indices.shape, data, axis), elements.data(), count);
    return true;
}

/// Only the indices of one line along the axis can name one element: a thread takes a line, in index order.
__global__ void elements_gradient_kernel(Operand dy, AroundAxis around, const std::int64_t *elements, float *sums,
                                         std::int64_t lines) {
    for (std::int64_t line = thread_index(); line < lines; line += thread_count()) {
        std::int64_t i = line / around.inner * around.size * around.inner + line % around.inner;
        for (std::int64_t left = around.size; left > 0; --left, i += around.inner)
            sums[elements[i]] = __fadd_rn(sums[elements[i]], dy.at(i));
    }
}

bool run_gather_elements(const ops::KernelCall &call) {
    const ops::TensorView &data = call.inputs[0], &out = call.outputs[0];
    if (!can_gather(data, out) || !(out.shape == call.inputs[1].shape) || out.shape.elements() == 0) return false;
    (void)ops::indexing::around_axis(call, data.shape); // throws where there is no such axis
    const DeviceArray<std::int64_t> elements(static_cast<std::size_t>(out.shape.elements()));
    if (!named_elements(call, data.shape, elements)) return false;
    leave_gathered(call, {1, data.shape.elements(), 1}, elements);
    return true;
}

bool run_gather_elements_gradient(const ops::KernelCall &call) {
    const ops::TensorView &dy = call.inputs[0], &indices = call.inputs[1], &out = call.outputs[0];
    if (!readable(dy) || !readable(out) || !ops::is_floating(dy.dtype) || !ops::is_floating(out.dtype) ||
        !(dy.shape == indices.shape) || out.shape.elements() == 0 || indices.shape.elements() == 0)
        return false;
    (void)ops::indexing::around_axis(call, out.shape);
    const DeviceArray<std::int64_t> elements(static_cast<std::size_t>(indices.shape.elements()));
    if (!named_elements(call, out.shape, elements)) return false;
    const AroundAxis around = ops::indexing::around_axis(call, indices.shape);
    const std::int64_t lines = around.outer * around.inner;
    const Result result(call, 0);
    float *const sums = result.values();
    check(cudaMemset(sums, 0, static_cast<std::size_t>(out.shape.elements()) * sizeof(float)), "cudaMemset");
    launch("gather elements gradient kernel", elements_gradient_kernel, elementwise_grid(lines), elementwise_block,
           Operand(dy), around, elements.data(), sums, lines);
    result.leave();
    return true;
}

/// Where one_hot is on.
struct Marks {
    const std::int64_t *indices;
    AroundAxis around;
    [[nodiscard]] __device__ bool on(std::int64_t i) const {
        const std::int64_t place = i / around.inner % around.size;
        const std::int64_t index = indices[i / around.inner / around.size * around.inner + i % around.inner];
        return place == (index < 0 ? index + around.size : index);
    }
};

template <typename Word> __global__ void mark_words_kernel(Marks marks, Word *out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) out[i] = marks.on(i) ? 1 : 0;
}
__global__ void mark_kernel(Marks marks, Stored out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) out.put(i, marks.on(i) ? 1.0f : 0.0f);
}

bool run_one_hot(const ops::KernelCall &call) {
    const ops::TensorView &indices = call.inputs[0], &out = call.outputs[0];
    const AroundAxis around = ops::indexing::around_axis(call, out.shape);
    const std::int64_t count = out.shape.elements();
    if (indices.dtype != DType::int64 || out.dtype == DType::fp64 || out.shape.rank() != indices.shape.rank() + 1 ||
        around.outer * around.inner != indices.shape.elements() || count == 0)
        return false;
    const Marks marks{indices.as<const std::int64_t>(), around};
    const auto mark = [&]<typename Word>(Word *words) {
        launch("one-hot kernel", mark_words_kernel<Word>, elementwise_grid(count), elementwise_block, marks, words,
               count);
    };
    if (out.dtype == DType::int64)
        mark(out.as<std::int64_t>());
    else if (out.dtype == DType::boolean)
        mark(out.as<std::uint8_t>());
    else {
        const Result result(call, 0);
        launch("one-hot kernel", mark_kernel, elementwise_grid(count), elementwise_block, marks, result.stored(),
               count);
        result.leave();
    }
    return true;
}

} // namespace

bool run_indexing(const ops::KernelCall &call) {
    const ops::OpKind kind = call.operation.kind;
    if (call.outputs.size() != 1) return false;
    if (kind == ops::OpKind::one_hot) return call.inputs.size() == 1 && run_one_hot(call);
    if (call.inputs.size() != 2 || call.inputs[1].dtype != DType::int64) return false;
    switch (kind) {
    case ops::OpKind::gather: return run_gather(call);
    case ops::OpKind::gather_gradient: return run_gather_gradient(call);
    case ops::OpKind::gather_elements: return run_gather_elements(call);
    case ops::OpKind::gather_elements_gradient: return run_gather_elements_gradient(call);
    default: return false;
    }
}

} // namespace halfscope::kernels::device::operations
