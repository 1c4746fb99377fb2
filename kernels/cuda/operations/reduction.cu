// Reductions in the fixed tree of operation.h over any axes: a warp a chunk of one result's values, or where
// neighbouring results lie side by side, a warp 32 of them.
#include "emulation/ops/reduction/reduction_axes.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/axes.cuh"
#include "kernels/cuda/operations/column_tree.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"

#include <algorithm>

namespace halfscope::kernels::device::operations {
namespace {

using ops::OpKind;

Axes axes_of(const ops::reduction::AxisGroup &group) {
    Axes axes;
    axes.rank = static_cast<int>(group.sizes.size());
    std::copy(group.sizes.begin(), group.sizes.end(), axes.sizes);
    std::copy(group.strides.begin(), group.strides.end(), axes.strides);
    return axes;
}

/// Value i of what is reduced to one result.
template <bool squared> struct Reduced {
    Operand x;
    Axes kept, reduced;
    [[nodiscard]] __device__ float operator()(std::int64_t result, std::int64_t i) const {
        const float value = x.at(kept.offset(result) + reduced.offset(i));
        return squared ? __fmul_rn(value, value) : value;
    }
};

__global__ void divide_kernel(float *sums, float n, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) sums[i] = __fdiv_rn(sums[i], n);
}

} // namespace

bool run_reduction(const ops::KernelCall &call) {
    const OpKind kind = call.operation.kind;
    if (!fits(call) || call.inputs.size() != 1 || call.outputs.size() != 1) return false;
    const ops::reduction::ReductionAxes axes(call);
    const std::int64_t results = axes.kept.elements(), n = axes.reduced.elements();
    if (n == 0 && kind != OpKind::reduce_sum) return false;
    if (results == 0) return true;
    const Result result(call, 0);
    const Axes kept = axes_of(axes.kept), reduced = axes_of(axes.reduced);
    const auto trees = [&]<typename Step>(const auto &load, Step) {
        if (axes.reduced_innermost)
            chunked_trees<Step>("reduction kernel", load, results, n, result.values());
        else
            column_trees<Step>("reduction kernel of columns", load, results, n, result.values());
    };
    const Operand x(call.inputs[0]);
    if (n == 0)
        Stored{result.values(), ops::DType::fp32}.clear(results);
    else if (kind == OpKind::reduce_max)
        trees(Reduced<false>{x, kept, reduced}, MaximumStep{});
    else if (kind == OpKind::reduce_min)
        trees(Reduced<false>{x, kept, reduced}, MinimumStep{});
    else if (kind == OpKind::reduce_product)
        trees(Reduced<false>{x, kept, reduced}, ProductStep{});
    else if (kind == OpKind::reduce_sum_squares)
        trees(Reduced<true>{x, kept, reduced}, SumStep{});
    else
        trees(Reduced<false>{x, kept, reduced}, SumStep{});
    if (kind == OpKind::reduce_mean)
        launch("mean kernel", divide_kernel, elementwise_grid(results), elementwise_block, result.values(),
               static_cast<float>(n), results);
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
