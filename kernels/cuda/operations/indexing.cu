// gather and its gradient. The gradient adds what comes to one element in index order: each gathered row's place among
// those of its data row is counted first, so that a thread finds its contributions in order.
#include "emulation/ops/indexing/index_axis.h"
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
                              float *out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count())
        out[i] = data.at(source_of(i, around, positions, indices));
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
                                const unsigned long long *totals, std::int64_t indices, float *out,
                                std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t inside = i % around.inner, row = i / around.inner % around.size;
        const std::int64_t outer = i / around.inner / around.size;
        const std::int64_t first = starts[row], end = first + static_cast<std::int64_t>(totals[row]);
        float sum = 0;
        for (std::int64_t at = first; at < end; ++at)
            sum = __fadd_rn(sum, dy.at((outer * indices + sources[at]) * around.inner + inside));
        out[i] = sum;
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

bool run_gather(const ops::KernelCall &call) {
    const ops::TensorView &data = call.inputs[0], &out = call.outputs[0];
    const bool alike = data.dtype == out.dtype, through_c = ops::is_floating(out.dtype) && out.dtype != DType::fp64;
    if (alike ? out.dtype == DType::fp64 : !(through_c && readable(data) && ops::is_floating(data.dtype))) return false;
    const AroundAxis around = ops::indexing::around_axis(call, data.shape);
    ops::indexing::require_gathered(call, data.shape, call.inputs[1], out.shape);
    const std::int64_t count = out.shape.elements();
    if (count == 0) return false;
    const DeviceArray<std::int64_t> positions(static_cast<std::size_t>(call.inputs[1].shape.elements()));
    if (!positions_of(call.inputs[1], around.size, positions)) return false;
    if (alike && out.dtype != DType::fp32) { // the bits; fp32 results may be flushed
        switch (ops::size_of(out.dtype)) {
        case 1: gather_words<std::uint8_t>(call, around, positions); break;
        case 2: gather_words<std::uint16_t>(call, around, positions); break;
        default: gather_words<std::uint64_t>(call, around, positions); break;
        }
        return true;
    }
    const Result result(call, 0);
    launch("gather kernel", gather_kernel, elementwise_grid(count), elementwise_block, Operand(data), around,
           positions.data(), static_cast<std::int64_t>(positions.size()), result.values(), count);
    result.leave();
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
           sources.data(), starts.data(), totals.data(), indices, result.values(), count);
    result.leave();
    return true;
}

} // namespace

bool run_indexing(const ops::KernelCall &call) {
    if (call.inputs.size() != 2 || call.outputs.size() != 1 || call.inputs[1].dtype != DType::int64) return false;
    return call.operation.kind == ops::OpKind::gather ? run_gather(call) : run_gather_gradient(call);
}

} // namespace halfscope::kernels::device::operations
