// Convolution and both gradients as implicit products on the matrix unit. In all three an element of the right operand
// is one of a tensor of planes, found as the sum of a place and a tap: one belongs to the column, one to k.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/eight_elements.cuh"
#include "kernels/cuda/operations/convolution.h"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/unit_model.cuh"
#include "kernels/cuda/unit_product.cuh"

namespace halfscope::kernels::device::operations {
namespace {

using Geometry = ops::ConvolutionGeometry;
using Bits = const std::uint16_t *;

/// Sizes of a window as the device counts: in 32 bits, which the host has looked at.
struct Window {
    int groups, in_channels, out_channels, taps, pixels; ///< channels of a group, pixels of an output plane
    int in[2], out[2], kernel[2], stride[2], dilation[2], pad[2];

    explicit Window(const Geometry &g)
        : groups(static_cast<int>(g.groups)),
          in_channels(static_cast<int>(g.in_channels)),
          out_channels(static_cast<int>(g.out_channels)),
          taps(static_cast<int>(g.taps())),
          pixels(static_cast<int>(g.out_plane())) {
        for (int axis = 0; axis < 2; ++axis) {
            in[axis] = static_cast<int>(g.in[axis]);
            out[axis] = static_cast<int>(g.out[axis]);
            kernel[axis] = static_cast<int>(g.kernel[axis]);
            stride[axis] = static_cast<int>(g.stride[axis]);
            dilation[axis] = static_cast<int>(g.dilation[axis]);
            pad[axis] = static_cast<int>(g.pad[axis]);
        }
    }
};

/// A part of an element's place: where its plane begins, and its row and column there. Two of them add up to one.
struct Spot {
    int plane, y, x;
};

/// Planes of height x width; +0 outside of them.
struct Planes {
    Bits data;
    int height, width;

