// Every operation HalfScope executes: its name, inputs, outputs, order of accumulation and rounding points.
// This header is the definition. The CPU emulator and the device kernels both implement it, and their bits must be
// equal.
//
// Rules that hold for every operation unless its line says otherwise:
//   * C, the compute type, is fp32; it is fp64 when any floating operand is stored as fp64 (reference runs only).
//   * Operands are converted exactly from their storage to C. Operands may differ in dtype.
//   * The listed steps are carried out in C, each rounded to nearest even, in the order written. `fma` is rounded once.
//   * Each floating result is rounded ONCE from C to its output's storage type, by Operation::rounding.
//   * exp, log, tanh, erf, sin, cos, rsqrt are the functions of ops/transcendental.h (same bits everywhere).
//   * tree(x_0..x_n-1), the fixed reduction: 32 lanes, lane l adding x_l, x_l+32, x_l+64, ... in index order starting
//     from +0 (max: from the first element), then lanes i and i+16 are combined, i and i+8, +4, +2, +1. For n > 4096
//     the input is cut into consecutive chunks of 4096, each reduced so, and the chunk results are reduced by the same
//     tree.
//   * Elementwise operations broadcast as NumPy does.
#pragma once

#include "emulation/ops/tensor.h"

#include <cstdint>
#include <limits>
#include <string_view>
#include <variant>
#include <vector>

