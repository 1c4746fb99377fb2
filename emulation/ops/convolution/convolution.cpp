#include "emulation/ops/convolution/geometry.h"
#include "emulation/ops/convolution/indirect_product.h"
#include "emulation/ops/convolution/padded_planes.h"
#include "emulation/ops/convolution/volumetric.h"
#include "emulation/ops/convolution/weight_gradient.h"
#include "emulation/ops/kernels.h"
#include "emulation/ops/matmul/accumulate.h"
#include "emulation/ops/scratch.h"

#include <limits>
#include <vector>

namespace halfscope::ops {
namespace {

template <typename C> constexpr DType dtype_of = std::is_same_v<C, double> ? DType::fp64 : DType::fp32;

/// Where a result is computed: in its own memory when it is stored as C.
template <typename C> C *result_memory(const TensorView &y) {
    return y.dtype == dtype_of<C> ? y.as<C>()
                                  : scratch<C>(Scratch::result, static_cast<std::size_t>(y.shape.elements()));
}

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The work of a window product, cut into tasks: some samples, some groups, some rows of the grid.
struct TaskCut {
    std::int64_t samples_each = 1, groups_each = 1, rows_each = 1;
    std::int64_t sample_tasks = 1, group_tasks = 1, row_tasks = 1;

    /// `macs`: multiply-adds of one group of one sample; `elements`: of its padded planes.
    TaskCut(std::int64_t samples, std::int64_t groups, std::int64_t grid_rows, std::int64_t macs, std::int64_t elements,
            int threads) {
        constexpr std::int64_t enough = std::int64_t{1} << 20; // well above the cost of handing out a task
        constexpr std::int64_t cached = std::int64_t{1} << 16; // elements that stay in the second-level cache
        const std::int64_t wanted = 4 * threads;
        macs = std::max<std::int64_t>(1, macs);
        groups_each = std::clamp<std::int64_t>(enough / macs, 1, groups);
        if (groups_each == groups && groups == 1) {
            const std::int64_t fit = std::max<std::int64_t>(1, cached / std::max<std::int64_t>(1, elements));
            samples_each =
                std::clamp<std::int64_t>(std::min(enough / macs, fit), 1, std::max<std::int64_t>(1, samples / wanted));
        }
        sample_tasks = ceil_divide(samples, samples_each);
        group_tasks = ceil_divide(groups, groups_each);
        const std::int64_t tasks = sample_tasks * group_tasks;
        row_tasks = threads == 1 || tasks >= wanted || macs * groups_each < enough
                        ? 1
                        : std::clamp<std::int64_t>(wanted / std::max<std::int64_t>(1, tasks), 1, grid_rows);
        rows_each = std::max<std::int64_t>(1, ceil_divide(grid_rows, row_tasks));
        row_tasks = ceil_divide(grid_rows, rows_each);
    }
};

/// One phase of a window product over all samples and groups: what is the same for every task.
template <typename C> struct Pass {
    const TensorView *planes = nullptr; ///< [samples, groups * channels, layout.source]
    std::int64_t samples = 0, groups = 0, channels = 0;
    PaddedLayout layout;
    std::vector<std::int32_t> offsets; ///< depth of them
    const C *packed = nullptr;         ///< weights of all groups, `packed_group` elements apart
    std::int64_t packed_group = 0;
    std::int64_t rows = 0; ///< result channels per group
    std::int64_t grid[2] = {0, 0};
    const C *bias = nullptr;
    C *out = nullptr; ///< element (sample 0, channel 0) of the grid's first pixel
    std::int64_t out_plane = 0, out_y = 0, out_x = 1;
};

template <typename C> void run_pass(const KernelCall &call, Accumulation accumulation, const Pass<C> &pass) {
    if (pass.grid[0] <= 0 || pass.grid[1] <= 0) return;
    const auto depth = static_cast<std::int64_t>(pass.offsets.size());
    const std::int64_t elements = pass.channels * pass.layout.channel();
    const TaskCut cut(pass.samples, pass.groups, pass.grid[0], depth * pass.rows * pass.grid[0] * pass.grid[1],
                      elements, call.threads.threads());
    call.threads.run(cut.sample_tasks * cut.group_tasks * cut.row_tasks, [&](std::int64_t task) {
        const std::int64_t row_task = task % cut.row_tasks, group_task = task / cut.row_tasks % cut.group_tasks;
        const std::int64_t first_sample = task / cut.row_tasks / cut.group_tasks * cut.samples_each;
        const std::int64_t first_row = row_task * cut.rows_each;
        const std::int64_t samples = std::min(cut.samples_each, pass.samples - first_sample);
        C *padded = scratch<C>(Scratch::columns, static_cast<std::size_t>(samples * elements + padded_slack));
        std::fill_n(padded + samples * elements, padded_slack, C(0));
        const std::int64_t last_group = std::min(pass.groups, (group_task + 1) * cut.groups_each);
        for (std::int64_t group = group_task * cut.groups_each; group < last_group; ++group) {
            for (std::int64_t s = 0; s < samples; ++s) {
                const std::int64_t plane = ((first_sample + s) * pass.groups + group) * pass.channels;
                fill_padded<C>(*pass.planes, plane * pass.layout.source[0] * pass.layout.source[1], pass.channels,
                               pass.layout, 0, padded + s * elements);
            }
            WindowProduct<C> product;
            product.accumulation = accumulation;
            product.stored = pass.planes->dtype;
            product.rows = pass.rows;
            product.depth = depth;
            product.packed_rows = pass.packed + group * pass.packed_group;
            product.planes = padded + first_row * pass.layout.size[1];
            product.offsets = pass.offsets.data();
            product.samples = samples;
            product.height = std::min(cut.rows_each, pass.grid[0] - first_row);
            product.width = pass.grid[1];
            product.sample_stride = elements;
            product.pitch = pass.layout.size[1];
            product.bias = pass.bias ? pass.bias + group * pass.rows : nullptr;
            product.out_row = pass.out_plane;
            product.out_sample = pass.groups * pass.rows * pass.out_plane;
            product.out_y = pass.out_y;
            product.out_x = pass.out_x;
            product.out = pass.out + first_sample * product.out_sample + group * pass.rows * pass.out_plane +
                          first_row * pass.out_y;
            multiply_window(product);
        }
    });
}

template <typename C> void forward(const KernelCall &call) {
    const TensorView &x = call.inputs[0], &y = call.outputs[0];
    const ConvolutionGeometry g = geometry_of(call, x.shape, call.inputs[1].shape, y.shape);
    std::vector<C> weight_storage, bias_storage;
    const C *weights = load_all<C>(call.inputs[1], weight_storage, call.threads);
    const std::int64_t depth = g.in_channels * g.taps();

    Pass<C> pass;
    pass.planes = &x;
    pass.samples = g.samples;
    pass.groups = g.groups;
    pass.channels = g.in_channels;
    for (int axis = 0; axis < 2; ++axis) {
        pass.layout.stride[axis] = g.stride[axis];
        pass.layout.pad[axis] = g.pad[axis];
        pass.layout.source[axis] = g.in[axis];
        pass.layout.size[axis] = g.out[axis] + g.dilation[axis] * (g.kernel[axis] - 1) / g.stride[axis];
        pass.grid[axis] = g.out[axis];
    }
    if (g.in_channels * pass.layout.channel() > std::numeric_limits<std::int32_t>::max())
        call.reject("a sample of one group has more than 2^31 elements");
    std::vector<std::int64_t> positions;
    for (std::int64_t c = 0; c < g.in_channels; ++c)
        for (std::int64_t ky = 0; ky < g.kernel[0]; ++ky)
            for (std::int64_t kx = 0; kx < g.kernel[1]; ++kx) {
                positions.push_back(static_cast<std::int64_t>(positions.size()));
                pass.offsets.push_back(static_cast<std::int32_t>(
                    c * pass.layout.channel() + pass.layout.offset(ky * g.dilation[0], kx * g.dilation[1])));
            }
    pass.rows = g.out_channels;
    pass.packed_group = packed_weights(pass.rows, depth);
    C *packed = scratch<C>(Scratch::rows, static_cast<std::size_t>(g.groups * pass.packed_group));
    for (std::int64_t group = 0; group < g.groups; ++group)
        pack_weights(weights + group * g.out_channels * depth, pass.rows, depth, positions.data(), depth,
                     packed + group * pass.packed_group);
    pass.packed = packed;
    if (call.inputs.size() == 3) {
        if (call.inputs[2].shape.elements() != g.groups * g.out_channels)
            call.reject("the bias must have one element per output channel, got " + call.inputs[2].shape.text());
        pass.bias = load_all<C>(call.inputs[2], bias_storage, call.threads);
    }
    pass.out = result_memory<C>(y);
    pass.out_plane = g.out_plane();
    pass.out_y = g.out[1];
    run_pass(call, call.operation.get<Convolution>().accumulation, pass);
    store(call, 0, pass.out);
}

/// The input pixels of one phase along one axis: those at coordinate stride * q + residue - pad, q in [first, last];
/// and the kernel taps that reach them: output coordinate q - shift.
struct Phase {
    std::int64_t first = 0, last = -1;
    std::vector<std::int64_t> taps, shifts;
    std::int64_t before = 0, after = 0; ///< rows of +0 that dy needs around it

