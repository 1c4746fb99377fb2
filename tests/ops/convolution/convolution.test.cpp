// Bits of the three convolutions against the definitions of operation.h written as plain loops, at every SIMD level and
// thread count.
#include "emulation/ops/kernels.h"
#include "tests/ops/matmul/block_chain.h"
#include "tests/ops/matmul/products.h"

#include <doctest/doctest.h>

#include <array>

namespace halfscope::ops {
namespace {

using namespace products;

/// The outermost of three spatial axes.
struct Depth {
    std::int64_t in = 1, kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;

    [[nodiscard]] std::int64_t out() const { return (in + before + after - dilation * (kernel - 1) - 1) / stride + 1; }
};

/// One window; spatial sizes are given in two dimensions, and the first is dropped when `one_dimensional`.
struct Window {
    std::int64_t samples, in_channels, out_channels, groups;
    std::array<std::int64_t, 2> in, kernel, stride{1, 1}, dilation{1, 1}, before{0, 0}, after{0, 0};
    bool one_dimensional = false;
    Accumulation accumulation = Accumulation::fma_chain;
    DType stored = DType::fp32; ///< of the operands
    Depth depth{};
    bool three_dimensional = false;

    [[nodiscard]] std::int64_t out(std::size_t axis) const {
        return (in[axis] + before[axis] + after[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1;
    }
    [[nodiscard]] Shape shape(std::int64_t a, std::int64_t b, std::int64_t z, std::int64_t y, std::int64_t x) const {
        if (three_dimensional) return Shape{a, b, z, y, x};
        return one_dimensional ? Shape{a, b, x} : Shape{a, b, y, x};
    }
    [[nodiscard]] Shape x_shape() const { return shape(samples, in_channels, depth.in, in[0], in[1]); }
    [[nodiscard]] Shape w_shape() const {
        return shape(out_channels, in_channels / groups, depth.kernel, kernel[0], kernel[1]);
    }
    [[nodiscard]] Shape y_shape() const { return shape(samples, out_channels, depth.out(), out(0), out(1)); }
    [[nodiscard]] Convolution attributes() const {
        const auto list = [&](std::int64_t outermost, const std::array<std::int64_t, 2> &values) {
            if (three_dimensional) return std::vector{outermost, values[0], values[1]};
            return one_dimensional ? std::vector{values[1]} : std::vector{values[0], values[1]};
        };
        return {list(depth.stride, stride),
                list(depth.dilation, dilation),
                list(depth.before, before),
                list(depth.after, after),
                groups,
                accumulation};
    }
    [[nodiscard]] std::string text() const {
        return "x " + x_shape().text() + " w " + w_shape().text() + " y " + y_shape().text() + " stride " +
               std::to_string(stride[0]) + "," + std::to_string(stride[1]) + " dilation " +
               std::to_string(dilation[0]) + "," + std::to_string(dilation[1]) + " groups " + std::to_string(groups);
    }
};

template <typename C> std::vector<C> widened(HostTensor &tensor) {
    std::vector<C> values(static_cast<std::size_t>(tensor.shape.elements())), scratch(values.size());
    const C *from = load<C>(tensor.view(), 0, tensor.shape.elements(), scratch.data());
    std::copy_n(from, values.size(), values.begin());
    return values;
}

/// One accumulator, fed product by product.
template <typename C> class Chain {
  public:
    explicit Chain(const Window &w) : model_(w.accumulation), stored_(w.stored) {}
    void add(C a, C b) {
        if (model_ >= Accumulation::volta) {
            a_.push_back(static_cast<float>(a));
            b_.push_back(static_cast<float>(b));
            return;
        }
        sum_ = std::fma(a, b, sum_);
        if (model_ == Accumulation::fma_chain) return;
        const auto format = model_ == Accumulation::fp16_fma_chain ? number::FormatId::fp16 : number::FormatId::bf16;
        sum_ = static_cast<C>(number::widen_16bit(number::round_to_16bit(static_cast<float>(sum_), format), format));
    }
    [[nodiscard]] C value() const {
        if (a_.empty()) return sum_;
        const auto k = static_cast<std::int64_t>(a_.size());
        const HostTensor a = rounded(a_, stored_, {1, k}), b = rounded(b_, stored_, {k, 1});
        const HostTensor sum = block_chain::product(model_, a, b, nullptr);
        if (sum.dtype == DType::fp32) return static_cast<C>(sum.as<float>()[0]);
        return static_cast<C>(number::widen_16bit(sum.as<std::uint16_t>()[0], number::FormatId::fp16));
    }

  private:
    Accumulation model_;
    DType stored_;
    C sum_ = 0;
    std::vector<float> a_, b_;
};

/// x at a place that may lie in the padding.
template <typename C>
C padded(const Window &w, const std::vector<C> &x, std::int64_t plane, std::int64_t z, std::int64_t y,
         std::int64_t column) {
    if (z < 0 || z >= w.depth.in || y < 0 || y >= w.in[0] || column < 0 || column >= w.in[1]) return C(0);
    return x[static_cast<std::size_t>(((plane * w.depth.in + z) * w.in[0] + y) * w.in[1] + column)];
}

/// Calls tap(place in one channel's kernel, kz, ky, kx) in row-major order.
template <typename Tap> void for_each_tap(const Window &w, const Tap &tap) {
    for (std::int64_t kz = 0; kz < w.depth.kernel; ++kz)
        for (std::int64_t ky = 0; ky < w.kernel[0]; ++ky)
            for (std::int64_t kx = 0; kx < w.kernel[1]; ++kx)
                tap((kz * w.kernel[0] + ky) * w.kernel[1] + kx, kz, ky, kx);
}
std::int64_t taps(const Window &w) { return w.depth.kernel * w.kernel[0] * w.kernel[1]; }

/// x under tap (kz, ky, kx) of output (oz, oy, ox).
template <typename C>
C under(const Window &w, const std::vector<C> &x, std::int64_t plane, std::array<std::int64_t, 3> o, std::int64_t kz,
        std::int64_t ky, std::int64_t kx) {
    return padded(w, x, plane, o[0] * w.depth.stride - w.depth.before + kz * w.depth.dilation,
                  o[1] * w.stride[0] - w.before[0] + ky * w.dilation[0],
                  o[2] * w.stride[1] - w.before[1] + kx * w.dilation[1]);
}

template <typename C>
std::vector<C> forward(const Window &w, const std::vector<C> &x, const std::vector<C> &weights,
                       const std::vector<C> &bias) {
    const std::int64_t in_group = w.in_channels / w.groups, out_group = w.out_channels / w.groups;
    std::vector<C> y;
    for (std::int64_t n = 0; n < w.samples; ++n)
        for (std::int64_t o = 0; o < w.out_channels; ++o)
            for (std::int64_t pixel = 0; pixel < w.depth.out() * w.out(0) * w.out(1); ++pixel) {
                const std::array place{pixel / w.out(1) / w.out(0), pixel / w.out(1) % w.out(0), pixel % w.out(1)};
                Chain<C> sum(w);
                for (std::int64_t c = 0; c < in_group; ++c)
                    for_each_tap(w, [&](std::int64_t tap, std::int64_t kz, std::int64_t ky, std::int64_t kx) {
                        const std::int64_t plane = n * w.in_channels + o / out_group * in_group + c;
                        sum.add(weights[static_cast<std::size_t>((o * in_group + c) * taps(w) + tap)],
                                under(w, x, plane, place, kz, ky, kx));
                    });
                y.push_back(bias.empty() ? sum.value() : sum.value() + bias[static_cast<std::size_t>(o)]);
            }
    return y;
}

template <typename C>
std::vector<C> input_gradient(const Window &w, const std::vector<C> &dy, const std::vector<C> &weights) {
    const std::int64_t in_group = w.in_channels / w.groups, out_group = w.out_channels / w.groups;
    std::vector<C> dx;
    for (std::int64_t n = 0; n < w.samples; ++n)
        for (std::int64_t c = 0; c < w.in_channels; ++c)
            for (std::int64_t pixel = 0; pixel < w.depth.in * w.in[0] * w.in[1]; ++pixel) {
                const std::int64_t iz = pixel / w.in[1] / w.in[0], iy = pixel / w.in[1] % w.in[0], ix = pixel % w.in[1];
                Chain<C> sum(w);
                for (std::int64_t o = c / in_group * out_group; o < (c / in_group + 1) * out_group; ++o)
                    for_each_tap(w, [&](std::int64_t tap, std::int64_t kz, std::int64_t ky, std::int64_t kx) {
                        const std::int64_t z = iz + w.depth.before - kz * w.depth.dilation;
                        const std::int64_t y = iy + w.before[0] - ky * w.dilation[0];
                        const std::int64_t x = ix + w.before[1] - kx * w.dilation[1];
                        if (z % w.depth.stride != 0 || y % w.stride[0] != 0 || x % w.stride[1] != 0)
                            return; // never on this pixel
                        const std::int64_t oz = z / w.depth.stride, oy = y / w.stride[0], ox = x / w.stride[1];
                        const bool outside =
                            z < 0 || y < 0 || x < 0 || oz >= w.depth.out() || oy >= w.out(0) || ox >= w.out(1);
                        const std::int64_t at =
                            (((n * w.out_channels + o) * w.depth.out() + oz) * w.out(0) + oy) * w.out(1) + ox;
                        sum.add(weights[static_cast<std::size_t>((o * in_group + c % in_group) * taps(w) + tap)],
                                outside ? C(0) : dy[static_cast<std::size_t>(at)]);
                    });
                dx.push_back(sum.value());
            }
    return dx;
}

/// The reduction tree of operation.h for at most 4096 values.
template <typename C> C tree(const std::vector<C> &values) {
    std::array<C, 32> lanes{};
    for (std::size_t i = 0; i < values.size(); ++i) lanes[i % 32] += values[i];
    for (std::size_t half = 16; half > 0; half /= 2)
        for (std::size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    return lanes[0];
}

template <typename C>
std::vector<C> weight_gradient(const Window &w, const std::vector<C> &dy, const std::vector<C> &x) {
    const std::int64_t in_group = w.in_channels / w.groups, out_group = w.out_channels / w.groups;
    const std::int64_t plane = w.depth.out() * w.out(0) * w.out(1), pixels = w.samples * plane;
    std::vector<C> dw;
    for (std::int64_t o = 0; o < w.out_channels; ++o)
        for (std::int64_t c = 0; c < in_group; ++c)
            for_each_tap(w, [&](std::int64_t, std::int64_t kz, std::int64_t ky, std::int64_t kx) {
                std::vector<C> chunks;
                for (std::int64_t first = 0; first < pixels; first += 1024) {
                    Chain<C> sum(w);
                    for (std::int64_t p = first; p < std::min(pixels, first + 1024); ++p) {
                        const std::int64_t n = p / plane, inside = p % plane;
                        const std::array place{inside / w.out(1) / w.out(0), inside / w.out(1) % w.out(0),
                                               inside % w.out(1)};
                        const C value =
                            under(w, x, n * w.in_channels + o / out_group * in_group + c, place, kz, ky, kx);
                        sum.add(dy[static_cast<std::size_t>((n * w.out_channels + o) * plane + inside)], value);
                    }
                    chunks.push_back(sum.value());
                }
                dw.push_back(tree(chunks));
            });
    return dw;
}

void check_operation(const Window &w, OpKind kind, std::vector<TensorView> inputs, const HostTensor &wanted) {
    const Operation operation{kind, w.attributes(), {}};
    INFO(name_of(kind));
    for_every_level_and_thread_count([&](ThreadPool &threads) {
        HostTensor out(wanted.dtype, wanted.shape);
        const std::vector<TensorView> outputs{out.view()};
        number::RangeStatistics statistics;
        const std::vector<number::RangeStatistics *> wants{&statistics};
        run_convolution({operation, inputs, outputs, wants, {}, threads});
        CHECK(first_difference(out, wanted) == "");
        CHECK(statistics.count == static_cast<std::uint64_t>(wanted.shape.elements()));
    });
}

template <typename C> void check(Window w, DType dtype_x, DType dtype_w, DType dtype_out) {
    w.stored = dtype_x;
    const std::string text = w.text() + " " + std::string(name_of(w.accumulation));
    INFO(text);
    HostTensor x = random_tensor(dtype_x, w.x_shape(), 1), weights = random_tensor(dtype_w, w.w_shape(), 2);
    HostTensor dy = random_tensor(dtype_x, w.y_shape(), 3), bias = random_tensor(dtype_w, {w.out_channels}, 4);
    const auto vx = widened<C>(x), vw = widened<C>(weights), vdy = widened<C>(dy), vbias = widened<C>(bias);
    check_operation(w, OpKind::convolution, {x.view(), weights.view()},
                    rounded(forward<C>(w, vx, vw, {}), dtype_out, w.y_shape()));
    check_operation(w, OpKind::convolution, {x.view(), weights.view(), bias.view()},
                    rounded(forward<C>(w, vx, vw, vbias), dtype_out, w.y_shape()));
    check_operation(w, OpKind::convolution_input_gradient, {dy.view(), weights.view()},
                    rounded(input_gradient<C>(w, vdy, vw), dtype_out, w.x_shape()));
    check_operation(w, OpKind::convolution_weight_gradient, {dy.view(), x.view()},
                    rounded(weight_gradient<C>(w, vdy, vx), dtype_out, w.w_shape()));
}

TEST_CASE("convolution: bits of the definition over windows, groups and dtypes") {
    const std::vector<Window> windows{
        {1, 1, 1, 1, {1, 1}, {1, 1}},
        {2, 3, 5, 1, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {3, 4, 7, 1, {8, 19}, {3, 5}, {1, 1}, {1, 1}, {0, 2}, {2, 0}},
        {2, 3, 4, 1, {11, 12}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
        {2, 3, 4, 1, {10, 13}, {3, 2}, {3, 2}, {2, 1}, {2, 1}, {0, 1}},
        {2, 2, 3, 1, {7, 9}, {1, 1}, {2, 2}},                           // phases that no tap reaches
        {2, 2, 3, 1, {9, 9}, {2, 2}, {4, 3}, {3, 2}, {3, 0}, {0, 4}},   // stride beyond the kernel
        {2, 2, 3, 1, {13, 11}, {3, 3}, {1, 1}, {2, 3}, {2, 3}, {2, 3}}, // dilated
        {2, 8, 12, 4, {6, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},  // grouped
        {3, 6, 6, 6, {9, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},  // depthwise
        {2, 4, 8, 4, {9, 9}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},   // depthwise, two a channel, strided
        {5, 3, 24, 1, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},  // grids too narrow for vectors
        {9, 17, 18, 1, {1, 1}, {1, 1}},                                 // a fully connected layer
        {3, 2, 17, 1, {5, 5}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
        {2, 33, 6, 1, {5, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, // more taps than one stretch of k
        {2, 40, 20, 1, {3, 3}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {3, 3, 5, 1, {1, 40}, {1, 5}, {1, 2}, {1, 1}, {0, 2}, {0, 1}, true}, // one spatial axis
        {2, 4, 4, 2, {1, 21}, {1, 3}, {1, 1}, {1, 2}, {0, 2}, {0, 2}, true},
        {2, 2, 3, 1, {5, 6}, {7, 7}, {1, 1}, {1, 1}, {3, 3}, {3, 3}}, // a kernel larger than the image
    };
    const std::vector<DType> dtypes{DType::fp32, DType::fp16, DType::bf16};
    for (std::size_t i = 0; i < windows.size(); ++i)
        check<float>(windows[i], dtypes[i % 3], dtypes[i / 3 % 3], dtypes[(i + 1) % 3]);
}

TEST_CASE("convolution: three spatial axes") {
    const auto over = [](Window w, const Depth &depth) {
        w.depth = depth;
        w.three_dimensional = true;
        return w;
    };
    const std::vector<Window> windows{
        over({1, 1, 1, 1, {1, 1}, {1, 1}}, {}),
        over({2, 3, 5, 1, {5, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {4, 3, 1, 1, 1, 1}),
        over({2, 3, 4, 1, {5, 7}, {3, 2}, {2, 1}, {1, 1}, {1, 1}, {1, 0}}, {7, 3, 2, 1, 1, 1}),
        over({2, 4, 6, 2, {5, 4}, {1, 3}, {1, 2}, {1, 1}, {0, 1}, {0, 1}}, {9, 3, 1, 2, 2, 1}), // dilated, grouped
        over({1, 2, 3, 1, {4, 4}, {2, 2}, {3, 3}, {1, 1}, {0, 0}, {0, 0}}, {8, 2, 3, 1, 0, 2}), // stride beyond kernel
        over({3, 4, 4, 4, {6, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {5, 5, 2, 1, 3, 2}), // depthwise
        over({2, 1, 2, 1, {16, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {6, 2, 1, 1, 0, 0}), // chunks of pixels
    };
    const std::vector<DType> dtypes{DType::fp32, DType::fp16, DType::bf16};
    for (std::size_t i = 0; i < windows.size(); ++i) {
        check<float>(windows[i], dtypes[i % 3], dtypes[i / 2 % 3], dtypes[(i + 1) % 3]);
        Window unit = windows[i];
        unit.accumulation = i % 2 ? Accumulation::hopper : Accumulation::volta;
        check<float>(unit, DType::fp16, DType::fp16, DType::fp16);
    }
    check<double>(windows[1], DType::fp64, DType::fp32, DType::fp64);
    ThreadPool threads(1);
    HostTensor x(DType::fp32, {1, 3, 5, 5, 5}), w(DType::fp32, {2, 3, 3, 3, 3}), y(DType::fp32, {1, 2, 5, 3, 3});
    const std::vector<TensorView> inputs{x.view(), w.view()}, outputs{y.view()};
    const Operation operation{OpKind::convolution, Convolution{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}}, {}};
    CHECK_THROWS_WITH_AS(run_convolution({operation, inputs, outputs, {}, {}, threads}),
                         "convolution: shapes do not fit: input [1, 3, 5, 5, 5], weights [2, 3, 3, 3, 3], output "
                         "[1, 2, 5, 3, 3]",
                         std::invalid_argument);
}

TEST_CASE("convolution: a weight gradient over many chunks of pixels, inside and across samples") {
    check<float>({40, 2, 3, 1, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, DType::fp16, DType::fp16, DType::fp32);
    check<float>({2, 1, 2, 1, {70, 41}, {3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 1}}, DType::fp16, DType::fp16, DType::fp32);
    check<float>({35, 1, 2, 1, {32, 32}, {1, 1}}, DType::bf16, DType::bf16, DType::bf16); // 35 chunks: lanes wrap
}

TEST_CASE("convolution: accumulators that round after every step") {
    for (const Accumulation model : {Accumulation::fp16_fma_chain, Accumulation::bf16_fma_chain}) {
        Window w{3, 5, 9, 1, {8, 8}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
        w.accumulation = model;
        check<float>(w, DType::fp16, DType::fp16, DType::fp16);
        w.in = {4, 4};
        w.out_channels = 18;
        check<float>(w, DType::fp16, DType::fp16, DType::fp16);
    }
}

TEST_CASE("convolution: accumulators of matrix units") {
    const std::vector<std::pair<Accumulation, DType>> models{
        {Accumulation::volta, DType::fp16},  {Accumulation::ampere, DType::bf16},
        {Accumulation::hopper, DType::fp16}, {Accumulation::hopper, DType::fp32},
        {Accumulation::ada, DType::fp32},    {Accumulation::hopper_fp16acc, DType::fp16},
        {Accumulation::hopper, DType::bf16}, {Accumulation::cpu_avx512bf16, DType::bf16}};
    const std::vector<Window> windows{
        {2, 3, 5, 1, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
        {2, 3, 4, 1, {10, 13}, {3, 2}, {3, 2}, {2, 1}, {2, 1}, {0, 1}},
        {2, 8, 12, 4, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, // grouped, grids narrower than vectors
        {2, 4, 4, 4, {6, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, // depthwise
        {1, 33, 3, 1, {3, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, // more taps than one stretch of k
        {2, 1, 2, 1, {33, 17}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}} // two chunks of pixels
    };
    for (std::size_t i = 0; i < models.size(); ++i)
        for (std::size_t j = i % 2; j < windows.size(); j += 2) { // each model meets half of the windows
            Window w = windows[j];
            w.accumulation = models[i].first;
            check<float>(w, models[i].second, models[i].second, j % 4 == 0 ? models[i].second : DType::fp32);
        }
    ThreadPool threads(1);
    const Window w{1, 1, 1, 1, {3, 9}, {3, 3}};
    HostTensor x(DType::fp16, w.x_shape()), weights(DType::bf16, w.w_shape()), y(DType::fp32, w.y_shape());
    Convolution attributes = w.attributes();
    attributes.accumulation = Accumulation::hopper;
    const Operation operation{OpKind::convolution, attributes, {}};
    const std::vector<TensorView> inputs{x.view(), weights.view()}, outputs{y.view()};
    CHECK_THROWS_WITH_AS(run_convolution({operation, inputs, outputs, {}, {}, threads}),
                         "convolution: accumulation 'hopper' takes operands of one format, got fp16 and bf16",
                         std::invalid_argument);
}

TEST_CASE("convolution: fp64 operands make fp64 chains") {
    check<double>({2, 3, 5, 1, {9, 9}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, DType::fp64, DType::fp64, DType::fp64);
    check<double>({2, 3, 17, 1, {3, 3}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, DType::fp64, DType::fp32, DType::fp64);
}

TEST_CASE("convolution: padding meets infinite weights as +0 does") {
    const Window w{1, 1, 1, 1, {3, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    HostTensor x = random_tensor(DType::fp32, w.x_shape(), 1), weights = random_tensor(DType::fp32, w.w_shape(), 2);
    weights.as<float>()[0] = std::numeric_limits<float>::infinity();
    const auto vx = widened<float>(x), vw = widened<float>(weights);
    check_operation(w, OpKind::convolution, {x.view(), weights.view()},
                    rounded(forward<float>(w, vx, vw, {}), DType::fp16, w.y_shape()));
    check_operation(w, OpKind::convolution_input_gradient, {x.view(), weights.view()},
                    rounded(input_gradient<float>(w, vx, vw), DType::fp16, w.x_shape()));
}

TEST_CASE("convolution: no samples, no work") {
    check<float>({0, 2, 3, 1, {5, 5}, {3, 3}}, DType::fp32, DType::fp32, DType::fp32);
}

TEST_CASE("convolution: what does not fit is refused in one sentence") {
    ThreadPool threads(1);
    HostTensor x(DType::fp32, {1, 3, 5, 5}), w(DType::fp32, {2, 3, 3, 3}), y(DType::fp32, {1, 2, 5, 5});
    const std::vector<TensorView> inputs{x.view(), w.view()}, outputs{y.view()};
    const auto run = [&](const Convolution &attributes) {
        const Operation operation{OpKind::convolution, attributes, {}};
        run_convolution({operation, inputs, outputs, {}, {}, threads});
    };
    CHECK_THROWS_WITH_AS(run({{1, 1}, {1, 1}, {0, 0}, {0, 0}}),
                         "convolution: shapes do not fit: input [1, 3, 5, 5], weights [2, 3, 3, 3], output "
                         "[1, 2, 5, 5], groups 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(run({{1}, {1, 1}, {1, 1}, {1, 1}}),
                         "convolution: strides, dilations and pads need one entry per spatial axis",
                         std::invalid_argument);
}

} // namespace
} // namespace halfscope::ops
