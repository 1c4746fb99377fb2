#include "kernels/cuda_kernels/cuda_kernels.h"

#include "kernels/cuda_backend.h"
#include "kernels/inputs/operation_cases.h"
#include "kernels/on_device.h"

#include <algorithm>
#include <string>
#include <utility>

namespace halfscope::kernels {
namespace {

using ops::OpKind;

/// Kernels of the CUDA backend for some operations: those that `chosen` takes among the cases a device has kernels for.
/// Convolutions on the matrix unit are other kernels than those by fma.
template <typename Choice>
Kernel operations(std::string name, std::string order, CudaKernels kernels, Choice chosen,
                  bool on_matrix_unit = false) {
    Kernel kernel;
    kernel.name = std::move(name);
    kernel.task = Task::operation;
    kernel.accumulator = number::FormatId::fp32;
    kernel.order = std::move(order);
    kernel.place = Place::cuda;
    kernel.unavailable = no_cuda_device;
    kernel.machine = [kernels] { return make_cuda_backend(0, kernels); };
    kernel.cases = [chosen, on_matrix_unit](std::int64_t size) {
        std::vector<OperationCase> cases = operation_cases(size, chosen);
        std::erase_if(cases, [on_matrix_unit](const OperationCase &one) {
            const auto *window = std::get_if<ops::Convolution>(&one.operation.attributes);
            const bool by_unit = window != nullptr && window->accumulation != ops::Accumulation::fma_chain;
            return !one.on_device || by_unit != on_matrix_unit;
        });
        return cases;
    };
    return kernel;
}

/// The three passes of a convolution on the matrix unit, each with its reference.
std::vector<Kernel> convolutions_on_matrix_unit() {
    const std::string blocks = ", k ascending in the unit's blocks: " + device::matrix_unit();
    struct Pass {
        const char *name;
        OpKind kind;
        std::string order;
    };
    const Pass passes[] = {
        {"cuda-convolution-matrix-unit", OpKind::convolution,
         "mma.sync from +0 over (channel, kernel y, kernel x)" + blocks + "; then + bias"},
        {"cuda-convolution-input-gradient-matrix-unit", OpKind::convolution_input_gradient,
         "mma.sync from +0 over (channel, kernel y, kernel x), without taps that the stride never puts there" + blocks},
        {"cuda-convolution-weight-gradient-matrix-unit", OpKind::convolution_weight_gradient,
         "chunks of 1024 pixels, in each mma.sync from +0" + blocks + "; then the tree over the chunks"},
    };
    std::vector<Kernel> all;
    for (const Pass &pass : passes)
        for (const CudaKernels kernels : {CudaKernels::fast, CudaKernels::references}) {
            const bool reference = kernels == CudaKernels::references;
            const auto chosen = [kind = pass.kind](OpKind other) { return other == kind; };
            all.push_back(operations(std::string(pass.name) + (reference ? "-reference" : ""),
                                     pass.order + (reference ? "; one warp 16 x 8 results" : ""), kernels, chosen,
                                     true));
        }
    return all;
}

} // namespace

std::vector<Kernel> cuda_operations() {
    const auto among = [](const std::vector<OpKind> &kinds) {
        return [kinds](OpKind kind) { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); };
    };
    const auto elementwise = [](OpKind kind) { return kind < OpKind::reduce_sum; };
    const std::string chain = "from +0, one fma a product, k ascending over (channel, kernel y, kernel x); then + bias";
    const std::string chunks =
        "chunks of 1024 pixels, in each one fma a product from +0; then the tree over the chunks";
    const std::string statistics = "runs of 32 elements of 16 lanes in fp32, runs in double, lanes joined in halves, "
                                   "blocks of 4096 in order; counts and histogram exact";
    const std::string adam = "m, v, then w: each step of ops/optimizer_step.h rounded, then once to its storage";
    const std::string sgd = "b, then w: each step of ops/optimizer_step.h rounded, then once to its storage";
    const std::string unscale = "every g * inverse scale, one rounding; found: any of any g is inf or NaN";
    const CudaKernels fast = CudaKernels::fast, reference = CudaKernels::references;
    std::vector<Kernel> all = {
        operations("cuda-operations-elementwise", "each step of ops/operation.h to nearest even, then once to storage",
                   fast, elementwise),
        operations("cuda-operations-matmul",
                   "fma chain: from +0, one fma a product, k ascending; of the matrix unit: its blocks; then * alpha, "
                   "+ beta * bias",
                   fast, among({OpKind::matmul})),
        operations("cuda-convolution", chain, fast, among({OpKind::convolution})),
        operations("cuda-convolution-reference", chain + "; one thread a result", reference,
                   among({OpKind::convolution})),
        operations("cuda-convolution-input-gradient", chain + "; taps that the stride never puts there left out", fast,
                   among({OpKind::convolution_input_gradient})),
        operations("cuda-convolution-input-gradient-reference", chain + "; one thread a result", reference,
                   among({OpKind::convolution_input_gradient})),
        operations("cuda-convolution-weight-gradient", chunks, fast, among({OpKind::convolution_weight_gradient})),
        operations("cuda-convolution-weight-gradient-reference", chunks + "; one thread a result", reference,
                   among({OpKind::convolution_weight_gradient})),
        operations("cuda-reductions", "the tree over the reduced elements in row-major order", fast,
                   among({OpKind::reduce_sum, OpKind::reduce_mean, OpKind::reduce_max, OpKind::reduce_min,
                          OpKind::reduce_product, OpKind::reduce_sum_squares})),
        operations("cuda-argmax", "exact: the first of equals, NaN above all", fast, among({OpKind::argmax})),
        operations("cuda-top-k", "exact: the largest first, of equals the first, NaN above all", fast,
                   among({OpKind::top_k})),
        operations("cuda-running-sums", "along the axis, one after the other", fast, among({OpKind::cumulative_sum})),
        operations(
            "cuda-softmax-and-gradients", "the tree along the row; steps of ops/operation.h", fast,
            among({OpKind::softmax, OpKind::softmax_gradient, OpKind::log_softmax, OpKind::log_softmax_gradient})),
        operations("cuda-layer-norm-and-gradient", "trees along the row, of weights' gradients down the columns", fast,
                   among({OpKind::layer_norm, OpKind::layer_norm_gradient})),
        operations("cuda-rms-norm-and-gradient", "trees along the row, of weights' gradients down the columns", fast,
                   among({OpKind::rms_norm, OpKind::rms_norm_gradient})),
        operations("cuda-group-norm-and-gradient",
                   "trees over a group of a sample, of weights' gradients over (sample, pixel) of a channel", fast,
                   among({OpKind::group_norm, OpKind::group_norm_gradient})),
        operations("cuda-batch-norm-and-gradients", "trees over (sample, pixel) of a channel; steps of ops/operation.h",
                   fast,
                   among({OpKind::batch_norm_training, OpKind::batch_norm_inference, OpKind::batch_norm_gradient,
                          OpKind::batch_norm_inference_gradient})),
        operations(
            "cuda-pooling-and-gradients",
            "windows in row-major order, max: the first of equals; gradients: a pixel's windows in row-major order",
            fast,
            among({OpKind::max_pool, OpKind::max_pool_gradient, OpKind::average_pool, OpKind::average_pool_gradient})),
        operations("cuda-resize-and-gradient", "exact; gradient: from +0, a pixel's results in row-major order", fast,
                   among({OpKind::resize_nearest, OpKind::resize_nearest_gradient})),
        operations("cuda-losses-and-gradients", "terms, each step rounded; the tree over them, divided by their count",
                   fast,
                   among({OpKind::nll_loss, OpKind::nll_loss_gradient, OpKind::mse_loss, OpKind::mse_loss_gradient,
                          OpKind::bce_with_logits, OpKind::bce_with_logits_gradient})),
        operations("cuda-gather-and-gradient", "exact; gradient: from +0, what comes to a row added in index order",
                   fast, among({OpKind::gather, OpKind::gather_gradient})),
        operations("cuda-gather-elements-and-gradient",
                   "exact; gradient: from +0, what comes to an element added in index order", fast,
                   among({OpKind::gather_elements, OpKind::gather_elements_gradient})),
        operations("cuda-one-hot", "exact", fast, among({OpKind::one_hot})),
        operations("cuda-dropout-and-gradient",
                   "kept where the element's Philox word says so; one product, then once to storage", fast,
                   among({OpKind::dropout, OpKind::dropout_gradient})),
        operations("cuda-random-values", "Philox words; Box-Muller's steps as in random/philox.h, then once to storage",
                   fast, among({OpKind::random_uniform, OpKind::random_normal})),
        operations("cuda-movement", "exact: reshape, transpose, expand, concat, slice and its gradient, pad, trilu",
                   fast,
                   among({OpKind::reshape, OpKind::transpose, OpKind::expand, OpKind::concat, OpKind::slice,
                          OpKind::slice_gradient, OpKind::pad, OpKind::trilu})),
        operations("cuda-unscale-check", unscale, fast, among({OpKind::unscale_check})),
        operations("cuda-unscale-check-reference", unscale + "; one thread an element", reference,
                   among({OpKind::unscale_check})),
        operations("cuda-sgd-step", sgd, fast, among({OpKind::sgd_step})),
        operations("cuda-sgd-step-reference", sgd + "; one thread an element", reference, among({OpKind::sgd_step})),
        operations("cuda-adam-step", adam, fast, among({OpKind::adam_step})),
        operations("cuda-adam-step-reference", adam + "; one thread an element", reference, among({OpKind::adam_step})),
        operations("cuda-statistics", statistics, fast, among({OpKind::cast})),
        operations("cuda-statistics-reference", statistics + "; one thread", reference, among({OpKind::cast})),
    };
    for (Kernel &kernel : convolutions_on_matrix_unit()) all.push_back(std::move(kernel));
    return all;
}

} // namespace halfscope::kernels
