#include "kernels/inputs/operation_cases.h"

#include "kernels/inputs/case_list.h"

#include <algorithm>

namespace halfscope::kernels {
namespace {

/// The cases of the operations [first, last].
struct Family {
    void (*add)(CaseList &);
    ops::OpKind first, last;
};
constexpr Family families[] = {
    {add_elementwise, ops::OpKind::cast, ops::OpKind::square_root_gradient},
    {add_products, ops::OpKind::matmul, ops::OpKind::matmul},
    {add_convolutions, ops::OpKind::convolution, ops::OpKind::convolution_weight_gradient},
    {add_reductions, ops::OpKind::reduce_sum, ops::OpKind::reduce_sum_squares},
    {add_argmax, ops::OpKind::argmax, ops::OpKind::argmax},
    {add_top_k, ops::OpKind::top_k, ops::OpKind::top_k},
    {add_running_sums, ops::OpKind::cumulative_sum, ops::OpKind::cumulative_sum},
    {add_softmaxes, ops::OpKind::softmax, ops::OpKind::log_softmax_gradient},
    {add_layer_norms, ops::OpKind::layer_norm, ops::OpKind::layer_norm_gradient},
    {add_rms_norms, ops::OpKind::rms_norm, ops::OpKind::rms_norm_gradient},
    {add_group_norms, ops::OpKind::group_norm, ops::OpKind::group_norm_gradient},
    {add_batch_norms, ops::OpKind::batch_norm_training, ops::OpKind::batch_norm_inference_gradient},
    {add_pooling, ops::OpKind::max_pool, ops::OpKind::average_pool_gradient},
    {add_resizing, ops::OpKind::resize_nearest, ops::OpKind::resize_nearest_gradient},
    {add_losses, ops::OpKind::nll_loss, ops::OpKind::bce_with_logits_gradient},
    {add_indexing, ops::OpKind::gather, ops::OpKind::gather_gradient},
    {add_gather_elements, ops::OpKind::gather_elements, ops::OpKind::gather_elements_gradient},
    {add_one_hot, ops::OpKind::one_hot, ops::OpKind::one_hot},
    {add_movement, ops::OpKind::transpose, ops::OpKind::trilu},
    {add_dropout, ops::OpKind::dropout, ops::OpKind::dropout_gradient},
    {add_random_values, ops::OpKind::random_uniform, ops::OpKind::random_normal},
    {add_optimizers, ops::OpKind::unscale_check, ops::OpKind::adam_step},
};

} // namespace

std::vector<OperationCase> operation_cases(std::int64_t size, const std::function<bool(ops::OpKind)> &wanted) {
    constexpr std::int64_t results_of_a_case = 1000; // more or less, as they are written
    CaseList cases(std::max<std::int64_t>(1, (size + results_of_a_case - 1) / results_of_a_case));
    const auto is_wanted = [&](ops::OpKind kind) { return !wanted || wanted(kind); };
    for (const Family &family : families) {
        bool any = false;
        for (ops::OpKind kind = family.first; kind <= family.last; kind = static_cast<ops::OpKind>(int(kind) + 1))
            any = any || is_wanted(kind);
        if (any) family.add(cases); // operands are not drawn for nothing
    }
    std::erase_if(cases.all, [&](const OperationCase &one) { return !is_wanted(one.operation.kind); });
    return std::move(cases.all);
}

} // namespace halfscope::kernels
