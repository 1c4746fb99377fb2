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
    for (const OpKind kind : {OpKind::reduce_sum, OpKind::reduce_mean, OpKind::reduce_max, OpKind::reduce_min,
                              OpKind::reduce_product, OpKind::reduce_sum_squares}) {
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
        cases.next(i)
            .add(name, kind, ops::Reduction{{1}, false},
                 {values(case_types[i % 3], cases.grown(Shape{61, 9}), i, 0, true, true)},
                 {{case_types[i / 2 % 3], cases.grown(Shape{61})}})
            .operation.rounding = rounding_in_turn(i);
        // Products that neither overflow nor vanish; zeros of both signs.
        cases.next(i).add(name, kind, ops::Reduction{{1}, false}, {values(DType::fp16, cases.grown(Shape{61, 9}), i)},
                          {{case_types[i % 3], cases.grown(Shape{61})}});
        cases.next(i).add(name, kind, ops::Reduction{{1}, false},
                          {values(DType::fp16, cases.grown(Shape{61, 77}), i, -40)},
                          {{case_types[i % 3], cases.grown(Shape{61})}});
    }
    cases
        .add("reduce_sum of integers", OpKind::reduce_sum, ops::Reduction{{1}, false},
             {integers(Shape{7, 5}, i, -9, 9)}, {{DType::int64, Shape{7}}})
        .on_device = false;
}

void add_argmax(CaseList &cases) {
    std::uint32_t i = 850;
    const Shape shape = cases.grown(Shape{7, 67, 3});
    for (const int axis : {0, 1, 2}) {
        Shape winners;
        for (int other = 0; other < 3; ++other)
            if (other != axis) winners.append(shape[other]);
        for (const DType stored : case_types)
            for (const bool specials : {false, true}) // without: a few values of fp16, most of them more than once
                cases.next(i).add(OpKind::argmax, ops::Reduction{{axis}, false},
                                  {values(stored, shape, i, specials ? 0 : -24, specials, specials)},
                                  {{DType::int64, winners}});
        cases.next(i).add(OpKind::argmax, ops::Axis{axis}, {integers(shape, i, -5, 5)}, {{DType::int64, winners}});
        cases.next(i).add(OpKind::argmax, ops::Axis{axis}, {values(DType::boolean, shape, i)},
                          {{DType::int64, winners}});
    }
    cases.next(i).add(OpKind::argmax, ops::Axis{0}, {values(DType::fp32, cases.grown(Shape{4133}), i)},
                      {{DType::int64, Shape{}}});
}

void add_top_k(CaseList &cases) {
    std::uint32_t i = 860;
    for (const int axis : {0, 1, 2}) {
        const Shape shape = cases.grown(Shape{7, 67, 3}, axis == 0 ? 1 : 0); // more lines, not longer ones
        for (const std::int64_t kept : {std::int64_t{1}, shape[axis] / 2, shape[axis]}) {
            Shape winners = shape;
            winners[axis] = kept;
            for (const DType stored : case_types)
                for (const bool specials : {false, true}) // without: a few values, most of them more than once
                    cases.next(i).add(OpKind::top_k, ops::Axis{axis},
                                      {values(stored, shape, i, specials ? 0 : -24, specials, specials)},
                                      {{DType::int64, winners}});
            cases.next(i).add(OpKind::top_k, ops::Axis{axis}, {integers(shape, i, -5, 5)}, {{DType::int64, winners}});
        }
    }
}

