#include "emulation/train/autocast/op_lists.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

namespace halfscope::train {
namespace {

// clang-format off
// The same lists serve fp16 and bf16: the target type is a setting of the region. A few rows are the names of the
// Python functions (linear, multi_dot, cross_entropy) beside those of the dispatcher.
constexpr std::string_view cuda_lower_precision[] = {
    "_convolution", "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d.input",
    "conv_transpose3d.input", "convolution", "prelu", "addmm", "addmv", "addr", "matmul", "einsum", "mm", "mv",
    "linalg_vecdot", "linear", "addbmm", "baddbmm", "bmm", "chain_matmul", "linalg_multi_dot",
    "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell",
    "_scaled_dot_product_flash_attention", "scaled_dot_product_attention", "__matmul__", "multi_dot",
    "conv_transpose2d", "conv_transpose3d", "GRUCell", "LSTMCell", "RNNCell"};

// AT_FORALL_FP32, then fp32_set_opt_dtype, then fp32_append_dtype, then names of the documentation.
constexpr std::string_view cuda_fp32[] = {
    "acos", "asin", "cosh", "erfinv", "exp", "expm1", "log", "log10", "log2", "log1p", "reciprocal", "rsqrt", "sinh",
    "tan", "pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar", "softplus", "layer_norm", "native_layer_norm",
    "group_norm", "frobenius_norm.dim", "nuclear_norm", "nuclear_norm.dim", "cosine_similarity", "poisson_nll_loss",
    "cosine_embedding_loss", "nll_loss", "nll_loss2d", "hinge_embedding_loss", "kl_div", "l1_loss", "smooth_l1_loss",
    "huber_loss", "mse_loss", "margin_ranking_loss", "multilabel_margin_loss", "soft_margin_loss",
    "triplet_margin_loss", "multi_margin_loss", "binary_cross_entropy_with_logits", "dist", "pdist", "cdist",
    "renorm", "logsumexp", "upsample_nearest1d", "_upsample_nearest_exact1d", "upsample_nearest2d",
    "_upsample_nearest_exact2d", "upsample_nearest3d", "_upsample_nearest_exact3d", "upsample_linear1d",
    "upsample_bilinear2d", "_upsample_bilinear2d_aa", "upsample_trilinear3d", "upsample_bicubic2d",
    "_upsample_bicubic2d_aa", "prod", "prod.dim_int", "prod.dim_Dimname", "softmax.int", "softmax.Dimname",
    "log_softmax.int", "log_softmax.Dimname", "cumprod", "cumprod.dimname", "cumsum", "cumsum.dimname",
    "linalg_vector_norm", "linalg_matrix_norm", "linalg_matrix_norm.str_ord", "sum", "sum.dim_IntList",
    "sum.dim_DimnameList", "norm.Scalar", "norm.ScalarOpt_dim", "norm.names_ScalarOpt_dim", "cross_entropy",
    "normalize", "softmin", "__pow__", "__rdiv__", "__rpow__", "__rtruediv__"};

constexpr std::string_view cuda_promote[] = {
    "addcdiv", "addcmul", "atan2", "bilinear", "cross", "dot", "vdot", "grid_sampler", "index_put", "tensordot",
    "scatter_add"};

// On the CPU layer_norm, softmax, exp and sum are not listed: they run in 16 bits.
constexpr std::string_view cpu_lower_precision[] = {
    "conv1d", "conv2d", "conv3d", "bmm", "mm", "linalg_vecdot", "baddbmm", "addmm", "addbmm", "linear", "matmul",
    "_convolution", "conv_tbc", "mkldnn_rnn_layer", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "prelu", "scaled_dot_product_attention", "_native_multi_head_attention"};

constexpr std::string_view cpu_fp32[] = {
    "avg_pool3d", "binary_cross_entropy", "grid_sampler", "grid_sampler_2d", "_grid_sampler_2d_cpu_fallback",
    "grid_sampler_3d", "polar", "prod", "quantile", "nanquantile", "stft", "cdist", "trace", "view_as_complex",
    "cholesky_inverse", "cholesky_solve", "inverse", "lu_solve", "orgqr", "ormqr", "pinverse", "max_pool3d",
    "max_unpool2d", "max_unpool3d", "adaptive_avg_pool3d", "reflection_pad1d", "reflection_pad2d",
    "replication_pad1d", "replication_pad2d", "replication_pad3d", "mse_loss", "cosine_embedding_loss", "nll_loss",
    "nll_loss2d", "hinge_embedding_loss", "poisson_nll_loss", "cross_entropy_loss", "l1_loss", "huber_loss",
    "margin_ranking_loss", "soft_margin_loss", "triplet_margin_loss", "multi_margin_loss", "ctc_loss", "kl_div",
    "multilabel_margin_loss", "binary_cross_entropy_with_logits", "fft_fft", "fft_ifft", "fft_fft2", "fft_ifft2",
    "fft_fftn", "fft_ifftn", "fft_rfft", "fft_irfft", "fft_rfft2", "fft_irfft2", "fft_rfftn", "fft_irfftn",
    "fft_hfft", "fft_ihfft", "linalg_cond", "linalg_matrix_rank", "linalg_solve", "linalg_cholesky", "linalg_svdvals",
    "linalg_eigvals", "linalg_eigvalsh", "linalg_inv", "linalg_householder_product", "linalg_tensorinv",
    "linalg_tensorsolve", "fake_quantize_per_tensor_affine", "geqrf", "_lu_with_info", "qr", "svd",
    "triangular_solve", "fractional_max_pool2d", "fractional_max_pool3d", "adaptive_max_pool3d",
    "multilabel_margin_loss_forward", "linalg_qr", "linalg_cholesky_ex", "linalg_svd", "linalg_eig", "linalg_eigh",
    "linalg_lstsq", "linalg_inv_ex"};

constexpr std::string_view cpu_promote[] = {
    "cat", "stack", "index_copy"};
// clang-format on

const std::array<AutocastLists, 2> all_lists{{
    {"torch-2-cuda", "PyTorch 2.x, device type cuda", cuda_lower_precision, cuda_fp32, cuda_promote},
    {"torch-2-cpu", "PyTorch 2.x, device type cpu (documented lists)", cpu_lower_precision, cpu_fp32, cpu_promote},
}};

bool holds(std::span<const std::string_view> list, std::string_view operation) {
    return std::any_of(list.begin(), list.end(),
                       [&](std::string_view entry) { return entry.substr(0, entry.find('.')) == operation; });
}

} // namespace

AutocastPolicy AutocastLists::policy_of(std::string_view operation) const {
    if (operation.empty()) return AutocastPolicy::unlisted;
    if (holds(lower_precision, operation)) return AutocastPolicy::lower_precision;
    if (holds(fp32, operation)) return AutocastPolicy::fp32;
    if (holds(promote, operation)) return AutocastPolicy::promote;
    return AutocastPolicy::unlisted;
}

std::span<const AutocastLists> autocast_lists() { return all_lists; }

const AutocastLists &autocast_lists_of(std::string_view name) {
    std::string names;
    for (const AutocastLists &lists : all_lists) {
        if (lists.name == name) return lists;
        names += (names.empty() ? "" : ", ") + std::string(lists.name);
    }
    throw std::invalid_argument("no autocast lists are called '" + std::string(name) + "'; there are " + names);
}

} // namespace halfscope::train
