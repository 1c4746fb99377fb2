#include "kernels/inputs/operation_cases.h"

#include "kernels/inputs/case_list.h"

#include <algorithm>

namespace halfscope::kernels {
namespace {

void add_without_kernels(CaseList &cases) {
    using ops::DType;
    using ops::Shape;
    cases
        .add(ops::OpKind::cumulative_sum, ops::Axis{1}, {values(DType::fp32, Shape{5, 7}, 900)},
             {{DType::fp32, Shape{5, 7}}})
        .on_device = false;
    cases
        .add(ops::OpKind::argmax, ops::Reduction{{1}, false}, {values(DType::fp16, Shape{6, 8}, 901)},
             {{DType::int64, Shape{6}}})
        .on_device = false;
}

/// The cases of the operations [first, last].
struct Family {
    void (*add)(CaseList &);
    ops::OpKind first, last;
};
constexpr Family families[] = {
    {add_elementwise, ops::OpKind::cast, ops::OpKind::square_root_gradient},
    {add_products, ops::OpKind::matmul, ops::OpKind::matmul},
    {add_convolutions, ops::OpKind::convolution, ops::OpKind::convolution_weight_gradient},
    {add_reductions, ops::OpKind::reduce_sum, ops::OpKind::reduce_product},
    {add_softmaxes, ops::OpKind::softmax, ops::OpKind::log_softmax_gradient},
    {add_layer_norms, ops::OpKind::layer_norm, ops::OpKind::layer_norm_gradient},
    {add_batch_norms, ops::OpKind::batch_norm_training, ops::OpKind::batch_norm_inference_gradient},
    {add_pooling, ops::OpKind::max_pool, ops::OpKind::average_pool_gradient},
    {add_losses, ops::OpKind::nll_loss, ops::OpKind::bce_with_logits_gradient},
    {add_indexing, ops::OpKind::gather, ops::OpKind::gather_gradient},
    {add_movement, ops::OpKind::transpose, ops::OpKind::trilu},
    {add_optimizers, ops::OpKind::unscale_check, ops::OpKind::adam_step},
    {add_without_kernels, ops::OpKind::argmax, ops::OpKind::cumulative_sum},
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
