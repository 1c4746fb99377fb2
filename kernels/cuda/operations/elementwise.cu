// Elementwise operations, one thread an element: the definitions of emulation/ops/elementwise over the device's steps.
#include "emulation/ops/elementwise/constants.h"
#include "emulation/ops/operation.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/transcendental.cuh"

namespace halfscope::kernels::device::operations {
namespace {

using ops::OpKind;
using ops::elementwise::infinity;
using ops::elementwise::not_a_number;
using ops::elementwise::reciprocal_square_root_of_2_pi;
using ops::elementwise::square_root_of_2_over_pi;
using ops::elementwise::square_root_of_half;
using namespace device::functions;

template <class R> __device__ R constant(double value) { return static_cast<R>(value); }

#define HALFSCOPE_INLINE __device__ inline
#include "emulation/ops/elementwise/definition.inl"
#undef HALFSCOPE_INLINE

constexpr int most_operands = 3;

/// The result's axes, merged where all operands allow, and each operand's stride along them: 0 where it is broadcast.
struct Broadcast {
    int rank = 0, operands = 0;
    std::int64_t sizes[ops::Shape::max_rank] = {};
    std::int64_t strides[most_operands][ops::Shape::max_rank] = {};
    Operand values[most_operands];
    float alpha = 0, beta = 0;

    /// Operands at element i of the result.
    __device__ void read(std::int64_t i, float (&out)[most_operands]) const {
        std::int64_t at[most_operands] = {};
        for (int axis = rank - 1; axis >= 0; --axis) {
            const std::int64_t index = axis == 0 ? i : i % sizes[axis];
            i /= sizes[axis];
            for (int k = 0; k < operands; ++k) at[k] += index * strides[k][axis];
        }
        for (int k = 0; k < operands; ++k) out[k] = values[k].at(at[k]);
    }
};

template <class F> struct OfOne {
    static __device__ float apply(const float *x, float alpha, float beta) { return F{}(x[0], alpha, beta); }
};
template <class F> struct OfTwo {
    static __device__ float apply(const float *x, float alpha, float beta) { return F{}(x[0], x[1], alpha, beta); }
};
template <class F> struct OfThree {
    static __device__ float apply(const float *x, float alpha, float beta) {
        return F{}(x[0], x[1], x[2], alpha, beta);
    }
};

template <class Apply> __global__ void elementwise_kernel(Broadcast operands, float *out, std::int64_t count) {
    for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i < count;
         i += std::int64_t{gridDim.x} * blockDim.x) {
        float x[most_operands] = {};
        operands.read(i, x);
        out[i] = Apply::apply(x, operands.alpha, operands.beta);
    }
}

template <class Apply> void launch_elementwise(const Broadcast &operands, float *out, std::int64_t count) {
    launch("elementwise kernel", elementwise_kernel<Apply>, elementwise_grid(count), elementwise_block, operands, out,
           count);
}

/// kernel_choice.inl's table, of launches.
struct Kernels {
    using Kernel = void (*)(const Broadcast &operands, float *out, std::int64_t count);
    template <class F> struct Unary {
        static void run(const Broadcast &b, float *out, std::int64_t n) { launch_elementwise<OfOne<F>>(b, out, n); }
    };
    template <class F> struct Binary {
        static void run(const Broadcast &b, float *out, std::int64_t n) { launch_elementwise<OfTwo<F>>(b, out, n); }
    };
    template <class F> struct Ternary {
        static void run(const Broadcast &b, float *out, std::int64_t n) { launch_elementwise<OfThree<F>>(b, out, n); }
    };
#define HALFSCOPE_KERNEL_MEMBER static
#include "emulation/ops/elementwise/kernel_choice.inl"
#undef HALFSCOPE_KERNEL_MEMBER
};

/// False when an operand does not broadcast to the result: the host then says so.
bool broadcast(const ops::KernelCall &call, Broadcast &b) {
    const ops::Shape &shape = call.outputs[0].shape;
    b.operands = static_cast<int>(call.inputs.size());
    std::int64_t reached[most_operands] = {1, 1, 1}; // elements below the axis
    std::int64_t strides[most_operands][ops::Shape::max_rank] = {};
    for (int axis = shape.rank() - 1; axis >= 0; --axis)
        for (int k = 0; k < b.operands; ++k) {
            const ops::Shape &own = call.inputs[static_cast<std::size_t>(k)].shape;
            const int own_axis = axis - (shape.rank() - own.rank());
            if (own.rank() > shape.rank()) return false;
            const std::int64_t size = own_axis < 0 ? 1 : own[own_axis];
            if (size != 1 && size != shape[axis]) return false;
            strides[k][axis] = size == 1 ? 0 : reached[k];
            reached[k] *= size;
        }
    // Innermost first, so that an axis joins the one below where all strides go on.
    std::int64_t sizes[ops::Shape::max_rank], kept[most_operands][ops::Shape::max_rank];
    int rank = 0;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        if (shape[axis] == 1) continue;
        bool joins = rank > 0;
        for (int k = 0; k < b.operands && joins; ++k) joins = strides[k][axis] == kept[k][rank - 1] * sizes[rank - 1];
        if (joins) {
            sizes[rank - 1] *= shape[axis];
            continue;
        }
        sizes[rank] = shape[axis];
        for (int k = 0; k < b.operands; ++k) kept[k][rank] = strides[k][axis];
        ++rank;
    }
    b.rank = rank;
    for (int axis = 0; axis < rank; ++axis) {
        b.sizes[axis] = sizes[rank - 1 - axis];
        for (int k = 0; k < b.operands; ++k) b.strides[k][axis] = kept[k][rank - 1 - axis];
    }
    for (int k = 0; k < b.operands; ++k) b.values[k] = Operand(call.inputs[static_cast<std::size_t>(k)]);
    return true;
}

} // namespace

bool run_elementwise(const ops::KernelCall &call) {
    const auto *scalars = std::get_if<ops::Scalars>(&call.operation.attributes);
    const double alpha = scalars != nullptr ? scalars->alpha : 0;
    const Kernels::Kernel kernel = Kernels::choose_kernel(call.operation.kind, alpha);
    if (kernel == nullptr || call.outputs.size() != 1 || call.inputs.empty() || call.inputs.size() > most_operands ||
        !fits(call))
        return false;
    Broadcast operands;
    if (!broadcast(call, operands)) return false;
    operands.alpha = static_cast<float>(alpha);
    operands.beta = static_cast<float>(scalars != nullptr ? scalars->beta : 0);
    const std::int64_t count = call.outputs[0].shape.elements();
    if (count == 0) return true;
    const Result result(call, 0);
    kernel(operands, result.values(), count);
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
