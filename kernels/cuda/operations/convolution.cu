// Convolution and both gradients as implicit products by fma: rows are channels, columns pixels (or taps), and an
// operand's element is found from its indices while it is loaded. For each there is one thread a result beside it, in
// the words of operation.h.
#include "emulation/ops/reduction/tree.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/convolution.h"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/tiled_product.cuh"

namespace halfscope::kernels::device::operations {
namespace {

using Geometry = ops::ConvolutionGeometry;

/// y = conv(x, w) + bias; blockIdx.z is the group.
__global__ void forward_kernel(Geometry g, Operand x, Operand w, Operand bias, Stored y) {
    const std::int64_t group = blockIdx.z, taps = g.kernel[0] * g.kernel[1], pixels = g.out[0] * g.out[1];
    const auto weight = [=](std::int64_t row, std::int64_t k) {
        return w.at((group * g.out_channels + row) * g.in_channels * taps + k);
    };
    const auto pixel = [=](std::int64_t k, std::int64_t column) {
        const std::int64_t channel = k / taps, tap = k % taps, sample = column / pixels, at = column % pixels;
        const std::int64_t row = at / g.out[1] * g.stride[0] + tap / g.kernel[1] * g.dilation[0] - g.pad[0];
        const std::int64_t in = at % g.out[1] * g.stride[1] + tap % g.kernel[1] * g.dilation[1] - g.pad[1];
        const bool inside = row >= 0 && row < g.in[0] && in >= 0 && in < g.in[1];
        return inside ? x.at((((sample * g.groups + group) * g.in_channels + channel) * g.in[0] + row) * g.in[1] + in)
                      : 0.0f;
    };
    tiled_product(
        g.out_channels, g.samples * pixels, g.in_channels * taps, weight, pixel,
        [](std::int64_t, std::int64_t) { return 0.0f; },
        [=](std::int64_t row, std::int64_t column, float sum) {
            const std::int64_t channel = group * g.out_channels + row;
            const float result = bias.data != nullptr ? __fadd_rn(sum, bias.at(channel)) : sum;
            y.put((column / pixels * g.groups * g.out_channels + channel) * pixels + column % pixels, result);
        });
}

/// dx of one phase; blockIdx.z is the group.
__global__ void input_gradient_kernel(Geometry g, Phase y, Phase x, Operand dy, Operand w, Stored dx) {
    const std::int64_t group = blockIdx.z, taps = y.taps * x.taps, pixels = y.pixels * x.pixels;
    const auto weight = [=](std::int64_t row, std::int64_t k) {
        const std::int64_t out = group * g.out_channels + k / taps, tap = k % taps;
        const std::int64_t ky = y.from + tap / x.taps * y.step, kx = x.from + tap % x.taps * x.step;
        return w.at(((out * g.in_channels + row) * g.kernel[0] + ky) * g.kernel[1] + kx);
    };
    const auto gradient = [=](std::int64_t k, std::int64_t column) {
        const std::int64_t out = k / taps, tap = k % taps, sample = column / pixels, at = column % pixels;
        const std::int64_t ky = y.from + tap / x.taps * y.step, kx = x.from + tap % x.taps * x.step;
        const std::int64_t oy = y.first + at / x.pixels - ky * g.dilation[0] / g.stride[0];
        const std::int64_t ox = x.first + at % x.pixels - kx * g.dilation[1] / g.stride[1];
        const bool inside = oy >= 0 && oy < g.out[0] && ox >= 0 && ox < g.out[1];
        return inside ? dy.at((((sample * g.groups + group) * g.out_channels + out) * g.out[0] + oy) * g.out[1] + ox)
                      : 0.0f;
    };
    // The phase's residue, so that stride * q + residue - pad is the pixel.
    const std::int64_t ry = y.taps > 0 ? y.from * g.dilation[0] % g.stride[0] : 0;
    const std::int64_t rx = x.taps > 0 ? x.from * g.dilation[1] % g.stride[1] : 0;
    tiled_product(
        g.in_channels, g.samples * pixels, g.out_channels * taps, weight, gradient,
        [](std::int64_t, std::int64_t) { return 0.0f; },
        [=](std::int64_t row, std::int64_t column, float sum) {
            const std::int64_t sample = column / pixels, at = column % pixels;
            const std::int64_t py = (y.first + at / x.pixels) * g.stride[0] + ry - g.pad[0];
            const std::int64_t px = (x.first + at % x.pixels) * g.stride[1] + rx - g.pad[1];
            dx.put((((sample * g.groups + group) * g.in_channels + row) * g.in[0] + py) * g.in[1] + px, sum);
        });
}

/// The chains over one chunk of pixels: partial [chunk, out channel of all groups, input channel, tap]; blockIdx.z is
/// chunk * groups + group.
__global__ void weight_chains_kernel(Geometry g, Operand dy, Operand x, float *partial) {
    const std::int64_t group = blockIdx.z % g.groups, chunk = blockIdx.z / g.groups;
    const std::int64_t taps = g.kernel[0] * g.kernel[1], pixels = g.out[0] * g.out[1], first = chunk * chunk_pixels;
    const std::int64_t left = g.samples * pixels - first, length = left < chunk_pixels ? left : chunk_pixels;
    const auto gradient = [=](std::int64_t row, std::int64_t k) {
        const std::int64_t sample = (first + k) / pixels, at = (first + k) % pixels;
        return dy.at(((sample * g.groups + group) * g.out_channels + row) * pixels + at);
    };
    const auto pixel = [=](std::int64_t k, std::int64_t column) {
        const std::int64_t sample = (first + k) / pixels, at = (first + k) % pixels;
        const std::int64_t channel = column / taps, tap = column % taps;
        const std::int64_t row = at / g.out[1] * g.stride[0] + tap / g.kernel[1] * g.dilation[0] - g.pad[0];
        const std::int64_t in = at % g.out[1] * g.stride[1] + tap % g.kernel[1] * g.dilation[1] - g.pad[1];
        const bool inside = row >= 0 && row < g.in[0] && in >= 0 && in < g.in[1];
        return inside ? x.at((((sample * g.groups + group) * g.in_channels + channel) * g.in[0] + row) * g.in[1] + in)
                      : 0.0f;
    };
    const std::int64_t columns = g.in_channels * taps;
    tiled_product(
        g.out_channels, columns, length, gradient, pixel, [](std::int64_t, std::int64_t) { return 0.0f; },
        [=](std::int64_t row, std::int64_t column, float sum) {
            partial[((chunk * g.groups + group) * g.out_channels + row) * columns + column] = sum;
        });
}

/// The tree over the chunks of each weight; at most tree_chunk of them.
__global__ void weight_tree_kernel(const float *partial, std::int64_t chunks, std::int64_t weights, Stored dw) {
    constexpr int lanes = static_cast<int>(ops::reduction::tree_lanes);
    for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i < weights;
         i += std::int64_t{gridDim.x} * blockDim.x) {
        float sums[lanes] = {};
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
            sums[chunk % lanes] = __fadd_rn(sums[chunk % lanes], partial[chunk * weights + i]);
        for (int half = lanes / 2; half > 0; half /= 2)
            for (int l = 0; l < half; ++l) sums[l] = __fadd_rn(sums[l], sums[l + half]);
        dw.put(i, sums[0]);
    }
}

void forward(const Geometry &g, const ops::KernelCall &call, Stored y) {
    const Operand bias = call.inputs.size() == 3 ? Operand(call.inputs[2]) : Operand{nullptr, ops::DType::fp32};
    launch("convolution kernel", forward_kernel,
           dim3(tiles_of(g.samples * g.out_plane()), tiles_of(g.out_channels), static_cast<unsigned>(g.groups)),
           tiled_threads, g, Operand(call.inputs[0]), Operand(call.inputs[1]), bias, y);
}

void input_gradient(const Geometry &g, const ops::KernelCall &call, Stored dx) {
    // Pixels that no tap reaches.
    dx.clear(call.outputs[0].shape.elements());
    over_phases(g, [&](const Phase &y, const Phase &x) {
        launch(
            "convolution input gradient kernel", input_gradient_kernel,
            dim3(tiles_of(g.samples * y.pixels * x.pixels), tiles_of(g.in_channels), static_cast<unsigned>(g.groups)),
            tiled_threads, g, y, x, Operand(call.inputs[0]), Operand(call.inputs[1]), dx);
    });
}

void weight_gradient(const Geometry &g, const ops::KernelCall &call, Stored dw) {
    const std::int64_t chunks = (g.samples * g.out_plane() + chunk_pixels - 1) / chunk_pixels;
    const std::int64_t columns = g.in_channels * g.taps(), weights = g.groups * g.out_channels * columns;
    const DeviceArray<float> partial(static_cast<std::size_t>(chunks * weights));
    launch("convolution weight gradient kernel", weight_chains_kernel,
           dim3(tiles_of(columns), tiles_of(g.out_channels), static_cast<unsigned>(chunks * g.groups)), tiled_threads,
           g, Operand(call.inputs[0]), Operand(call.inputs[1]), partial.data());
    add_chunks(partial.data(), chunks, weights, dw);
}

} // namespace

void add_chunks(const float *partial, std::int64_t chunks, std::int64_t weights, Stored dw) {
    launch("weight gradient tree kernel", weight_tree_kernel, elementwise_grid(weights), elementwise_block, partial,
           chunks, weights, dw);
}

bool run_convolution(const ops::KernelCall &call) {
    return with_convolution(call, {forward, input_gradient, weight_gradient}, unit_convolution);
}

} // namespace halfscope::kernels::device::operations