    Phase(const ConvolutionGeometry &g, int axis, std::int64_t residue) {
        const std::int64_t s = g.stride[axis];
        first = std::max<std::int64_t>(0, ceil_divide(g.pad[axis] - residue, s));
        const std::int64_t top = g.in[axis] - 1 + g.pad[axis] - residue;
        last = top < 0 ? -1 : top / s;
        std::int64_t smallest = 0, largest = 0;
        for (std::int64_t k = 0; k < g.kernel[axis]; ++k) {
            if (k * g.dilation[axis] % s != residue) continue;
            const std::int64_t shift = k * g.dilation[axis] / s;
            if (taps.empty()) smallest = shift;
            largest = shift;
            taps.push_back(k);
            shifts.push_back(shift);
        }
        before = std::max<std::int64_t>(0, largest - first);
        after = std::max<std::int64_t>(0, last - smallest - (g.out[axis] - 1));
    }
};

template <typename C> void input_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0], &dx = call.outputs[0];
    if (call.inputs.size() != 2) call.reject("takes 2 operands");
    const ConvolutionGeometry g = geometry_of(call, dx.shape, call.inputs[1].shape, dy.shape);
    std::vector<C> weight_storage;
    const C *weights = load_all<C>(call.inputs[1], weight_storage, call.threads);
    C *out = result_memory<C>(dx);
    for (std::int64_t ry = 0; ry < g.stride[0]; ++ry)
        for (std::int64_t rx = 0; rx < g.stride[1]; ++rx) {
            const Phase y(g, 0, ry), x(g, 1, rx);
            if (y.last < y.first || x.last < x.first) continue;
            Pass<C> pass;
            pass.planes = &dy;
            pass.samples = g.samples;
            pass.groups = g.groups;
            pass.channels = g.out_channels;
            pass.layout.pad[0] = y.before;
            pass.layout.pad[1] = x.before;
            pass.layout.source[0] = g.out[0];
            pass.layout.source[1] = g.out[1];
            pass.layout.size[0] = y.before + g.out[0] + y.after;
            pass.layout.size[1] = x.before + g.out[1] + x.after;
            if (g.out_channels * pass.layout.channel() > std::numeric_limits<std::int32_t>::max())
                call.reject("a sample of one group has more than 2^31 elements");
            std::vector<std::int64_t> positions;
            for (std::int64_t o = 0; o < g.out_channels; ++o)
                for (std::size_t i = 0; i < y.taps.size(); ++i)
                    for (std::size_t j = 0; j < x.taps.size(); ++j) {
                        positions.push_back(o * g.in_channels * g.taps() + y.taps[i] * g.kernel[1] + x.taps[j]);
                        pass.offsets.push_back(static_cast<std::int32_t>(
                            o * pass.layout.channel() + (y.first - y.shifts[i] + y.before) * pass.layout.size[1] +
                            (x.first - x.shifts[j] + x.before)));
                    }
            const auto depth = static_cast<std::int64_t>(positions.size());
            pass.rows = g.in_channels;
            pass.packed_group = packed_weights(pass.rows, depth);
            C *packed = scratch<C>(Scratch::rows, static_cast<std::size_t>(g.groups * pass.packed_group));
            for (std::int64_t group = 0; group < g.groups; ++group)
                pack_weights(weights + group * g.out_channels * g.in_channels * g.taps(), pass.rows, g.taps(),
                             positions.data(), depth, packed + group * pass.packed_group);
            pass.packed = packed;
            pass.grid[0] = y.last - y.first + 1;
            pass.grid[1] = x.last - x.first + 1;
            pass.out_plane = g.in_plane();
            pass.out_y = g.stride[0] * g.in[1];
            pass.out_x = g.stride[1];
            pass.out = out + (y.first * g.stride[0] + ry - g.pad[0]) * g.in[1] + x.first * g.stride[1] + rx - g.pad[1];
            run_pass(call, call.operation.get<Convolution>().accumulation, pass);
        }
    store(call, 0, out);
}

template <typename C> void run(const KernelCall &call) {
    if (call.inputs.size() < 2 || call.inputs.size() > 3 || call.outputs.size() != 1)
        call.reject("takes 2 or 3 operands and leaves 1 result");
    for (const TensorView &view : call.inputs)
        if (!is_floating(view.dtype)) call.reject("operands must be floating, got " + std::string(name_of(view.dtype)));
    require_available<C>(call, call.operation.get<Convolution>().accumulation);
    if (call.inputs[0].shape.rank() == 5)
        return run_volumetric<C>(call, [](const KernelCall &planar) { run<C>(planar); });
    switch (call.operation.kind) {
    case OpKind::convolution_input_gradient: input_gradient<C>(call); break;
    case OpKind::convolution_weight_gradient: weight_gradient<C>(call, result_memory<C>(call.outputs[0])); break;
    default: forward<C>(call); break;
    }
}

} // namespace

void run_convolution(const KernelCall &call) {
    if (call.in_fp64())
        run<double>(call);
    else
        run<float>(call);
}

} // namespace halfscope::ops
