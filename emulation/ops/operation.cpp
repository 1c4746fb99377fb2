// Names of operations and accumulation models.
#include "emulation/ops/operation.h"

#include <stdexcept>
#include <string>

namespace halfscope::ops {

// Switches without a default, so that the compiler reports an enumerator that has no name.
std::string_view name_of(OpKind kind) {
    switch (kind) {
    case OpKind::cast: return "cast";
    case OpKind::negate: return "negate";
    case OpKind::absolute: return "absolute";
    case OpKind::exponential: return "exponential";
    case OpKind::logarithm: return "logarithm";
    case OpKind::square_root: return "square_root";
    case OpKind::reciprocal: return "reciprocal";
    case OpKind::sine: return "sine";
    case OpKind::cosine: return "cosine";
    case OpKind::tanh: return "tanh";
    case OpKind::erf: return "erf";
    case OpKind::sigmoid: return "sigmoid";
    case OpKind::relu: return "relu";
    case OpKind::leaky_relu: return "leaky_relu";
    case OpKind::elu: return "elu";
    case OpKind::gelu: return "gelu";
    case OpKind::gelu_tanh: return "gelu_tanh";
    case OpKind::silu: return "silu";
    case OpKind::softplus: return "softplus";
    case OpKind::hard_sigmoid: return "hard_sigmoid";
    case OpKind::hard_swish: return "hard_swish";
    case OpKind::clip: return "clip";
    case OpKind::floor: return "floor";
    case OpKind::ceil: return "ceil";
    case OpKind::round: return "round";
    case OpKind::sign: return "sign";
    case OpKind::logical_not: return "logical_not";
    case OpKind::is_nan: return "is_nan";
    case OpKind::power_scalar: return "power_scalar";
    case OpKind::scale: return "scale";
    case OpKind::shift: return "shift";
    case OpKind::add: return "add";
    case OpKind::subtract: return "subtract";
    case OpKind::multiply: return "multiply";
    case OpKind::divide: return "divide";
    case OpKind::power: return "power";
    case OpKind::minimum: return "minimum";
    case OpKind::maximum: return "maximum";
    case OpKind::modulo: return "modulo";
    case OpKind::equal: return "equal";
    case OpKind::less: return "less";
    case OpKind::less_equal: return "less_equal";
    case OpKind::greater: return "greater";
    case OpKind::greater_equal: return "greater_equal";
    case OpKind::logical_and: return "logical_and";
    case OpKind::logical_or: return "logical_or";
    case OpKind::where: return "where";
    case OpKind::relu_gradient: return "relu_gradient";
    case OpKind::leaky_relu_gradient: return "leaky_relu_gradient";
    case OpKind::elu_gradient: return "elu_gradient";
    case OpKind::tanh_gradient: return "tanh_gradient";
    case OpKind::sigmoid_gradient: return "sigmoid_gradient";
    case OpKind::gelu_gradient: return "gelu_gradient";
    case OpKind::gelu_tanh_gradient: return "gelu_tanh_gradient";
    case OpKind::silu_gradient: return "silu_gradient";
    case OpKind::softplus_gradient: return "softplus_gradient";
    case OpKind::hard_sigmoid_gradient: return "hard_sigmoid_gradient";
    case OpKind::hard_swish_gradient: return "hard_swish_gradient";
    case OpKind::clip_gradient: return "clip_gradient";
    case OpKind::absolute_gradient: return "absolute_gradient";
    case OpKind::square_root_gradient: return "square_root_gradient";
    case OpKind::reduce_sum: return "reduce_sum";
    case OpKind::reduce_mean: return "reduce_mean";
    case OpKind::reduce_max: return "reduce_max";
    case OpKind::reduce_min: return "reduce_min";
    case OpKind::reduce_product: return "reduce_product";
    case OpKind::reduce_sum_squares: return "reduce_sum_squares";
    case OpKind::argmax: return "argmax";
    case OpKind::top_k: return "top_k";
    case OpKind::matmul: return "matmul";
    case OpKind::convolution: return "convolution";
    case OpKind::convolution_input_gradient: return "convolution_input_gradient";
    case OpKind::convolution_weight_gradient: return "convolution_weight_gradient";
    case OpKind::max_pool: return "max_pool";
    case OpKind::max_pool_gradient: return "max_pool_gradient";
    case OpKind::average_pool: return "average_pool";
    case OpKind::average_pool_gradient: return "average_pool_gradient";
    case OpKind::batch_norm_training: return "batch_norm_training";
    case OpKind::batch_norm_inference: return "batch_norm_inference";
    case OpKind::batch_norm_gradient: return "batch_norm_gradient";
    case OpKind::batch_norm_inference_gradient: return "batch_norm_inference_gradient";
    case OpKind::layer_norm: return "layer_norm";
    case OpKind::layer_norm_gradient: return "layer_norm_gradient";
    case OpKind::rms_norm: return "rms_norm";
    case OpKind::rms_norm_gradient: return "rms_norm_gradient";
    case OpKind::group_norm: return "group_norm";
    case OpKind::group_norm_gradient: return "group_norm_gradient";
    case OpKind::softmax: return "softmax";
    case OpKind::softmax_gradient: return "softmax_gradient";
    case OpKind::log_softmax: return "log_softmax";
    case OpKind::log_softmax_gradient: return "log_softmax_gradient";
    case OpKind::nll_loss: return "nll_loss";
    case OpKind::nll_loss_gradient: return "nll_loss_gradient";
    case OpKind::mse_loss: return "mse_loss";
    case OpKind::mse_loss_gradient: return "mse_loss_gradient";
    case OpKind::bce_with_logits: return "bce_with_logits";
    case OpKind::bce_with_logits_gradient: return "bce_with_logits_gradient";
    case OpKind::gather: return "gather";
    case OpKind::gather_gradient: return "gather_gradient";
    case OpKind::gather_elements: return "gather_elements";
    case OpKind::gather_elements_gradient: return "gather_elements_gradient";
    case OpKind::transpose: return "transpose";
    case OpKind::reshape: return "reshape";
    case OpKind::expand: return "expand";
    case OpKind::concat: return "concat";
    case OpKind::slice: return "slice";
    case OpKind::slice_gradient: return "slice_gradient";
    case OpKind::pad: return "pad";
    case OpKind::trilu: return "trilu";
    case OpKind::one_hot: return "one_hot";
    case OpKind::cumulative_sum: return "cumulative_sum";
    case OpKind::resize_nearest: return "resize_nearest";
    case OpKind::resize_nearest_gradient: return "resize_nearest_gradient";
    case OpKind::dropout: return "dropout";
    case OpKind::dropout_gradient: return "dropout_gradient";
    case OpKind::random_uniform: return "random_uniform";
    case OpKind::random_normal: return "random_normal";
    case OpKind::fill: return "fill";
    case OpKind::unscale_check: return "unscale_check";
    case OpKind::sgd_step: return "sgd_step";
    case OpKind::adam_step: return "adam_step";
    }
    return {};
}

std::string_view name_of(Accumulation model) {
    switch (model) {
    case Accumulation::fma_chain: return "fma-chain";
    case Accumulation::fp16_fma_chain: return "fp16-fma-chain";
    case Accumulation::bf16_fma_chain: return "bf16-fma-chain";
    case Accumulation::volta: return "volta";
    case Accumulation::turing: return "turing";
    case Accumulation::ampere: return "ampere";
    case Accumulation::ada: return "ada";
    case Accumulation::hopper: return "hopper";
    case Accumulation::blackwell: return "blackwell";
    case Accumulation::volta_fp16acc: return "volta-fp16acc";
    case Accumulation::turing_fp16acc: return "turing-fp16acc";
    case Accumulation::ampere_fp16acc: return "ampere-fp16acc";
    case Accumulation::ada_fp16acc: return "ada-fp16acc";
    case Accumulation::hopper_fp16acc: return "hopper-fp16acc";
    case Accumulation::blackwell_fp16acc: return "blackwell-fp16acc";
    case Accumulation::cpu_avx512bf16: return "cpu-avx512bf16";
    }
    return {};
}

Accumulation accumulation_from(std::string_view name) {
    std::string known;
    for (int index = 0; index <= static_cast<int>(Accumulation::cpu_avx512bf16); ++index) {
        const auto model = static_cast<Accumulation>(index);
        if (name_of(model) == name) return model;
        known += (index ? ", " : "") + std::string(name_of(model));
    }
    throw std::invalid_argument("unknown accumulation '" + std::string(name) + "'; known are " + known);
}

} // namespace halfscope::ops
