// cumulative_sum, argmax and top_k along one axis. A running sum has one order, so that a thread takes a line of it;
// the largest of a line is found by a warp; of the k largest, a thread counts how many stand before its element.
#include "emulation/ops/indexing/index_axis.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/tree.cuh"

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;
using ops::indexing::AroundAxis;

constexpr std::int64_t warp_lanes = ops::reduction::tree_lanes;

AroundAxis around_axis(const ops::Shape &shape, int axis) {
    AroundAxis around{1, shape[axis], 1};
    for (int i = 0; i < shape.rank(); ++i)
        if (i != axis) (i < axis ? around.outer : around.inner) *= shape[i];
    return around;
}

/// The first element of a line; the others lie `inner` apart.
__device__ std::int64_t first_of_line(const AroundAxis &around, std::int64_t line) {
    return line / around.inner * around.size * around.inner + line % around.inner;
}

struct Integers {
    const void *data;
    DType dtype;
    [[nodiscard]] __device__ std::int64_t at(std::int64_t i) const {
        return dtype == DType::boolean ? static_cast<const std::uint8_t *>(data)[i] != 0
                                       : static_cast<const std::int64_t *>(data)[i];
    }
};

__global__ void running_sums_kernel(Operand x, AroundAxis around, Stored y, std::int64_t lines) {
    for (std::int64_t line = thread_index(); line < lines; line += thread_count()) {
        const std::int64_t first = first_of_line(around, line);
        float sum = x.at(first); // -0 stays what it is
        y.put(first, sum);
        for (std::int64_t i = 1; i < around.size; ++i) {
            sum = __fadd_rn(sum, x.at(first + i * around.inner));
            y.put(first + i * around.inner, sum);
        }
    }
}

__global__ void running_integer_sums_kernel(Integers x, AroundAxis around, std::int64_t *y, std::int64_t lines) {
    for (std::int64_t line = thread_index(); line < lines; line += thread_count()) {
        const std::int64_t first = first_of_line(around, line);
        std::uint64_t sum = 0; // wraps around
        for (std::int64_t i = 0; i < around.size; ++i) {
            sum += static_cast<std::uint64_t>(x.at(first + i * around.inner));
            y[first + i * around.inner] = static_cast<std::int64_t>(sum);
        }
    }
}

/// NaN is larger than any number.
__device__ bool larger(float a, float b) { return isnan(a) ? !isnan(b) : a > b; }
__device__ bool larger(std::int64_t a, std::int64_t b) { return a > b; }

template <typename Values>
__global__ void argmax_kernel(Values x, AroundAxis around, std::int64_t *winners, std::int64_t lines) {
    const std::int64_t line = thread_index() / warp_lanes, lane = thread_index() % warp_lanes;
    if (line >= lines) return;
    const std::int64_t first = first_of_line(around, line);
    const auto value = [&](std::int64_t i) { return x.at(first + i * around.inner); };
    std::int64_t winner = lane < around.size ? lane : 0;
    for (std::int64_t i = winner + warp_lanes; i < around.size; i += warp_lanes)
        if (larger(value(i), value(winner))) winner = i;
    for (int half = warp_lanes / 2; half > 0; half /= 2) {
        const std::int64_t other = __shfl_xor_sync(whole_warp, winner, half);
        const auto mine = value(winner), theirs = value(other);
        if (larger(theirs, mine) || (!larger(mine, theirs) && other < winner)) winner = other;
    }
    if (lane == 0) winners[line] = winner;
}

/// Lines to sort are short (the experts of a layer); beyond this, counting costs more than the way to the host.
constexpr std::int64_t longest_counted = 4096;

template <typename Values>
__global__ void top_k_kernel(Values x, AroundAxis around, std::int64_t kept, std::int64_t *winners,
                             std::int64_t elements) {
    for (std::int64_t element = thread_index(); element < elements; element += thread_count()) {
        const std::int64_t outer = element / (around.size * around.inner), inner = element % around.inner;
        const std::int64_t first = outer * around.size * around.inner + inner,
                           place = element / around.inner % around.size;
        const auto mine = x.at(element);
        std::int64_t before = 0;
        for (std::int64_t other = 0; other < around.size; ++other) {
            const auto theirs = x.at(first + other * around.inner);
            if (larger(theirs, mine) || (!larger(mine, theirs) && other < place)) ++before;
        }
        if (before < kept) winners[(outer * kept + before) * around.inner + inner] = place;
    }
}

