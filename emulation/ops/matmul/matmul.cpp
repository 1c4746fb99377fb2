#include "emulation/ops/kernels.h"

#include "emulation/ops/matmul/accumulate.h"
#include "emulation/ops/matmul/gemm.h"
#include "emulation/ops/scratch.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace halfscope::ops {
namespace {

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return b == 0 ? 0 : (a + b - 1) / b; }

/// Shapes of one call: batches of [m, k] x [k, n].
struct Problem {
    std::int64_t m = 0, n = 0, k = 0, batches = 1;
    Shape batch;         ///< leading axes of the result
    bool folded = false; ///< all batches were made rows of one product
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

/// The bias as it broadcasts to the result: element j of result row r is at(r)[j * column].
template <typename C> struct Bias {
    const C *values = nullptr;
    std::int64_t column = 0;
    Shape rows; ///< the result's shape without its last axis
    std::array<std::int64_t, Shape::max_rank> strides{};

    Bias(const KernelCall &call, const Problem &p, std::vector<C> &storage) {
        const TensorView &view = call.inputs[2];
        values = load_all<C>(view, storage, call.threads);
        Shape shape = p.batch;
        shape.append(p.folded ? p.m / p.batch.elements() : p.m);
        rows = shape;
        shape.append(p.n);
        const int shift = shape.rank() - view.shape.rank();
        std::int64_t stride = 1;
        for (int axis = shape.rank() - 1; axis >= std::max(0, shift); --axis) {
            const std::int64_t size = view.shape[axis - shift];
            if (shift < 0 || (size != 1 && size != shape[axis]))
                call.reject("the bias " + view.shape.text() + " does not broadcast to " + shape.text());
            const std::int64_t step = size == 1 ? 0 : stride;
            if (axis == shape.rank() - 1)
                column = step;
            else
                strides[static_cast<std::size_t>(axis)] = step;
            stride *= size;
        }
    }
    [[nodiscard]] const C *at(std::int64_t row) const {
        const C *from = values;
        for (int axis = rows.rank() - 1; axis >= 0; --axis) {
            from += row % rows[axis] * strides[static_cast<std::size_t>(axis)];
            row /= rows[axis];
        }
        return from;
    }
};

/// Chains that start from the third operand: it is checked and written where their results will be.
template <typename C> void start_from_third(const KernelCall &call, const Problem &p, C *result) {
    const auto &attributes = call.operation.get<Matmul>();
    if (call.inputs.size() != 3) call.reject("starts from a third operand, but there are only two");
    if (attributes.alpha != 1 || attributes.beta != 1)
        call.reject("starts from the third operand, so alpha and beta must be 1");
    const DType dtype = call.inputs[2].dtype;
    if (const DType wanted = accumulator_of(attributes.accumulation); wanted != DType::fp32 && dtype != wanted)
        call.reject("accumulation '" + std::string(name_of(attributes.accumulation)) + "' keeps its accumulator in " +
                    std::string(name_of(wanted)) + ", got a third operand in " + std::string(name_of(dtype)));
    std::vector<C> storage;
    const Bias<C> start(call, p, storage);
    for (std::int64_t row = 0; row < p.batches * p.m; ++row) {
        const C *from = start.at(row);
        for (std::int64_t j = 0; j < p.n; ++j) result[row * p.n + j] = from[j * start.column];
    }
}

/// What follows the chains: * alpha, then + beta * bias, each rounded to C.
template <typename C> void finish(const KernelCall &call, const Problem &p, C *result) {
    const auto &attributes = call.operation.get<Matmul>();
    const bool biased = call.inputs.size() == 3 && !attributes.onto_third;
    const C alpha = static_cast<C>(attributes.alpha), beta = static_cast<C>(attributes.beta);
    if (alpha == C(1) && !biased) return;
    std::vector<C> storage;
    const std::optional<Bias<C>> bias = biased ? std::optional<Bias<C>>(std::in_place, call, p, storage) : std::nullopt;
    constexpr std::int64_t elements_each = std::int64_t{1} << 15;
    const std::int64_t rows = p.batches * p.m,
                       each = std::max<std::int64_t>(1, elements_each / std::max<std::int64_t>(1, p.n));
    call.threads.run(ceil_divide(rows, each), [&](std::int64_t task) {
        for (std::int64_t row = task * each; row < std::min(rows, (task + 1) * each); ++row) {
            C *out = result + row * p.n;
            if (alpha != C(1))
                for (std::int64_t j = 0; j < p.n; ++j) out[j] *= alpha;
            if (!bias) continue;
            const C *addend = bias->at(row);
            if (beta == C(1) && bias->column == 1)
                for (std::int64_t j = 0; j < p.n; ++j) out[j] += addend[j];
            else
                for (std::int64_t j = 0; j < p.n; ++j) out[j] += beta * addend[j * bias->column];
        }
    });
}

/// The stored matrix of a batch's operand, as [rows, columns] after the transposition asked for.
StoredMatrix operand(const TensorView &view, bool transposed, std::int64_t rows, std::int64_t columns,
                     std::int64_t index) {
    const std::size_t bytes = static_cast<std::size_t>(index * rows * columns) * size_of(view.dtype);
    const void *data = view.as<const std::byte>() + bytes;
    if (transposed) return {data, view.dtype, 1, rows};
    return {data, view.dtype, columns, 1};
}

/// Batches of a that share one right operand are one taller matrix.
void fold_batches(const KernelCall &call, Problem &p) {
    if (p.batches == 1 || call.operation.get<Matmul>().transpose_a) return;
    const Shape &a = call.inputs[0].shape, &b = call.inputs[1].shape;
    std::int64_t in_a = 1, in_b = 1;
    for (int axis = 0; axis < a.rank() - 2; ++axis) in_a *= a[axis];
    for (int axis = 0; axis < b.rank() - 2; ++axis) in_b *= b[axis];
    if (in_b != 1 || in_a != p.batches) return;
    p.m *= p.batches;
    p.batches = 1;
    p.folded = true;
}

/// Work of one task, in multiply-adds: well above the cost of handing it out.
constexpr std::int64_t task_work = std::int64_t{1} << 18;

template <typename C> void multiply_batches(const KernelCall &call, const Problem &p, C *result) {
    const auto &attributes = call.operation.get<Matmul>();
    const TensorView &a = call.inputs[0], &b = call.inputs[1];
    const auto matrix_a = [&](std::int64_t batch) {
        const std::int64_t at = p.folded ? 0 : operand_batch(p.batch, a.shape, batch);
        return operand(a, attributes.transpose_a, p.m, p.k, at);
    };
    const auto matrix_b = [&](std::int64_t batch) {
        const std::int64_t at = p.folded ? 0 : operand_batch(p.batch, b.shape, batch);
        return operand(b, attributes.transpose_b, p.k, p.n, at);
    };
    const std::int64_t panels = panels_of<C>(p.n), packed_size = packed_elements<C>(p.k, p.n);
    if (p.batches >= 4 * call.threads.threads()) { // a batch is a task's own: it packs what it needs
        const std::int64_t work = std::max<std::int64_t>(1, p.m * p.n * p.k);
        const std::int64_t each = std::max<std::int64_t>(1, task_work / work);
        call.threads.run((p.batches + each - 1) / each, [&](std::int64_t task) {
            C *packed = scratch<C>(Scratch::columns, static_cast<std::size_t>(packed_size));
            for (std::int64_t batch = task * each; batch < std::min(p.batches, (task + 1) * each); ++batch) {
                pack_columns<C>(matrix_b(batch), p.k, p.n, 0, panels, packed);
                multiply_packed<C>(attributes.accumulation, matrix_a(batch), p.m, p.k, packed, p.n, 0, panels,
                                   result + batch * p.m * p.n, p.n, attributes.onto_third);
            }
        });
        return;
    }
    C *packed = scratch<C>(Scratch::columns, static_cast<std::size_t>(packed_size));
    // Tall blocks reuse a panel of b most; a few blocks a thread share the work evenly. A multiple of 12 rows cuts no
    // register tile of any SIMD level.
    constexpr std::int64_t tallest = 192, narrowest = 8;
    const std::int64_t wanted = 4 * call.threads.threads();
    const std::int64_t row_blocks = ceil_divide(p.m, tallest),
                       row_block = ceil_divide(ceil_divide(p.m, row_blocks), 12) * 12;
    const std::int64_t panel_blocks = std::clamp<std::int64_t>(
        ceil_divide(wanted, std::max<std::int64_t>(1, row_blocks)), 1, std::max<std::int64_t>(1, panels / narrowest));
    const std::int64_t panel_block = ceil_divide(panels, panel_blocks);
    const std::int64_t panels_each = std::max<std::int64_t>(1, task_work / 8 / std::max<std::int64_t>(1, p.k * 16));
    for (std::int64_t batch = 0; batch < p.batches; ++batch) {
        const StoredMatrix left = matrix_a(batch), right = matrix_b(batch);
        C *out = result + batch * p.m * p.n;
        call.threads.run((panels + panels_each - 1) / panels_each, [&](std::int64_t task) {
            const std::int64_t first = task * panels_each;
            pack_columns<C>(right, p.k, p.n, first, std::min(panels, first + panels_each), packed);
        });
        call.threads.run(row_blocks * panel_blocks, [&](std::int64_t task) {
            const std::int64_t row = task / panel_blocks * row_block, panel = task % panel_blocks * panel_block;
            if (row >= p.m || panel >= panels) return;
            multiply_packed<C>(attributes.accumulation, left.from(row, 0), std::min(row_block, p.m - row), p.k, packed,
                               p.n, panel, std::min(panels, panel + panel_block), out + row * p.n, p.n,
                               attributes.onto_third);
        });
    }
}

template <typename C> void run(const KernelCall &call) {
    const auto &attributes = call.operation.get<Matmul>();
    Problem p = problem_of(call);
    require_available<C>(call, attributes.accumulation);
    fold_batches(call, p);
    const TensorView &y = call.outputs[0];
    const std::int64_t total = p.batches * p.m * p.n;
    C *result = y.dtype == (std::is_same_v<C, double> ? DType::fp64 : DType::fp32)
                    ? y.as<C>()
                    : scratch<C>(Scratch::result, static_cast<std::size_t>(total));
    if (call.operation.get<Matmul>().onto_third) start_from_third(call, p, result);
    multiply_batches(call, p, result);
    finish(call, p, result);
    store(call, 0, result);
}

} // namespace

void run_matmul(const KernelCall &call) {
    if (call.in_fp64())
        run<double>(call);
    else
        run<float>(call);
}

} // namespace halfscope::ops
