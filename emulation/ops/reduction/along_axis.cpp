// argmax, top_k and cumulative_sum: along one axis.
#include "emulation/ops/reduction/reductions.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace halfscope::ops::reduction {
namespace {

/// A tensor as [before, length, after] around one axis.
struct AlongAxis {
    std::int64_t before = 1, length = 1, after = 1;

    AlongAxis(const KernelCall &call, int axis) {
        const Shape &shape = call.inputs[0].shape;
        if (axis < 0 || axis >= shape.rank())
            call.reject("axis " + std::to_string(axis) + " does not exist in shape " + shape.text());
        for (int a = 0; a < axis; ++a) before *= shape[a];
        length = shape[axis];
        for (int a = axis + 1; a < shape.rank(); ++a) after *= shape[a];
    }
};

template <typename T> std::vector<T> integers_of(const TensorView &view) {
    std::vector<T> values(static_cast<std::size_t>(view.shape.elements()));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = view.dtype == DType::boolean ? static_cast<T>(view.as<const std::uint8_t>()[i] != 0)
                                                 : static_cast<T>(view.as<const std::int64_t>()[i]);
    return values;
}

/// use(values) with the operand's elements in the type they are compared in: C, or int64.
template <typename Use> void with_values(const KernelCall &call, const Use &use) {
    const TensorView &x = call.inputs[0];
    const auto floating = [&]<typename C>(C) {
        std::vector<C> storage;
        use(load_all<C>(x, storage, call.threads));
    };
    if (!is_floating(x.dtype))
        use(integers_of<std::int64_t>(x).data());
    else
        call.in_fp64() ? floating(double{}) : floating(float{});
}

template <typename T> bool wins(T challenger, T best) {
    if constexpr (std::is_floating_point_v<T>)
        if (std::isnan(challenger)) return !std::isnan(best);
    return challenger > best;
}

template <typename T> void first_largest(const KernelCall &call, const AlongAxis &along, const T *values) {
    auto *out = call.outputs[0].as<std::int64_t>();
    call.threads.run(along.before, [&](std::int64_t b) {
        // Row by row, so that memory is read in order whatever the axis.
        const T *plane = values + b * along.length * along.after;
        std::int64_t *winners = out + b * along.after;
        std::fill_n(winners, along.after, std::int64_t{0});
        for (std::int64_t i = 1; i < along.length; ++i)
            for (std::int64_t a = 0; a < along.after; ++a)
                if (wins(plane[i * along.after + a], plane[winners[a] * along.after + a])) winners[a] = i;
    });
}

template <typename T> void largest_first(const KernelCall &call, const AlongAxis &along, const T *values) {
    auto *out = call.outputs[0].as<std::int64_t>();
    const std::int64_t kept = call.outputs[0].shape[call.operation.get<Axis>().axis];
    call.threads.run(along.before, [&](std::int64_t b) {
        std::vector<std::int64_t> order(static_cast<std::size_t>(along.length));
        for (std::int64_t a = 0; a < along.after; ++a) {
            const T *line = values + b * along.length * along.after + a;
            std::iota(order.begin(), order.end(), std::int64_t{0});
            std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](std::int64_t i, std::int64_t j) {
                const T x = line[i * along.after], y = line[j * along.after];
                return wins(x, y) || (!wins(y, x) && i < j);
            });
            for (std::int64_t i = 0; i < kept; ++i)
                out[(b * kept + i) * along.after + a] = order[static_cast<std::size_t>(i)];
        }
    });
}

template <typename C> void running_sums(const KernelCall &call, const AlongAxis &along) {
    std::vector<C> storage;
    const C *values = load_all<C>(call.inputs[0], storage, call.threads);
    std::vector<C> sums(static_cast<std::size_t>(call.outputs[0].shape.elements()));
    call.threads.run(along.before, [&](std::int64_t b) {
        const std::int64_t plane = b * along.length * along.after;
        for (std::int64_t i = 0; i < along.length; ++i)
            for (std::int64_t a = 0; a < along.after; ++a) {
                const std::int64_t at = plane + i * along.after + a;
                sums[static_cast<std::size_t>(at)] =
                    i == 0 ? values[at] : sums[static_cast<std::size_t>(at - along.after)] + values[at];
            }
    });
    store<C>(call, 0, sums.data());
}

void running_integer_sums(const KernelCall &call, const AlongAxis &along) {
    if (call.outputs[0].dtype != DType::int64) call.reject("running sums of integers are stored as int64");
    const auto values = integers_of<std::uint64_t>(call.inputs[0]); // unsigned: wraps around
    auto *out = call.outputs[0].as<std::int64_t>();
    for (std::size_t at = 0; at < values.size(); ++at) {
        const auto row = static_cast<std::int64_t>(at) / along.after % along.length;
        const std::uint64_t before =
            row == 0 ? 0 : static_cast<std::uint64_t>(out[at - static_cast<std::size_t>(along.after)]);
        out[at] = static_cast<std::int64_t>(before + values[at]);
    }
}

} // namespace

void argmax(const KernelCall &call) {
    const auto &axes = call.operation.attributes;
    int axis = 0;
    if (const auto *reduction = std::get_if<Reduction>(&axes)) {
        if (reduction->axes.size() != 1) call.reject("takes one axis");
        axis = reduction->axes[0];
    } else
        axis = call.operation.get<Axis>().axis;
    const AlongAxis along(call, axis);
    if (along.length == 0) call.reject("there is no element to choose from in shape " + call.inputs[0].shape.text());
    if (call.outputs[0].dtype != DType::int64 || call.outputs[0].shape.elements() != along.before * along.after)
        call.reject("the result of " + call.inputs[0].shape.text() + " is an int64 for every position beside the axis");
    with_values(call, [&](const auto *values) { first_largest(call, along, values); });
}

void top_k(const KernelCall &call) {
    const int axis = call.operation.get<Axis>().axis;
    const AlongAxis along(call, axis);
    Shape expected = call.inputs[0].shape;
    const Shape &out = call.outputs[0].shape;
    if (out.rank() == expected.rank() && out[axis] <= along.length) expected[axis] = out[axis];
    if (call.outputs[0].dtype != DType::int64 || !(out == expected))
        call.reject("the result of " + call.inputs[0].shape.text() + " is int64 and shorter along the axis only, not " +
                    out.text());
    with_values(call, [&](const auto *values) { largest_first(call, along, values); });
}

void cumulative_sum(const KernelCall &call) {
    const AlongAxis along(call, call.operation.get<Axis>().axis);
    if (!(call.inputs[0].shape == call.outputs[0].shape)) call.reject("keeps the shape of its operand");
    if (!is_floating(call.outputs[0].dtype))
        running_integer_sums(call, along);
    else
        call.in_fp64() ? running_sums<double>(call, along) : running_sums<float>(call, along);
}

} // namespace halfscope::ops::reduction