template <typename Values>
void find_largest(const ops::KernelCall &call, const Values &values, const AroundAxis &around) {
    const std::int64_t lines = around.outer * around.inner;
    const std::int64_t blocks = (lines * warp_lanes + elementwise_block - 1) / elementwise_block;
    launch("argmax kernel", argmax_kernel<Values>, static_cast<unsigned>(blocks), elementwise_block, values, around,
           call.outputs[0].as<std::int64_t>(), lines);
}

bool run_argmax(const ops::KernelCall &call) {
    const ops::TensorView &in = call.inputs[0], &out = call.outputs[0];
    int axis = 0;
    if (const auto *reduction = std::get_if<ops::Reduction>(&call.operation.attributes)) {
        if (reduction->axes.size() != 1) return false;
        axis = reduction->axes[0];
    } else
        axis = call.operation.get<ops::Axis>().axis;
    if (in.dtype == DType::fp64 || out.dtype != DType::int64 || axis < 0 || axis >= in.shape.rank()) return false;
    const AroundAxis around = around_axis(in.shape, axis);
    if (out.shape.elements() != around.outer * around.inner || in.shape.elements() == 0) return false;
    if (ops::is_floating(in.dtype))
        find_largest(call, Operand(in), around);
    else
        find_largest(call, Integers{in.data, in.dtype}, around);
    return true;
}

bool run_top_k(const ops::KernelCall &call) {
    const ops::TensorView &in = call.inputs[0], &out = call.outputs[0];
    const int axis = call.operation.get<ops::Axis>().axis;
    if (in.dtype == DType::fp64 || out.dtype != DType::int64 || axis < 0 || axis >= in.shape.rank()) return false;
    ops::Shape expected = in.shape;
    if (out.shape.rank() == in.shape.rank() && out.shape[axis] <= in.shape[axis]) expected[axis] = out.shape[axis];
    const std::int64_t elements = in.shape.elements();
    if (!(out.shape == expected) || out.shape.elements() == 0 || in.shape[axis] > longest_counted) return false;
    const auto count = [&](const auto &values) {
        launch("top k kernel", top_k_kernel<std::decay_t<decltype(values)>>, elementwise_grid(elements),
               elementwise_block, values, around_axis(in.shape, axis), out.shape[axis], out.as<std::int64_t>(),
               elements);
    };
    if (ops::is_floating(in.dtype))
        count(Operand(in));
    else
        count(Integers{in.data, in.dtype});
    return true;
}

bool run_cumulative_sum(const ops::KernelCall &call) {
    const ops::TensorView &in = call.inputs[0], &out = call.outputs[0];
    const int axis = call.operation.get<ops::Axis>().axis;
    if (!(in.shape == out.shape) || in.shape.elements() == 0 || axis < 0 || axis >= in.shape.rank()) return false;
    const AroundAxis around = around_axis(in.shape, axis);
    const std::int64_t lines = around.outer * around.inner;
    if (!ops::is_floating(out.dtype)) {
        if (out.dtype != DType::int64 || ops::is_floating(in.dtype)) return false;
        launch("running sums kernel", running_integer_sums_kernel, elementwise_grid(lines), elementwise_block,
               Integers{in.data, in.dtype}, around, out.as<std::int64_t>(), lines);
        return true;
    }
    if (!fits(call)) return false;
    const Result result(call, 0);
    launch("running sums kernel", running_sums_kernel, elementwise_grid(lines), elementwise_block, Operand(in), around,
           result.stored(), lines);
    result.leave();
    return true;
}

} // namespace

bool run_along_axis(const ops::KernelCall &call) {
    if (call.inputs.size() != 1 || call.outputs.size() != 1) return false;
    switch (call.operation.kind) {
    case ops::OpKind::argmax: return run_argmax(call);
    case ops::OpKind::top_k: return run_top_k(call);
    default: return run_cumulative_sum(call);
    }
}

} // namespace halfscope::kernels::device::operations