namespace halfscope::ops {

enum class OpKind : std::uint8_t {
    // --- elementwise, one operand: y = f(x). Attributes: none, or Scalars where named.
    cast,         ///< conversion only; float to int64 truncates toward zero, to boolean is x != 0
    negate,       ///<
    absolute,     ///<
    exponential,  ///< exp(x)
    logarithm,    ///< log(x)
    square_root,  ///< correctly rounded sqrt
    reciprocal,   ///< 1 / x
    sine,         ///<
    cosine,       ///<
    tanh,         ///<
    erf,          ///<
    sigmoid,      ///< 1 / (1 + exp(-x))
    relu,         ///< x > 0 ? x : (x is NaN ? NaN : +0)
    leaky_relu,   ///< x >= 0 ? x : alpha * x
    elu,          ///< x > 0 ? x : alpha * (exp(x) - 1)
    gelu,         ///< (x * 0.5) * (1 + erf(x * sqrt(1/2)))
    gelu_tanh,    ///< (0.5 * x) * (1 + tanh(sqrt(2/pi) * fma(0.044715 * x*x, x, x))) with x*x first
    silu,         ///< x / (1 + exp(-x))
    softplus,     ///< x > 20 ? x : log(1 + exp(x))
    hard_sigmoid, ///< min(1, max(0, alpha * x + beta))
    hard_swish,   ///< x * min(6, max(0, x + 3)) / 6
    clip,         ///< min(max(x, alpha), beta); NaN stays NaN
    floor,        ///<
    ceil,         ///<
    round,        ///< to nearest even
    sign,         ///< -1, 0, 1
    logical_not,  ///< boolean
    is_nan,       ///< boolean result
    power_scalar, ///< x^alpha: alpha 2 is x*x, 3 is (x*x)*x, 0.5 sqrt, -0.5 1/sqrt(x), -1 1/x, -2 1/(x*x), 1 x; else
                  ///< exp(alpha*log|x|) with the sign of an odd integer power
    scale,        ///< alpha * x (alpha kept in C, as PyTorch keeps a Python scalar)
    shift,        ///< x + alpha
    // --- elementwise, two operands. int64 operands give int64 results in the arithmetic ones.
    add,      ///<
    subtract, ///<
    multiply, ///<
    divide,   ///< int64: truncating
    power,    ///< x^y as power_scalar
    minimum,  ///< NaN if either is
    maximum,  ///<
    modulo,   ///< alpha 0: sign of the divisor (integers); alpha 1: fmod
    equal,    ///< boolean results
    less,
    less_equal,
    greater,
    greater_equal,
    logical_and,
    logical_or,
    where, ///< (condition boolean, a, b) -> condition ? a : b
    // --- elementwise gradients, fused as the usual kernels fuse them. dy is the output gradient.
    relu_gradient,       ///< (dy, y) -> y > 0 ? dy : 0
    leaky_relu_gradient, ///< (dy, x) -> x > 0 ? dy : alpha * dy
    elu_gradient,        ///< (dy, x) -> x > 0 ? dy : (dy * alpha) * exp(x)
    tanh_gradient,       ///< (dy, y) -> dy * (1 - y*y)
    sigmoid_gradient,    ///< (dy, y) -> (dy * (1 - y)) * y
    gelu_gradient, ///< (dy, x) -> dy * (cdf + x * pdf), cdf = 0.5*(1+erf(x*sqrt(1/2))), pdf = exp(-0.5*x*x) * (1/sqrt(2
                   ///< pi))
    gelu_tanh_gradient,    ///< (dy, x) -> as PyTorch's kernel: dy * (left_derivative + right_derivative)
    silu_gradient,         ///< (dy, x) -> (dy * s) * (1 + x * (1 - s)), s = sigmoid(x)
    softplus_gradient,     ///< (dy, x) -> x > 20 ? dy : dy * e / (e + 1), e = exp(x)
    hard_sigmoid_gradient, ///< (dy, x) -> 0 < alpha*x+beta < 1 ? dy * alpha : 0
    hard_swish_gradient,   ///< (dy, x) -> x < -3 ? 0 : x <= 3 ? dy * (x / 3 + 0.5) : dy
    clip_gradient,         ///< (dy, x) -> alpha <= x <= beta ? dy : 0
    absolute_gradient,     ///< (dy, x) -> dy * sign(x)
    square_root_gradient,  ///< (dy, y) -> dy / (2 * y)
    // --- reductions over Reduction::axes (empty: all). Order: tree over the reduced elements in row-major order.
    reduce_sum,  ///<
    reduce_mean, ///< tree sum divided by n
    reduce_max,  ///< NaN if any is
    reduce_min,
    reduce_product,     ///< tree with * from 1
    reduce_sum_squares, ///< tree of x*x
    argmax,             ///< int64 index along the single axis, first of equals
    top_k, ///< Axis; int64 indices of the largest along the axis, as many as the output has there, the largest first,
           ///< of equals the lower index first, NaN above all numbers
    // --- matrix products
    matmul, ///< (A, B[, bias]) Matmul; per output one chain over k, then + bias (rounded in C), then rounding to
            ///< storage
    // --- convolution, N C spatial (1 to 3 spatial axes; z, the outermost, and y are left out where there are fewer),
    // Convolution
    convolution, ///< (x, w[, bias]); chain over (input channel, kernel z, y, x), padding taps contribute x = +0; then
                 ///< + bias
    convolution_input_gradient,  ///< (dy, w) -> dx; chain over (output channel, kernel z, y, x). Taps that the stride
                                 ///< never puts on this pixel are skipped; taps whose output lies outside contribute
                                 ///< dy = +0. Also the forward of ConvTranspose
    convolution_weight_gradient, ///< (dy, x) -> dw; the pixel list (sample, oz, oy, ox) is cut into chunks of 1024; a
                                 ///< chain inside each, then tree over the chunks
    // --- pooling, Pooling
    max_pool,              ///< (x) -> y, int64 flat index of the winner in its plane (first of equals; NaN wins)
    max_pool_gradient,     ///< (dy, index) -> dx; contributions to one pixel added in output row-major order
    average_pool,          ///< (x) -> y; sum in window row-major order, divided by the count
    average_pool_gradient, ///< (dy) -> dx; dy / count added in output row-major order
    // --- normalisation, Normalization. Statistics in C: mean = tree / n, then variance = tree((x - mean)^2) / n, rstd
    // = 1 / sqrt(variance + epsilon). h = (x - mean) * rstd; an absent gamma is 1, an absent beta 0. y is made from the
    // unrounded statistics. Gradients read the statistics they are given, as stored.
    batch_norm_training,  ///< (x, gamma, beta, running_mean, running_var) -> y, mean, rstd, new_running_mean,
                          ///< new_running_var. reduced over N and space in that order; y = fma(h, gamma, beta); running
                          ///< = (1 - momentum) * running + momentum * new, new variance tree / (n - 1); 1 - momentum is
                          ///< taken in double
    batch_norm_inference, ///< (x, gamma, beta, mean, variance) -> y = fma(h, gamma, beta)
    batch_norm_gradient,  ///< (dy, x, gamma, mean, rstd) -> dx, dgamma, dbeta. Per channel: s = tree(dy), p =
                          ///< tree((x - mean) * dy), k = ((p / n) * rstd) * rstd; dx = fma(-(x - mean), k, dy - s / n)
                          ///< * (rstd * gamma); dgamma = p * rstd; dbeta = s
    batch_norm_inference_gradient, ///< (dy, x, gamma, mean, variance) -> dx = dy * (rstd * gamma), dgamma = p * rstd,
                                   ///< dbeta = s, with s, p as above and rstd = 1 / sqrt(variance + epsilon)
    layer_norm, ///< (x[, gamma[, beta]]) -> y[, mean, rstd]; over axes [axis, rank); y = fma(h, gamma, beta), h
                ///< without gamma, h * gamma without beta
    layer_norm_gradient, ///< (dy, x, mean, rstd[, gamma]) -> dx[, dgamma[, dbeta]]. Per row: g = dy * gamma, a =
                         ///< tree(g)
    ///< / n, b = tree(g * h) / n; dx = fma(-h, b, g - a) * rstd. Per column, over the rows: dgamma =
    ///< tree(dy * h), dbeta = tree(dy)
    rms_norm,          ///< (x[, gamma]) -> y[, rstd]; y = (x * rstd) * gamma, rstd = 1 / sqrt(tree(x*x)/n + epsilon)
    rms_norm_gradient, ///< (dy, x, rstd[, gamma]) -> dx[, dgamma]. h = x * rstd, g = dy * gamma, b = tree(g * h) / n;
                       ///< dx = fma(-h, b, g) * rstd; dgamma = tree(dy * h) over the rows
    group_norm,        ///< (x, gamma, beta) -> y[, mean, rstd]; x is N C space, statistics per (sample, group) over its
                       ///< channels and space in order; y = fma(h, gamma, beta), gamma and beta per channel
    group_norm_gradient, ///< (dy, x, mean, rstd, gamma) -> dx, dgamma, dbeta. dx per group as layer_norm_gradient's per
                         ///< row; dgamma = tree(dy * h), dbeta = tree(dy) over N and space in that order
    // --- softmax and losses
    softmax,              ///< Axis; m = max, e = exp(x - m), y = e / tree(e)
    softmax_gradient,     ///< (dy, y) -> y * (dy - tree(dy * y))
    log_softmax,          ///< (x - m) - log(tree(exp(x - m)))
    log_softmax_gradient, ///< (dy, y) -> dy - exp(y) * tree(dy)
    nll_loss, ///< (log-probabilities [N, classes, ...], int64 targets) -> scalar or per element. Loss; mean over
              ///< targets != ignore_index
    nll_loss_gradient,        ///< (dy, targets) -> d log-probabilities (shape of output 0)
    mse_loss,                 ///< (p, t) -> mean (p - t)^2, tree
    mse_loss_gradient,        ///< (dy, p, t) -> ((2/n) * (p - t)) * dy
    bce_with_logits,          ///< (z, t) -> mean of max(z,0) - z*t + log(1 + exp(-|z|))
    bce_with_logits_gradient, ///< (dy, z, t) -> ((sigmoid(z) - t) * dy) / n
    // --- data movement, exact
    gather, ///< (data, int64 indices) along Axis, as ONNX Gather (embedding: axis 0); negative indices count from the
            ///< end
    gather_gradient, ///< (dy, indices) -> d data; contributions to one element added in C in index order, one rounding
                     ///< at the end
    gather_elements, ///< (data, indices) as ONNX GatherElements
    gather_elements_gradient, ///< (dy, indices) -> d data, added in index order
    transpose,                ///< Permutation
    reshape,                  ///< same bytes, new shape
    expand,                   ///< broadcast to the output's shape
    concat,                   ///< Axis, any number of operands
    slice,                    ///< Slice
    slice_gradient,           ///< (dy) -> zeros of the output's shape with dy written at the slice
    pad,                      ///< Slice: starts = leading pads, ends = trailing pads, value = fill
    trilu,                    ///< Scalars: alpha 1 keeps the upper triangle, beta = diagonal
    one_hot,                  ///< (int64 indices) -> floating, Axis; Scalars-free: on 1, off 0
    cumulative_sum,           ///< Axis; sequential
    resize_nearest,           ///< asymmetric, floor: y[i] = x[floor(i * in / out)]
    resize_nearest_gradient,  ///< (dy) -> dx, added in output order
    dropout, ///< Scalars: alpha = ratio; (x) -> y, boolean mask; keep when a Philox uniform >= ratio; y = x * (1 / (1 -
             ///< ratio))
    dropout_gradient, ///< (dy, mask) -> dx
    random_uniform,   ///< Scalars: alpha + (beta - alpha) * Philox uniform; (x) lends its shape, not its values
    random_normal,    ///< Scalars: alpha + beta * Box-Muller of Philox words (random/philox.h); (x) as above
    fill,             ///< () -> alpha everywhere
    // --- training
    unscale_check, ///< (g..., scalar fp32 inverse scale) -> each g * inverse scale, fp32 scalar found = 1 when any
                   ///< element of any g (before the multiply) is inf or NaN, else 0
    sgd_step,      ///< OptimizerStep, see ops/optimizer_step.h
    adam_step,     ///< OptimizerStep
};

/// How a result leaves C for its storage type.
struct OutputRounding {
    enum class Mode : std::uint8_t { nearest_even, stochastic, toward_zero } mode = Mode::nearest_even;
    bool flush_subnormals = false; ///< results subnormal in the storage type become zero of the same sign
    friend bool operator==(const OutputRounding &, const OutputRounding &) = default;
};

/// How a matrix product accumulates over k, ascending, from acc = +0 (or from a given start, Matmul::onto_third).
/// The fma chains take any floating operands. The others take k in blocks of consecutive products, the last block
/// filled up with zero products, and both operands must have one format that the unit has; fp32 operands are read as
/// tf32, their low 13 bits cut off, not rounded. Padding taps of a convolution are x = +0 there too. What follows the
/// accumulation (alpha, bias, the trees over partial results) is C's, as everywhere.
enum class Accumulation : std::uint8_t {
    fma_chain,      ///< acc = fma(a_k, b_k, acc) in C
    fp16_fma_chain, ///< as fma_chain, the accumulator rounded to fp16 after every fma
    bf16_fma_chain, ///< as fma_chain, the accumulator rounded to bf16 after every fma
    // Matrix units, acc = fused_dot_add(block, acc) of number/tensor_core.h with acc in fp32.
    volta,     ///< blocks of 4 fp16
    turing,    ///< 8 fp16
    ampere,    ///< 8 fp16 or bf16, 4 tf32
    ada,       ///< as ampere
    hopper,    ///< 16 fp16 or bf16, 8 tf32
    blackwell, ///< as hopper
    // The same with acc in fp16; operands are fp16.
    volta_fp16acc,
    turing_fp16acc,
    ampere_fp16acc,
    ada_fp16acc,
    hopper_fp16acc,
    blackwell_fp16acc,
    cpu_avx512bf16, ///< VDPBF16PS, number/cpu_dot_product.h: pairs of bf16, the odd one first, flushing subnormals
};

struct Scalars {
    double alpha = 0;
    double beta = 0;
};
struct Axis {
    int axis = 0; ///< already non-negative
};
struct Reduction {
    std::vector<int> axes; ///< non-negative, ascending; empty means all
    bool keep_dims = false;
};
/// C = alpha * op(A) op(B) [+ bias]; leading axes broadcast as NumPy matmul does; operands have rank >= 2.
/// The bias is any shape that broadcasts to the result. alpha != 1 multiplies the finished chain in C before the bias.
struct Matmul {
    bool transpose_a = false; ///< A is [..., k, m]
    bool transpose_b = false; ///< B is [..., n, k]
    double alpha = 1;
    double beta = 1; ///< multiplies the bias in C
    Accumulation accumulation = Accumulation::fma_chain;
    /// The third operand is no bias but the accumulator's start: the first step or block adds onto it, as a matrix
    /// unit's C operand enters the first fused add. In a model that accumulates in fp16 or bf16 it must be stored so.
    bool onto_third = false;
};
/// Window geometry; vectors have one entry per spatial axis (1 to 3). w is [out, in / groups, kernel...].
struct Convolution {
    std::vector<std::int64_t> strides, dilations, pads_begin, pads_end;
    std::int64_t groups = 1;
    Accumulation accumulation = Accumulation::fma_chain;
};
struct Pooling {
    std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;
    bool count_include_pad = false;
    std::vector<std::int64_t> ceil_extra; ///< the part of pads_end that ceil mode added: never counted. Empty: none
};
struct Normalization {
    double epsilon = 1e-5;
    double momentum = 0.1; ///< weight of the new statistic, as in PyTorch (ONNX's is 1 minus this)
    int axis = -1;         ///< first normalised axis (layer_norm, rms_norm), non-negative
    std::int64_t groups = 1;
};
struct Loss {
    std::int64_t ignore_index = std::numeric_limits<std::int64_t>::min();
    bool mean = true;         ///< mean over the counted targets, else the sum
    bool per_element = false; ///< no reduction at all
};
struct Permutation {
    std::vector<int> order;
};
struct Slice {
    std::vector<std::int64_t> starts, ends, steps; ///< one per axis, already clamped; steps may be negative
    double value = 0;
};
/// One optimizer update of one tensor; layout of operands in ops/optimizer_step.h.
struct OptimizerStep {
    double learning_rate = 0;
    double momentum = 0, dampening = 0;
    bool nesterov = false;
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    double weight_decay = 0;
    bool decoupled_weight_decay = false; ///< AdamW
    std::int64_t step = 1;               ///< 1 on the first update; bias correction uses it
    bool round_hyperparameters = false;  ///< lr, betas, eps rounded to the state's storage type first
    bool kahan = false;                  ///< compensated update of a 16-bit weight
};

/// One operation with its attributes; operands are given when it is run.
struct Operation {
    OpKind kind = OpKind::cast;
    std::variant<std::monostate, Scalars, Axis, Reduction, Matmul, Convolution, Pooling, Normalization, Loss,
                 Permutation, Slice, OptimizerStep>
        attributes;
    OutputRounding rounding;

    template <typename T> [[nodiscard]] const T &get() const { return std::get<T>(attributes); }
};

/// "layer_norm_gradient" for OpKind::layer_norm_gradient.
[[nodiscard]] std::string_view name_of(OpKind kind);

/// Whether a result depends on the random key.
[[nodiscard]] constexpr bool draws(OpKind kind) {
    return kind == OpKind::dropout || kind == OpKind::random_uniform || kind == OpKind::random_normal;
}

/// "hopper-fp16acc" and back; names as on the command line. `accumulation_from` throws std::invalid_argument with the
/// list of names.
[[nodiscard]] std::string_view name_of(Accumulation model);
[[nodiscard]] Accumulation accumulation_from(std::string_view name);

} // namespace halfscope::ops