    [[nodiscard]] __device__ std::uint32_t at(const Spot &a, const Spot &b) const {
        const int y = a.y + b.y, x = a.x + b.x;
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        return inside ? data[a.plane + b.plane + y * width + x] : 0u;
    }
};

template <typename Element> __device__ uint4 eight(const Element &element) {
    std::uint32_t pairs[4];
    HALFSCOPE_UNROLL
    for (int i = 0; i < 4; ++i) pairs[i] = element(2 * i) | element(2 * i + 1) << 16;
    return make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

/// Eight columns of the right operand: their parts of the place are worked out once.
template <typename Product> struct EightColumns {
    const Product &product;
    Spot spots[8];
    int inside; ///< of them

    __device__ EightColumns(const Product &of, std::int64_t column) : product(of) {
        const std::int64_t left = of.columns - column;
        inside = left < 0 ? 0 : left < 8 ? static_cast<int>(left) : 8;
        HALFSCOPE_UNROLL
        for (int i = 0; i < 8; ++i) spots[i] = i < inside ? of.of_column(column + i) : Spot{0, 0, 0};
    }
    [[nodiscard]] __device__ uint4 eight(std::int64_t k) const {
        if (k >= product.depth) return make_uint4(0, 0, 0, 0);
        const Spot tap = product.of_k(k);
        return operations::eight([&](int i) { return i < inside ? product.planes.at(spots[i], tap) : 0u; });
    }
};

/// What the three have in common.
template <typename Value> struct Sizes : unit::RowMajor {
    std::int64_t rows, columns, depth;
    Window g;
    int group = 0;

    Sizes(const Geometry &geometry, std::int64_t of_rows, std::int64_t of_columns, std::int64_t of_k)
        : rows(of_rows), columns(of_columns), depth(of_k), g(geometry) {}
    [[nodiscard]] __device__ Value start(std::int64_t, std::int64_t) const { return Value(0.0f); }
};

/// y = conv(x, w) + bias: rows are output channels, columns (sample, pixel), k (input channel, tap).
template <typename Value> struct Forward : Sizes<Value> {
    using Sizes<Value>::rows, Sizes<Value>::columns, Sizes<Value>::depth, Sizes<Value>::g, Sizes<Value>::group;
    Planes planes;
    Bits w;
    Operand bias;
    Stored y;

    Forward(const Geometry &of, const ops::KernelCall &call, Stored result)
        : Sizes<Value>(of, of.out_channels, of.samples * of.out_plane(), of.in_channels * of.taps()),
          planes{call.inputs[0].as<const std::uint16_t>(), g.in[0], g.in[1]},
          w(call.inputs[1].as<const std::uint16_t>()),
          bias(call.inputs.size() == 3 ? Operand(call.inputs[2]) : Operand(nullptr, ops::DType::fp32)),
          y(result) {}

    __device__ void enter(unsigned z) {
        group = static_cast<int>(z);
        w += group * rows * depth;
    }
    [[nodiscard]] __device__ Spot of_column(std::int64_t column) const {
        const int sample = static_cast<int>(column) / g.pixels, at = static_cast<int>(column) % g.pixels;
        return {(sample * g.groups + group) * g.in_channels * g.in[0] * g.in[1], at / g.out[1] * g.stride[0] - g.pad[0],
                at % g.out[1] * g.stride[1] - g.pad[1]};
    }
    [[nodiscard]] __device__ Spot of_k(std::int64_t k) const {
        const int channel = static_cast<int>(k) / g.taps, tap = static_cast<int>(k) % g.taps;
        return {channel * g.in[0] * g.in[1], tap / g.kernel[1] * g.dilation[0], tap % g.kernel[1] * g.dilation[1]};
    }
    [[nodiscard]] __device__ std::uint32_t left(std::int64_t row, std::int64_t k) const { return w[row * depth + k]; }
    [[nodiscard]] __device__ uint4 left_eight(std::int64_t row, std::int64_t k) const {
        return eight_of(w + row * depth, k, depth, row < rows, depth % 8 == 0); // as allocated, w begins at 16 bytes
    }
    __device__ void leave(std::int64_t row, std::int64_t column, Value value) const {
        const std::int64_t channel = group * rows + row;
        const float sum = to_fp32(value), result = bias.data != nullptr ? __fadd_rn(sum, bias.at(channel)) : sum;
        y.put((column / g.pixels * g.groups * g.out_channels + channel) * g.pixels + column % g.pixels, result);
    }
};

/// dx of one phase: rows are input channels, columns (sample, pixel of the phase), k (output channel, tap of the
/// phase).
template <typename Value> struct InputGradient : Sizes<Value> {
    using Sizes<Value>::rows, Sizes<Value>::columns, Sizes<Value>::depth, Sizes<Value>::g, Sizes<Value>::group;
    Planes planes;
    Bits w;
    Stored dx;
    int first[2], pixels[2], taps[2], from[2], step[2], residue[2];

    InputGradient(const Geometry &of, const ops::KernelCall &call, const Phase &along_y, const Phase &along_x,
                  Stored result)
        : Sizes<Value>(of, of.in_channels, of.samples * along_y.pixels * along_x.pixels,
                       of.out_channels * along_y.taps * along_x.taps),
          planes{call.inputs[0].as<const std::uint16_t>(), g.out[0], g.out[1]},
          w(call.inputs[1].as<const std::uint16_t>()),
          dx(result) {
        for (int axis = 0; axis < 2; ++axis) {
            const Phase &phase = axis == 0 ? along_y : along_x;
            first[axis] = static_cast<int>(phase.first);
            pixels[axis] = static_cast<int>(phase.pixels);
            taps[axis] = static_cast<int>(phase.taps);
            from[axis] = static_cast<int>(phase.from);
            step[axis] = static_cast<int>(phase.step);
            residue[axis] = from[axis] * g.dilation[axis] % g.stride[axis];
        }
    }

    __device__ void enter(unsigned z) { group = static_cast<int>(z); }
    [[nodiscard]] __device__ Spot of_column(std::int64_t column) const {
        const int plane = pixels[0] * pixels[1], sample = static_cast<int>(column) / plane;
        const int at = static_cast<int>(column) % plane;
        return {(sample * g.groups + group) * g.out_channels * g.pixels, first[0] + at / pixels[1],
                first[1] + at % pixels[1]};
    }
    /// Output channel and tap of the kernel.
    struct Tap {
        int out, y, x;
    };
    [[nodiscard]] __device__ Tap tap_of(std::int64_t k) const {
        const int all = taps[0] * taps[1], tap = static_cast<int>(k) % all;
        return {static_cast<int>(k) / all, from[0] + tap / taps[1] * step[0], from[1] + tap % taps[1] * step[1]};
    }
    [[nodiscard]] __device__ Spot of_k(std::int64_t k) const {
        const Tap tap = tap_of(k);
        return {tap.out * g.pixels, -(tap.y * g.dilation[0] / g.stride[0]), -(tap.x * g.dilation[1] / g.stride[1])};
    }
    [[nodiscard]] __device__ std::uint32_t left(std::int64_t row, std::int64_t k) const {
        const Tap tap = tap_of(k);
        const std::int64_t filter = std::int64_t{group * g.out_channels + tap.out} * g.in_channels + row;
        return w[(filter * g.kernel[0] + tap.y) * g.kernel[1] + tap.x];
    }
    [[nodiscard]] __device__ uint4 left_eight(std::int64_t row, std::int64_t k) const {
        return eight([&](int i) { return row < rows && k + i < depth ? left(row, k + i) : 0u; });
    }
    __device__ void leave(std::int64_t row, std::int64_t column, Value value) const {
        const std::int64_t plane = std::int64_t{pixels[0]} * pixels[1], sample = column / plane, at = column % plane;
        const std::int64_t y = (first[0] + at / pixels[1]) * g.stride[0] + residue[0] - g.pad[0];
        const std::int64_t x = (first[1] + at % pixels[1]) * g.stride[1] + residue[1] - g.pad[1];
        dx.put((((sample * g.groups + group) * g.in_channels + row) * g.in[0] + y) * g.in[1] + x, to_fp32(value));
    }
};

/// The sums over one chunk of pixels: rows are output channels, columns (input channel, tap), k pixels. `enter` takes
/// chunk * groups + group; partial [chunk, out channel of all groups, input channel, tap].
template <typename Value> struct WeightChunk : Sizes<Value> {
    using Sizes<Value>::rows, Sizes<Value>::columns, Sizes<Value>::depth, Sizes<Value>::g, Sizes<Value>::group;
    Planes planes;
    Bits dy;
    float *partial;
    std::int64_t all_pixels;
    int chunk = 0, first_pixel = 0;

    WeightChunk(const Geometry &of, const ops::KernelCall &call, float *result)
        : Sizes<Value>(of, of.out_channels, of.in_channels * of.taps(), chunk_pixels),
          planes{call.inputs[1].as<const std::uint16_t>(), g.in[0], g.in[1]},
          dy(call.inputs[0].as<const std::uint16_t>()),
          partial(result),
          all_pixels(of.samples * of.out_plane()) {}

    __device__ void enter(unsigned z) {
        group = static_cast<int>(z) % g.groups;
        chunk = static_cast<int>(z) / g.groups;
        first_pixel = chunk * static_cast<int>(chunk_pixels);
        if (all_pixels - first_pixel < depth) depth = all_pixels - first_pixel;
    }
    [[nodiscard]] __device__ Spot of_column(std::int64_t column) const {
        const int channel = static_cast<int>(column) / g.taps, tap = static_cast<int>(column) % g.taps;
        return {channel * g.in[0] * g.in[1], tap / g.kernel[1] * g.dilation[0] - g.pad[0],
                tap % g.kernel[1] * g.dilation[1] - g.pad[1]};
    }
    [[nodiscard]] __device__ Spot of_k(std::int64_t k) const {
        const int pixel = first_pixel + static_cast<int>(k), sample = pixel / g.pixels, at = pixel % g.pixels;
        return {(sample * g.groups + group) * g.in_channels * g.in[0] * g.in[1], at / g.out[1] * g.stride[0],
                at % g.out[1] * g.stride[1]};
    }
    [[nodiscard]] __device__ Bits gradient(std::int64_t row, std::int64_t k) const {
        const int pixel = first_pixel + static_cast<int>(k), sample = pixel / g.pixels;
        return dy + ((std::int64_t{sample} * g.groups + group) * rows + row) * g.pixels + pixel % g.pixels;
    }
    [[nodiscard]] __device__ std::uint32_t left(std::int64_t row, std::int64_t k) const { return *gradient(row, k); }
    [[nodiscard]] __device__ uint4 left_eight(std::int64_t row, std::int64_t k) const {
        // Planes of whole eights: eight pixels lie side by side, where 16 bytes begin.
        if (g.pixels % 8 == 0 && row < rows && k + 8 <= depth)
            return *reinterpret_cast<const uint4 *>(gradient(row, k));
        return eight([&](int i) { return row < rows && k + i < depth ? left(row, k + i) : 0u; });
    }
    __device__ void leave(std::int64_t row, std::int64_t column, Value value) const {
        partial[((std::int64_t{chunk} * g.groups + group) * rows + row) * columns + column] = to_fp32(value);
    }
};

template <template <typename> typename Base, typename Value> struct Product : Base<Value> {
    using Base<Value>::Base;
    [[nodiscard]] __device__ std::uint32_t right(std::int64_t k, std::int64_t column) const {
        return this->planes.at(this->of_column(column), this->of_k(k));
    }
    [[nodiscard]] __device__ EightColumns<Product> at_column(std::int64_t column) const { return {*this, column}; }
};

/// Calls body.template operator()<T, Accumulator>() with the call's types.
template <typename Body> void with_types(const ops::KernelCall &call, const Body &body) {
    with_unit_types(unit_accumulator(call.operation.get<ops::Convolution>().accumulation), call.inputs[0].dtype, body);
}

template <bool plain> void forward(const Geometry &g, const ops::KernelCall &call, Stored y) {
    with_types(call, [&]<typename T, typename Accumulator>() {
        const Product<Forward, typename Accumulator::Value> product(g, call, y);
        unit::launch_products<T, Accumulator>("convolution kernel on the matrix unit", plain, product, product.rows,
                                              product.columns, g.groups);
    });
}

template <bool plain> void input_gradient(const Geometry &g, const ops::KernelCall &call, Stored dx) {
    // Pixels that no tap reaches.
    dx.clear(call.outputs[0].shape.elements());
    over_phases(g, [&](const Phase &y, const Phase &x) {
        with_types(call, [&]<typename T, typename Accumulator>() {
            const Product<InputGradient, typename Accumulator::Value> product(g, call, y, x, dx);
            unit::launch_products<T, Accumulator>("convolution input gradient kernel on the matrix unit", plain,
                                                  product, product.rows, product.columns, g.groups);
        });
    });
}

template <bool plain> void weight_gradient(const Geometry &g, const ops::KernelCall &call, Stored dw) {
    const std::int64_t chunks = (g.samples * g.out_plane() + chunk_pixels - 1) / chunk_pixels;
    const std::int64_t weights = g.groups * g.out_channels * g.in_channels * g.taps();
    const DeviceArray<float> partial(static_cast<std::size_t>(chunks * weights));
    with_types(call, [&]<typename T, typename Accumulator>() {
        const Product<WeightChunk, typename Accumulator::Value> product(g, call, partial.data());
        unit::launch_products<T, Accumulator>("convolution weight gradient kernel on the matrix unit", plain, product,
                                              product.rows, product.columns, chunks * g.groups);
    });
    add_chunks(partial.data(), chunks, weights, dw);
}

} // namespace

const ConvolutionKernels unit_convolution = {forward<false>, input_gradient<false>, weight_gradient<false>};
const ConvolutionKernels unit_convolution_reference = {forward<true>, input_gradient<true>, weight_gradient<true>};

} // namespace halfscope::kernels::device::operations
