// The readable convolutions: one thread a result, loops as operation.h names them.
#include "kernels/cuda/operations/convolution.h"

#include "emulation/ops/reduction/tree.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/operations/unit_model.cuh"

#include <limits>

namespace halfscope::kernels::device::operations {
namespace {

using Geometry = ops::ConvolutionGeometry;

/// x of one sample and channel; +0 outside of the plane.
__device__ float pixel_of(const Geometry &g, const Operand &x, std::int64_t plane, std::int64_t row,
                          std::int64_t column) {
    if (row < 0 || row >= g.in[0] || column < 0 || column >= g.in[1]) return 0;
    return x.at((plane * g.in[0] + row) * g.in[1] + column);
}

__global__ void forward_kernel(Geometry g, Operand x, Operand w, Operand bias, Stored y, std::int64_t count) {
    const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
    if (i >= count) return;
    const std::int64_t pixels = g.out[0] * g.out[1], channels = g.groups * g.out_channels;
    const std::int64_t oy = i % pixels / g.out[1], ox = i % pixels % g.out[1], out = i / pixels % channels;
    const std::int64_t sample = i / pixels / channels, group = out / g.out_channels;
    float sum = 0;
    for (std::int64_t c = 0; c < g.in_channels; ++c)
        for (std::int64_t ky = 0; ky < g.kernel[0]; ++ky)
            for (std::int64_t kx = 0; kx < g.kernel[1]; ++kx)
                sum = __fmaf_rn(w.at(((out * g.in_channels + c) * g.kernel[0] + ky) * g.kernel[1] + kx),
                                pixel_of(g, x, (sample * g.groups + group) * g.in_channels + c,
                                         oy * g.stride[0] + ky * g.dilation[0] - g.pad[0],
                                         ox * g.stride[1] + kx * g.dilation[1] - g.pad[1]),
                                sum);
    y.put(i, bias.data != nullptr ? __fadd_rn(sum, bias.at(out)) : sum);
}

__global__ void input_gradient_kernel(Geometry g, Operand dy, Operand w, Stored dx, std::int64_t count) {
    const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
    if (i >= count) return;
    const std::int64_t pixels = g.in[0] * g.in[1], channels = g.groups * g.in_channels;
    const std::int64_t py = i % pixels / g.in[1], px = i % pixels % g.in[1], in = i / pixels % channels;
    const std::int64_t sample = i / pixels / channels, group = in / g.in_channels, c = in % g.in_channels;
    float sum = 0;
    for (std::int64_t o = 0; o < g.out_channels; ++o)
        for (std::int64_t ky = 0; ky < g.kernel[0]; ++ky)
            for (std::int64_t kx = 0; kx < g.kernel[1]; ++kx) {
                const std::int64_t y = py + g.pad[0] - ky * g.dilation[0], x = px + g.pad[1] - kx * g.dilation[1];
                if (y % g.stride[0] != 0 || x % g.stride[1] != 0) continue; // the stride never puts this tap here
                const std::int64_t oy = y / g.stride[0], ox = x / g.stride[1];
                const bool inside = y >= 0 && x >= 0 && oy < g.out[0] && ox < g.out[1];
                const std::int64_t out = group * g.out_channels + o, plane = sample * g.groups * g.out_channels + out;
                sum = __fmaf_rn(w.at(((out * g.in_channels + c) * g.kernel[0] + ky) * g.kernel[1] + kx),
                                inside ? dy.at((plane * g.out[0] + oy) * g.out[1] + ox) : 0.0f, sum);
            }
    dx.put(i, sum);
}

__global__ void weight_gradient_kernel(Geometry g, Operand dy, Operand x, Stored dw, std::int64_t count) {
    const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
    if (i >= count) return;
    const std::int64_t kx = i % g.kernel[1], ky = i / g.kernel[1] % g.kernel[0];
    const std::int64_t c = i / g.kernel[1] / g.kernel[0] % g.in_channels;
    const std::int64_t out = i / g.kernel[1] / g.kernel[0] / g.in_channels, group = out / g.out_channels;
    const std::int64_t plane = g.out[0] * g.out[1], pixels = g.samples * plane;
    constexpr int lanes = static_cast<int>(ops::reduction::tree_lanes);
    float sums[lanes] = {};
    for (std::int64_t chunk = 0; chunk * chunk_pixels < pixels; ++chunk) {
        float chain = 0;
        for (std::int64_t p = chunk * chunk_pixels; p < pixels && p < (chunk + 1) * chunk_pixels; ++p) {
            const std::int64_t sample = p / plane, oy = p % plane / g.out[1], ox = p % plane % g.out[1];
            chain = __fmaf_rn(dy.at((sample * g.groups * g.out_channels + out) * plane + p % plane),
                              pixel_of(g, x, (sample * g.groups + group) * g.in_channels + c,
                                       oy * g.stride[0] + ky * g.dilation[0] - g.pad[0],
                                       ox * g.stride[1] + kx * g.dilation[1] - g.pad[1]),
                              chain);
        }
        sums[chunk % lanes] = __fadd_rn(sums[chunk % lanes], chain);
    }
    for (int half = lanes / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) sums[l] = __fadd_rn(sums[l], sums[l + half]);
    dw.put(i, sums[0]);
}

unsigned blocks_of(std::int64_t count) {
    return static_cast<unsigned>((count + elementwise_block - 1) / elementwise_block);
}

void forward(const Geometry &g, const ops::KernelCall &call, Stored y) {
    const std::int64_t count = call.outputs[0].shape.elements();
    const Operand bias = call.inputs.size() == 3 ? Operand(call.inputs[2]) : Operand(nullptr, ops::DType::fp32);
    launch("convolution reference kernel", forward_kernel, blocks_of(count), elementwise_block, g,
           Operand(call.inputs[0]), Operand(call.inputs[1]), bias, y, count);
}

void input_gradient(const Geometry &g, const ops::KernelCall &call, Stored dx) {
    const std::int64_t count = call.outputs[0].shape.elements();
    launch("convolution input gradient reference kernel", input_gradient_kernel, blocks_of(count), elementwise_block, g,
           Operand(call.inputs[0]), Operand(call.inputs[1]), dx, count);
}

void weight_gradient(const Geometry &g, const ops::KernelCall &call, Stored dw) {
    const std::int64_t count = call.outputs[0].shape.elements();
    launch("convolution weight gradient reference kernel", weight_gradient_kernel, blocks_of(count), elementwise_block,
           g, Operand(call.inputs[0]), Operand(call.inputs[1]), dw, count);
}

} // namespace

bool run_convolution_reference(const ops::KernelCall &call) {
    return with_convolution(call, {forward, input_gradient, weight_gradient}, unit_convolution_reference);
}

bool with_convolution(const ops::KernelCall &call, const ConvolutionKernels &chain, const ConvolutionKernels &unit) {
    using ops::OpKind;
    const OpKind kind = call.operation.kind;
    if (!fits(call) || call.inputs.size() < 2 || call.inputs.size() > 3 || call.outputs.size() != 1) return false;
    if (call.inputs[0].shape.rank() > 4) return false; // three spatial axes
    const ops::Accumulation accumulation = call.operation.get<ops::Convolution>().accumulation;
    const bool by_chain = accumulation == ops::Accumulation::fma_chain;
    if (!by_chain) {
        if (!unit_takes(unit_accumulator(accumulation), call.inputs[0].dtype, call.inputs[1].dtype)) return false;
        for (const auto views : {call.inputs, call.outputs})
            for (const ops::TensorView &view : views) // these kernels count in 32 bits
                if (view.shape.elements() > std::numeric_limits<std::int32_t>::max()) return false;
    }
    const ConvolutionKernels &kernels = by_chain ? chain : unit;
    const ops::Shape &first = call.inputs[0].shape, &second = call.inputs[1].shape, &out = call.outputs[0].shape;
    const Geometry g = kind == OpKind::convolution                  ? ops::geometry_of(call, first, second, out)
                       : kind == OpKind::convolution_input_gradient ? ops::geometry_of(call, out, second, first)
                                                                    : ops::geometry_of(call, second, out, first);
    if (call.inputs.size() == 3 && call.inputs[2].shape.elements() != g.groups * g.out_channels) return false;
    const std::int64_t chunks = (g.samples * g.out_plane() + chunk_pixels - 1) / chunk_pixels;
    if (g.groups > 65535 || (kind == OpKind::convolution_weight_gradient &&
                             (chunks > ops::reduction::tree_chunk || chunks * g.groups > 65535 || chunks == 0)))
        return false;
    if (out.elements() == 0) return true;
    const Result result(call, 0);
    switch (kind) {
    case OpKind::convolution_input_gradient: kernels.input_gradient(g, call, result.stored()); break;
    case OpKind::convolution_weight_gradient: kernels.weight_gradient(g, call, result.stored()); break;
    default: kernels.forward(g, call, result.stored()); break;
    }
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
