// resize_nearest, one thread a result: of its gradient a thread takes an input pixel and goes through the results that
// read it, in row-major order, which is the order its contributions are added in.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"

namespace halfscope::kernels::device::operations {
namespace {

/// The axes of x (small, though it may be the larger) and y (large); neighbours that keep their size are merged.
struct Resizing {
    int rank = 0;
    std::int64_t small[ops::Shape::max_rank] = {}, large[ops::Shape::max_rank] = {};

    Resizing(const ops::Shape &x, const ops::Shape &y) {
        for (int axis = 0; axis < x.rank(); ++axis) {
            const bool extends = rank > 0 && x[axis] == y[axis] && small[rank - 1] == large[rank - 1];
            if (!extends) {
                small[rank] = large[rank] = 1;
                ++rank;
            }
            small[rank - 1] *= x[axis];
            large[rank - 1] *= y[axis];
        }
    }
    /// The element of x that element i of y reads.
    [[nodiscard]] __device__ std::int64_t source(std::int64_t i) const {
        std::int64_t at = 0, stride = 1;
        for (int axis = rank - 1; axis >= 0; --axis) {
            at += i % large[axis] * small[axis] / large[axis] * stride;
            i /= large[axis];
            stride *= small[axis];
        }
        return at;
    }
    /// The first position of y along an axis that reads position i of x, or a later one.
    [[nodiscard]] __device__ std::int64_t first_reader(int axis, std::int64_t i) const {
        return (i * large[axis] + small[axis] - 1) / small[axis];
    }
};

__global__ void resize_kernel(Resizing resizing, Operand x, Stored y, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) y.put(i, x.at(resizing.source(i)));
}

__global__ void resize_gradient_kernel(Resizing resizing, Operand dy, Stored dx, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        std::int64_t rest = i, first = 0, stride = 1, readers = 1;
        std::int64_t lengths[ops::Shape::max_rank];
        for (int axis = resizing.rank - 1; axis >= 0; --axis) {
            const std::int64_t at = rest % resizing.small[axis], begin = resizing.first_reader(axis, at);
            lengths[axis] = resizing.first_reader(axis, at + 1) - begin;
            readers *= lengths[axis];
            first += begin * stride;
            rest /= resizing.small[axis];
            stride *= resizing.large[axis];
        }
        float sum = 0;
        for (std::int64_t reader = 0; reader < readers; ++reader) {
            std::int64_t inside = reader, from = first, step = 1;
            for (int axis = resizing.rank - 1; axis >= 0; --axis) {
                from += inside % lengths[axis] * step;
                inside /= lengths[axis];
                step *= resizing.large[axis];
            }
            sum = __fadd_rn(sum, dy.at(from));
        }
        dx.put(i, sum);
    }
}

} // namespace

bool run_resize(const ops::KernelCall &call) {
    if (!fits(call) || call.inputs.size() != 1 || call.outputs.size() != 1) return false;
    const bool forward = call.operation.kind == ops::OpKind::resize_nearest;
    const ops::TensorView &in = call.inputs[0], &out = call.outputs[0];
    const std::int64_t count = out.shape.elements();
    if (in.shape.rank() != out.shape.rank() || out.shape.rank() == 0 || count == 0 || in.shape.elements() == 0)
        return false;
    const Resizing resizing = forward ? Resizing(in.shape, out.shape) : Resizing(out.shape, in.shape);
    const Result result(call, 0);
    launch(forward ? "resize kernel" : "resize gradient kernel", forward ? resize_kernel : resize_gradient_kernel,
           elementwise_grid(count), elementwise_block, resizing, Operand(in), result.stored(), count);
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
