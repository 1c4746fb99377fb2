#include "emulation/ops/reduction/reduction_axes.h"
#include "emulation/ops/reduction/reductions.h"
#include "emulation/ops/reduction/tree.h"

#include <cstring>
#include <limits>

namespace halfscope::ops::reduction {
namespace {

/// Elements a task should see at least, so that threads are worth their start.
constexpr std::int64_t task_elements = 32768;
/// Columns reduced side by side: 32 lanes of them stay in the first-level cache.
constexpr std::int64_t column_block = 128;

/// What a reduction adds up: the element itself, or its square.
struct Itself {
    template <typename C> static C term(C x) { return x; }
};
struct Squared {
    template <typename C> static C term(C x) { return x * x; }
};

/// Elements [first, first + count) of the reduced ones whose first element lies at `base`, as C: a pointer into the
/// view or `scratch`.
template <typename C>
const C *gather_run(const TensorView &view, const AxisGroup &reduced, std::int64_t base, std::int64_t first,
                    std::int64_t count, C *scratch) {
    if (reduced.sizes.size() <= 1) return load<C>(view, base + first, count, scratch);
    const std::int64_t run = reduced.sizes.back();
    for (std::int64_t done = 0; done < count;) {
        const std::int64_t inside = (first + done) % run, length = std::min(run - inside, count - done);
        const C *loaded = load<C>(view, base + reduced.offset(first + done), length, scratch + done);
        if (loaded != scratch + done) std::copy_n(loaded, length, scratch + done);
        done += length;
    }
    return scratch;
}

/// Every result's elements lie in runs along the last axis: a task takes chunks of results one after the other.
template <typename Step, typename Term, typename C>
void reduce_runs(const KernelCall &call, const ReductionAxes &axes, std::int64_t results, std::int64_t n,
                 std::vector<C> &chunk_results) {
    const std::int64_t chunks = (n + tree_chunk - 1) / tree_chunk;
    const std::int64_t per_task = std::max<std::int64_t>(1, task_elements / std::min(n, tree_chunk));
    const std::int64_t total = results * chunks;
    call.threads.run((total + per_task - 1) / per_task, [&](std::int64_t task) {
        alignas(64) C scratch[tree_chunk];
        for (std::int64_t part = task * per_task; part < std::min(total, (task + 1) * per_task); ++part) {
            const std::int64_t first = part % chunks * tree_chunk, count = std::min(tree_chunk, n - first);
            const std::int64_t base = axes.kept.offset(part / chunks);
            const C *values = gather_run<C>(call.inputs[0], axes.reduced, base, first, count, scratch);
            chunk_results[static_cast<std::size_t>(part)] =
                tree_of_chunk<Step, C>(0, count, [values](std::int64_t i) { return Term::term(values[i]); });
        }
    });
}

/// The trees of `width` columns side by side, over rows [0, count). load_rows(r, n) gives the elements of rows
/// [r, r + n), which lie `width` apart; it is asked for at most 32 rows, and only whole lanes at a time.
template <typename Step, typename Term, typename C, typename LoadRows>
void reduce_block(std::int64_t count, std::int64_t width, std::int64_t rows_at_once, C *lanes, LoadRows load_rows) {
    // Lanes that no row reaches matter only to a maximum, whose lanes all start from the first element; a sum's or
    // product's would be left as they are.
    const std::int64_t used = Step::starts_from_first ? tree_lanes : std::min(tree_lanes, count);
    for (std::int64_t r = 0; r < count; r += rows_at_once) {
        const std::int64_t rows = std::min(rows_at_once, count - r);
        const C *values = load_rows(r, rows);
        if (r == 0)
            for (std::int64_t lane = 0; lane < used; ++lane)
                for (std::int64_t j = 0; j < width; ++j) lanes[lane * width + j] = Step::start(Term::term(values[j]));
        C *lane = lanes + r % tree_lanes * width;
        for (std::int64_t j = 0; j < rows * width; ++j) lane[j] = Step::combine(lane[j], Term::term(values[j]));
    }
    for (std::int64_t half = tree_lanes / 2; half > 0; half /= 2)
        for (std::int64_t i = 0; i < half && i + half < used; ++i)
            for (std::int64_t j = 0; j < width; ++j)
                lanes[i * width + j] = Step::combine(lanes[i * width + j], lanes[(i + half) * width + j]);
}

/// The last axis is kept: neighbouring results share cache lines, so a block of columns is reduced row by row.
template <typename Step, typename Term, typename C>
void reduce_columns(const KernelCall &call, const ReductionAxes &axes, std::int64_t results, std::int64_t n,
                    std::vector<C> &chunk_results) {
    const std::int64_t chunks = (n + tree_chunk - 1) / tree_chunk;
    const std::int64_t columns = axes.kept.sizes.back(), blocks = (columns + column_block - 1) / column_block;
    AxisGroup outer = axes.kept;
    outer.sizes.pop_back();
    outer.strides.pop_back();
    // Narrow rows that lie one after the other are read 32 at a time.
    const bool dense = axes.reduced.sizes.size() == 1 && axes.reduced.strides[0] == columns && blocks == 1;
    const std::int64_t rows_at_once = dense ? tree_lanes : 1;
    call.threads.run(results / columns * blocks * chunks, [&](std::int64_t task) {
        const std::int64_t chunk = task % chunks, block = task / chunks % blocks, plane = task / chunks / blocks;
        const std::int64_t column = block * column_block, width = std::min(column_block, columns - column);
        const std::int64_t base = outer.offset(plane) + column;
        const std::int64_t first = chunk * tree_chunk, count = std::min(tree_chunk, n - first);
        alignas(64) C lanes[tree_lanes * column_block];
        alignas(64) C scratch[tree_lanes * column_block];
        reduce_block<Step, Term>(count, width, rows_at_once, lanes, [&](std::int64_t r, std::int64_t rows) {
            return load<C>(call.inputs[0], base + axes.reduced.offset(first + r), rows * width, scratch);
        });
        for (std::int64_t j = 0; j < width; ++j)
            chunk_results[static_cast<std::size_t>((plane * columns + column + j) * chunks + chunk)] = lanes[j];
    });
}

template <typename Step, typename Term, typename C>
std::vector<C> reduce(const KernelCall &call, const ReductionAxes &axes) {
    const std::int64_t results = axes.kept.elements(), n = axes.reduced.elements();
    std::vector<C> values(static_cast<std::size_t>(results), Step::start(C(0)));
    if (results == 0 || n == 0) return values;
    const std::int64_t chunks = (n + tree_chunk - 1) / tree_chunk;
    std::vector<C> chunk_results(static_cast<std::size_t>(results * chunks));
    if (axes.reduced_innermost)
        reduce_runs<Step, Term>(call, axes, results, n, chunk_results);
    else
        reduce_columns<Step, Term>(call, axes, results, n, chunk_results);
    if (chunks == 1) return chunk_results;
    for (std::int64_t result = 0; result < results; ++result)
        values[static_cast<std::size_t>(result)] = tree_in_place<Step>(chunk_results.data() + result * chunks, chunks);
    return values;
}

} // namespace

template <typename C> void reduce_floating(const KernelCall &call) {
    const ReductionAxes axes(call);
    const std::int64_t n = axes.reduced.elements();
    std::vector<C> values;
    switch (call.operation.kind) {
    case OpKind::reduce_sum: values = reduce<Sum<C>, Itself, C>(call, axes); break;
    case OpKind::reduce_mean:
        values = reduce<Sum<C>, Itself, C>(call, axes);
        for (C &value : values) value /= static_cast<C>(n);
        break;
    case OpKind::reduce_sum_squares: values = reduce<Sum<C>, Squared, C>(call, axes); break;
    case OpKind::reduce_product: values = reduce<Product<C>, Itself, C>(call, axes); break;
    case OpKind::reduce_max:
    case OpKind::reduce_min:
        if (n == 0) call.reject("there is no element to choose from in shape " + call.inputs[0].shape.text());
        values = call.operation.kind == OpKind::reduce_max ? reduce<Maximum<C>, Itself, C>(call, axes)
                                                           : reduce<Minimum<C>, Itself, C>(call, axes);
        break;
    default: call.reject("this is not a reduction");
    }
    store<C>(call, 0, values.data());
}

template void reduce_floating<float>(const KernelCall &);
template void reduce_floating<double>(const KernelCall &);

} // namespace halfscope::ops::reduction