void add_running_sums(CaseList &cases) {
    std::uint32_t i = 880;
    const Shape shape = cases.grown(Shape{5, 41, 7});
    for (const int axis : {0, 1, 2}) {
        for (const DType stored : case_types)
            for (const bool specials : {false, true})
                cases.next(i)
                    .add(OpKind::cumulative_sum, ops::Axis{axis}, {values(stored, shape, i, 0, true, specials)},
                         {{case_types[i / 2 % 3], shape}})
                    .operation.rounding = rounding_in_turn(i);
        cases.next(i).add(OpKind::cumulative_sum, ops::Axis{axis}, {integers(shape, i, -5, 5)},
                          {{DType::int64, shape}});
        cases.next(i).add(OpKind::cumulative_sum, ops::Axis{axis}, {values(DType::boolean, shape, i)},
                          {{DType::int64, shape}});
    }
    cases.next(i).add(OpKind::cumulative_sum, ops::Axis{0}, {values(DType::bf16, cases.grown(Shape{5001}), i)},
                      {{DType::fp32, cases.grown(Shape{5001})}});
    cases
        .add("cumulative_sum in fp64", OpKind::cumulative_sum, ops::Axis{0}, {values(DType::fp32, Shape{9}, i)},
             {{DType::fp64, Shape{9}}})
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
    // Along axes that are not the last; the second: a row of two chunks of the tree.
    struct Line {
        Shape shape;
        int axis;
    };
    for (const Line &line : {Line{Shape{13, 11, 7}, 1}, Line{Shape{4133, 2}, 0}, Line{Shape{1, 1, 29}, 0}})
        for (const OpKind kind :
             {OpKind::softmax, OpKind::log_softmax, OpKind::softmax_gradient, OpKind::log_softmax_gradient})
            for (const bool specials : {false, true}) {
                const Shape grown = cases.grown(line.shape);
                std::vector<HostTensor> inputs;
                ++i;
                inputs.push_back(values(case_types[i % 3], grown, i, 1, specials, specials));
                if (kind == OpKind::softmax_gradient || kind == OpKind::log_softmax_gradient)
                    inputs.push_back(values(case_types[i / 2 % 3], grown, i + 50, -1, specials));
                cases.add(kind, ops::Axis{line.axis}, std::move(inputs), {{case_types[i / 3 % 3], grown}})
                    .operation.rounding = rounding_in_turn(i);
            }
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

/// Variances and what is made of them: positive.
static HostTensor positive(DType dtype, const Shape &shape, std::uint32_t stream) {
    HostTensor tensor = values(DType::fp32, shape, stream);
    for (float &value : tensor.as<float>()) value = std::fabs(value) + 0.25f;
    if (dtype == DType::fp32) return tensor;
    HostTensor stored(dtype, shape);
    for (std::size_t i = 0; i < stored.as<std::uint16_t>().size(); ++i)
        stored.as<std::uint16_t>()[i] = number::round_to_16bit(tensor.as<float>()[i], ops::format_id(dtype));
    return stored;
}

void add_rms_norms(CaseList &cases) {
    std::uint32_t i = 800;
    ops::Normalization norm;
    norm.epsilon = 1e-3;
    struct Rows {
        Shape shape;
        int axis;
    };
    // The second: rows of two chunks of the tree; the third: columns of two.
    for (const Rows &base :
         {Rows{Shape{3, 5, 45}, 2}, Rows{Shape{3, 2, 2077}, 1}, Rows{Shape{4111, 3}, 1}, Rows{Shape{6, 1}, 1}})
        for (const bool specials : {false, true}) {
            norm.axis = base.axis;
            const Shape shape = cases.grown(base.shape);
            Shape rows, weights;
            for (int axis = 0; axis < shape.rank(); ++axis) (axis < norm.axis ? rows : weights).append(shape[axis]);
            const DType stored = case_types[++i % 3], kept = i % 2 == 0 ? DType::fp32 : stored;
            const auto x = [&](std::uint32_t stream) { return values(stored, shape, stream, 0, true, specials); };
            const HostTensor gamma = values(kept, weights, i + 10);
            cases.add(OpKind::rms_norm, norm, {x(i), gamma}, {{case_types[i / 2 % 3], shape}, {kept, rows}})
                .operation.rounding = rounding_in_turn(i);
            cases.add(OpKind::rms_norm, norm, {x(i)}, {{stored, shape}});
            const HostTensor dy = values(case_types[i / 2 % 3], shape, i + 20, -2), rstd = positive(kept, rows, i + 30);
            cases.add(OpKind::rms_norm_gradient, norm, {dy, x(i), rstd, gamma}, {{stored, shape}, {kept, weights}})
                .operation.rounding = rounding_in_turn(i + 1);
            cases.add(OpKind::rms_norm_gradient, norm, {dy, x(i), rstd}, {{DType::fp32, shape}});
        }
}

void add_group_norms(CaseList &cases) {
    std::uint32_t i = 820;
    ops::Normalization norm;
    norm.epsilon = 1e-3;
    struct Groups {
        Shape shape;
        std::int64_t groups;
    };
    // The second: channels of two chunks of the tree; the third: groups of two.
    for (const Groups &base : {Groups{Shape{4, 6, 3, 7}, 3}, Groups{Shape{3, 2, 1377}, 2}, Groups{Shape{2, 3, 1381}, 1},
                               Groups{Shape{5, 12}, 4}})
        for (const bool specials : {false, true}) {
            norm.groups = base.groups;
            const Shape shape = cases.grown(base.shape), channels{shape[1]}, rows{shape[0], norm.groups};
            const DType stored = case_types[++i % 3], kept = i % 2 == 0 ? DType::fp32 : stored;
            const auto x = [&](std::uint32_t stream) { return values(stored, shape, stream, 0, true, specials); };
            const HostTensor gamma = values(kept, channels, i + 10), beta = values(kept, channels, i + 20);
            const auto statistic = std::pair{kept, rows};
            cases
                .add(OpKind::group_norm, norm, {x(i), gamma, beta},
                     {{case_types[i / 2 % 3], shape}, statistic, statistic})
                .operation.rounding = rounding_in_turn(i);
            cases.add(OpKind::group_norm, norm, {x(i), gamma}, {{stored, shape}});
            cases.add(OpKind::group_norm, norm, {x(i)}, {{DType::fp32, shape}});
            const HostTensor dy = values(case_types[i / 2 % 3], shape, i + 30, -2);
            const HostTensor mean = values(kept, rows, i + 40, -1), rstd = positive(kept, rows, i + 50);
            cases
                .add(OpKind::group_norm_gradient, norm, {dy, x(i), mean, rstd, gamma},
                     {{stored, shape}, {DType::fp32, channels}, {kept, channels}})
                .operation.rounding = rounding_in_turn(i + 1);
            cases.add(OpKind::group_norm_gradient, norm, {dy, x(i), mean, rstd}, {{stored, shape}});
        }
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
