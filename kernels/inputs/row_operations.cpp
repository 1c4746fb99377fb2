#include "kernels/inputs/case_list.h"

#include "emulation/number/round_array.h"

#include <cmath>

namespace halfscope::kernels {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

void add_reductions(CaseList &cases) {
    std::uint32_t i = 500;
    for (const OpKind kind :
         {OpKind::reduce_sum, OpKind::reduce_mean, OpKind::reduce_max, OpKind::reduce_sum_squares}) {
        const std::string name(name_of(kind));
        cases.next(i).add(name, kind, ops::Reduction{{1}, false},
                          {values(case_types[i % 3], cases.grown(Shape{7, 77}), i, 0, true)},
                          {{case_types[i / 2 % 3], cases.grown(Shape{7})}});
        cases.next(i).add(name, kind, ops::Reduction{{0, 2}, true},
                          {values(case_types[i % 3], cases.grown(Shape{9, 5, 11}), i, 0, true)},
                          {{case_types[i / 2 % 3], Shape{1, 5, 1}}});
        cases.next(i).add(name, kind, ops::Reduction{},
                          {values(case_types[i % 3], cases.grown(Shape{2, 4133}), i, 0, true)},
                          {{DType::fp32, Shape{}}});
    }
    cases
        .add("reduce_product", OpKind::reduce_product, ops::Reduction{{1}, false},
             {values(DType::fp32, Shape{7, 5}, i)}, {{DType::fp32, Shape{7}}})
        .on_device = false;
}

void add_softmaxes(CaseList &cases) {
    std::uint32_t i = 520;
    const Shape shape = cases.grown(Shape{3, 5, 45});
    for (const OpKind kind : {OpKind::softmax, OpKind::log_softmax})
        cases.next(i).add(std::string(name_of(kind)), kind, ops::Axis{2}, {values(case_types[i % 3], shape, i, 2)},
                          {{case_types[i / 2 % 3], shape}});
    for (const OpKind kind : {OpKind::softmax_gradient, OpKind::log_softmax_gradient})
        cases.next(i).add(std::string(name_of(kind)), kind, ops::Axis{2},
                          {values(case_types[i % 3], shape, i), values(case_types[i % 3], shape, i + 50, -1)},
                          {{case_types[i / 2 % 3], shape}});
}

void add_layer_norms(CaseList &cases) {
    std::uint32_t i = 530;
    const Shape shape = cases.grown(Shape{3, 5, 45});
    ops::Normalization norm;
    norm.axis = 2;
    const Shape rows = cases.grown(Shape{3, 5});
    cases.next(i).add(
        "layer_norm", OpKind::layer_norm, norm,
        {values(DType::fp16, shape, i), values(DType::fp32, Shape{45}, i + 1), values(DType::fp32, Shape{45}, i + 2)},
        {{DType::fp16, shape}, {DType::fp32, rows}, {DType::fp32, rows}});
    cases.next(i).add("layer_norm without weights", OpKind::layer_norm, norm, {values(DType::bf16, shape, i)},
                      {{DType::fp32, shape}});
    cases.next(i).add("layer_norm without offset", OpKind::layer_norm, norm,
                      {values(DType::bf16, shape, i), values(DType::bf16, Shape{45}, i + 1)}, {{DType::bf16, shape}});
    HostTensor rstd = values(DType::fp32, rows, 9);
    for (float &r : rstd.as<float>()) r = std::fabs(r) + 0.5f;
    cases.next(i).add("layer_norm_gradient", OpKind::layer_norm_gradient, norm,
                      {values(DType::fp16, shape, i), values(DType::fp16, shape, i + 1),
                       values(DType::fp32, rows, i + 2), rstd, values(DType::fp32, Shape{45}, i + 3)},
                      {{DType::fp16, shape}, {DType::fp32, Shape{45}}, {DType::fp16, Shape{45}}});
}

/// What batch_norm keeps of a batch: positive.
static HostTensor positive(DType dtype, const Shape &shape, std::uint32_t stream) {
    HostTensor tensor = values(DType::fp32, shape, stream);
    for (float &value : tensor.as<float>()) value = std::fabs(value) + 0.25f;
    if (dtype == DType::fp32) return tensor;
    HostTensor stored(dtype, shape);
    for (std::size_t i = 0; i < stored.as<std::uint16_t>().size(); ++i)
        stored.as<std::uint16_t>()[i] = number::round_to_16bit(tensor.as<float>()[i], ops::format_id(dtype));
    return stored;
}

void add_batch_norms(CaseList &cases) {
    std::uint32_t i = 540;
    ops::Normalization norm;
    norm.epsilon = 1e-3;
    norm.momentum = 0.3;
    // The last: channels of two chunks of the tree.
    for (const Shape &base : {Shape{4, 5, 3, 7}, Shape{6, 37}, Shape{3, 2, 1377}})
        for (const bool specials : {false, true}) {
            const Shape shape = cases.grown(base), channels{shape[1]};
            const DType stored = case_types[i % 3], weights = i % 2 == 0 ? DType::fp32 : stored;
            const auto x = [&](std::uint32_t stream) { return values(stored, shape, stream, 0, true, specials); };
            const auto weight = [&](std::uint32_t stream) { return values(weights, channels, stream); };
            const auto statistic = std::pair{DType::fp32, channels};
            cases.next(i)
                .add(OpKind::batch_norm_training, norm,
                     {x(i), weight(i + 10), weight(i + 20), values(DType::fp32, channels, i + 30),
                      positive(DType::fp32, channels, i + 40)},
                     {{stored, shape}, statistic, {weights, channels}, statistic, statistic})
                .operation.rounding = rounding_in_turn(i);
            cases.add(OpKind::batch_norm_inference, norm,
                      {x(i), weight(i + 10), weight(i + 20), values(weights, channels, i + 30),
                       positive(weights, channels, i + 40)},
                      {{case_types[i / 2 % 3], shape}});
            for (const OpKind kind : {OpKind::batch_norm_gradient, OpKind::batch_norm_inference_gradient})
                cases.add(kind, norm,
                          {values(case_types[i / 2 % 3], shape, i + 50, -2), x(i), weight(i + 10),
                           values(weights, channels, i + 30), positive(weights, channels, i + 40)},
                          {{stored, shape}, statistic, {weights, channels}});
        }
}

} // namespace halfscope::kernels
