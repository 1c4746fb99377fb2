#include "emulation/ops/kernels.h"

#include "emulation/ops/matmul/accumulate.h"

#include <vector>

namespace halfscope::ops {
namespace {

/// Shapes of one call: batches of [m, k] x [k, n].
struct Problem {
    std::int64_t m = 0, n = 0, k = 0, batches = 1;
    Shape batch; ///< leading axes of the result
};

Problem problem_of(const KernelCall &call) {
    if (call.inputs.size() < 2 || call.inputs.size() > 3 || call.outputs.size() != 1)
        call.reject("takes 2 or 3 operands and leaves 1 result");
    const auto &attributes = call.operation.get<Matmul>();
    const Shape &a = call.inputs[0].shape, &b = call.inputs[1].shape, &y = call.outputs[0].shape;
    if (a.rank() < 2 || b.rank() < 2) call.reject("operands need rank 2 or more, got " + a.text() + " and " + b.text());
    Problem p;
    p.m = a[a.rank() - (attributes.transpose_a ? 1 : 2)];
    p.k = a[a.rank() - (attributes.transpose_a ? 2 : 1)];
    p.n = b[b.rank() - (attributes.transpose_b ? 2 : 1)];
    const std::int64_t k_of_b = b[b.rank() - (attributes.transpose_b ? 1 : 2)];
    if (p.k != k_of_b) call.reject("inner sizes differ: " + a.text() + " and " + b.text());
    const int rank = std::max(a.rank(), b.rank());
    for (int axis = 0; axis < rank - 2; ++axis) {
        const int in_a = axis - (rank - a.rank()), in_b = axis - (rank - b.rank());
        const std::int64_t size_a = in_a < 0 ? 1 : a[in_a], size_b = in_b < 0 ? 1 : b[in_b];
        if (size_a != size_b && size_a != 1 && size_b != 1)
            call.reject("leading axes do not broadcast: " + a.text() + " and " + b.text());
        p.batch.append(size_a == 1 ? size_b : size_a);
    }
    p.batches = p.batch.elements();
    Shape expected = p.batch;
    expected.append(p.m);
    expected.append(p.n);
    if (expected.elements() != y.elements() || (y.rank() == expected.rank() && !(y == expected)))
        call.reject("the result must be " + expected.text() + ", got " + y.text());
    for (const TensorView &view : call.inputs)
        if (!is_floating(view.dtype)) call.reject("operands must be floating, got " + std::string(name_of(view.dtype)));
    return p;
}

/// Which matrix of an operand with these leading axes serves batch `index` of the result.
std::int64_t operand_batch(const Shape &batch, const Shape &operand, std::int64_t index) {
    std::int64_t at = 0, stride = 1;
    const int shift = batch.rank() - (operand.rank() - 2);
    for (int axis = batch.rank() - 1; axis >= shift; --axis) {
        const std::int64_t position = index % batch[axis];
        index /= batch[axis];
        const std::int64_t size = operand[axis - shift];
        if (size != 1) at += position * stride;
        stride *= size;
    }
    return at;
}

/// result += beta * bias, the bias broadcasting to the result's shape.
template <typename C> void add_bias(const KernelCall &call, const Problem &p, C beta, std::vector<C> &result) {
    std::vector<C> storage;
    const TensorView &view = call.inputs[2];
    const C *bias = load_all<C>(view, storage, call.threads);
    Shape shape = p.batch;
    shape.append(p.m);
    shape.append(p.n);
    if (view.shape.rank() > shape.rank()) call.reject("the bias does not broadcast to the result");
    std::vector<std::int64_t> strides(static_cast<std::size_t>(shape.rank()), 0);
    std::int64_t stride = 1;
    for (int axis = shape.rank() - 1, from = view.shape.rank() - 1; from >= 0; --axis, --from) {
        const std::int64_t size = view.shape[from];
        if (size != 1 && size != shape[axis])
            call.reject("the bias " + view.shape.text() + " does not broadcast to " + shape.text());
        strides[static_cast<std::size_t>(axis)] = size == 1 ? 0 : stride;
        stride *= size;
    }
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(result.size()); ++i) {
        std::int64_t at = 0, rest = i;
        for (int axis = shape.rank() - 1; axis >= 0; --axis) {
            at += rest % shape[axis] * strides[static_cast<std::size_t>(axis)];
            rest /= shape[axis];
        }
        result[static_cast<std::size_t>(i)] += beta == C(1) ? bias[at] : beta * bias[at];
    }
}

template <typename C> void run(const KernelCall &call) {
    const auto &attributes = call.operation.get<Matmul>();
    const Problem p = problem_of(call);
    require_available(call, attributes.accumulation);
    std::vector<C> storage_a, storage_b, result(static_cast<std::size_t>(p.batches * p.m * p.n));
    const C *a = load_all<C>(call.inputs[0], storage_a, call.threads);
    const C *b = load_all<C>(call.inputs[1], storage_b, call.threads);
    const std::int64_t a_row = attributes.transpose_a ? 1 : p.k, a_column = attributes.transpose_a ? p.m : 1;
    const std::int64_t b_row = attributes.transpose_b ? 1 : p.n, b_column = attributes.transpose_b ? p.k : 1;
    const C alpha = static_cast<C>(attributes.alpha);
    call.threads.run(p.batches * p.m, [&](std::int64_t task) {
        const std::int64_t batch = task / p.m, i = task % p.m;
        const C *row = a + operand_batch(p.batch, call.inputs[0].shape, batch) * p.m * p.k + i * a_row;
        const C *matrix = b + operand_batch(p.batch, call.inputs[1].shape, batch) * p.k * p.n;
        C *out = result.data() + task * p.n;
        for (std::int64_t k = 0; k < p.k; ++k)
            for (std::int64_t j = 0; j < p.n; ++j)
                out[j] =
                    accumulate(attributes.accumulation, row[k * a_column], matrix[k * b_row + j * b_column], out[j]);
        if (attributes.alpha != 1)
            for (std::int64_t j = 0; j < p.n; ++j) out[j] *= alpha;
    });
    if (call.inputs.size() == 3) add_bias(call, p, static_cast<C>(attributes.beta), result);
    store(call, 0, result.data());
}

} // namespace

void run_matmul(const KernelCall &call) {
    if (call.in_fp64())
        run<double>(call);
    else
        run<float>(call);
}

} // namespace halfscope::ops
