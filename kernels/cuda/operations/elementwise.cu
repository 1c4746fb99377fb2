// Elementwise operations, one thread an element: the definitions of emulation/ops/elementwise over the device's steps.
#include "emulation/ops/elementwise/constants.h"
#include "emulation/ops/operation.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/ptx.cuh"
#include "kernels/cuda/transcendental.cuh"

#include <limits>

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
    bool flat = false;   ///< one axis or none, no stride but 0 and 1, and whole pairs of elements can be moved
    bool narrow = false; ///< indices fit 32 bits
    std::int64_t sizes[ops::Shape::max_rank] = {};
    std::int64_t strides[most_operands][ops::Shape::max_rank] = {};
    Operand values[most_operands];
    float alpha = 0, beta = 0;

    /// Operands at element i of the result.
    __device__ void read(std::int64_t i, float (&out)[most_operands]) const {
        std::int64_t at[most_operands] = {};
        for (int axis = rank - 1; axis >= 0; --axis) {
            std::int64_t index = i;
            if (axis > 0 && narrow) { // a division of 64 bits takes the device several times as long
                const auto whole = static_cast<std::uint32_t>(i), size = static_cast<std::uint32_t>(sizes[axis]);
                index = whole % size;
                i = whole / size;
            } else if (axis > 0) {
                index = i % sizes[axis];
                i /= sizes[axis];
            }
            HALFSCOPE_UNROLL
            for (int k = 0; k < most_operands; ++k) at[k] += index * strides[k][axis];
        }
        HALFSCOPE_UNROLL
        for (int k = 0; k < most_operands; ++k)
            if (k < operands) out[k] = values[k].at(at[k]);
    }
    /// Operands at elements i and i + 1 of a flat one; i is even.
    __device__ void read_pair(std::int64_t i, float (&first)[most_operands], float (&second)[most_operands]) const {
        HALFSCOPE_UNROLL
        for (int k = 0; k < most_operands; ++k) {
            if (k >= operands) continue;
            if (strides[k][0] == 1)
                values[k].pair_at(i, first[k], second[k]);
            else
                first[k] = second[k] = values[k].at(0);
        }
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

template <class Apply> __global__ void elementwise_kernel(Broadcast operands, Stored out, std::int64_t count) {
    for (std::int64_t i = 2 * thread_index(); i < count; i += 2 * thread_count()) {
        float first[most_operands] = {}, second[most_operands] = {};
        const bool two = i + 1 < count, pair = two && operands.flat;
        if (pair)
            operands.read_pair(i, first, second);
        else {
            operands.read(i, first);
            if (two) operands.read(i + 1, second);
        }
        float y_first = 0, y_second = 0;
        HALFSCOPE_NO_UNROLL // one copy of a long function
            for (int v = 0; v < 2; ++v) {
            float x[most_operands];
            HALFSCOPE_UNROLL
            for (int k = 0; k < most_operands; ++k) x[k] = v == 0 ? first[k] : second[k];
            const float y = Apply::apply(x, operands.alpha, operands.beta);
            (v == 0 ? y_first : y_second) = y;
        }
        if (pair)
            out.put_pair(i, y_first, y_second);
        else {
            out.put(i, y_first);
            if (two) out.put(i + 1, y_second);
        }
    }
}

template <class Apply> void launch_elementwise(const Broadcast &operands, Stored out, std::int64_t count) {
    launch("elementwise kernel", elementwise_kernel<Apply>, elementwise_grid((count + 1) / 2), elementwise_block,
           operands, out, count);
}

/// kernel_choice.inl's table, of launches.
struct Kernels {
    using Kernel = void (*)(const Broadcast &operands, Stored out, std::int64_t count);
    template <class F> struct Unary {
        static void run(const Broadcast &b, Stored out, std::int64_t n) { launch_elementwise<OfOne<F>>(b, out, n); }
    };
    template <class F> struct Binary {
        static void run(const Broadcast &b, Stored out, std::int64_t n) { launch_elementwise<OfTwo<F>>(b, out, n); }
    };
    template <class F> struct Ternary {
        static void run(const Broadcast &b, Stored out, std::int64_t n) { launch_elementwise<OfThree<F>>(b, out, n); }
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
    const Stored out = result.stored();
    operands.narrow = count <= std::numeric_limits<std::int32_t>::max();
    operands.flat = operands.rank <= 1 && begins_pairs(out.data);
    for (int k = 0; k < operands.operands && operands.flat; ++k)
        operands.flat = operands.strides[k][0] <= 1 && begins_pairs(operands.values[k].data);
    kernel(operands, out, count);
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
