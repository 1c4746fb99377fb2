#include "emulation/ops/matmul/accumulation_model.h"
#include "kernels/inputs/case_list.h"
#include "kernels/on_device.h"

#include <optional>

namespace halfscope::kernels {
namespace {

/// As the device's matrix unit accumulates, in fp32 or fp16.
ops::Accumulation unit_model(bool fp16_accumulator = false) {
    return ops::accumulation_from(device::matrix_unit() + (fp16_accumulator ? "-fp16acc" : ""));
}

} // namespace

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

void add_products(CaseList &cases) {
    struct Product {
        Shape a, b, y;
        bool ta, tb;
        double alpha;
        std::optional<Shape> bias;
    };
    const Product products[] = {
        {cases.grown(Shape{70, 33}), Shape{33, 9}, cases.grown(Shape{70, 9}), false, false, 1, std::nullopt},
        {cases.grown(Shape{33, 7}, 1), Shape{65, 33}, cases.grown(Shape{7, 65}), true, true, 0.125, Shape{65}},
        {cases.grown(Shape{2, 3, 5, 17}), Shape{3, 17, 6}, cases.grown(Shape{2, 3, 5, 6}), false, false, 1,
         cases.grown(Shape{2, 1, 5, 1})},
        {cases.grown(Shape{3, 4, 18}), Shape{11, 18}, cases.grown(Shape{3, 4, 11}), false, true, 1, Shape{11}},
        {cases.grown(Shape{130, 70}), Shape{136, 70}, cases.grown(Shape{130, 136}), false, true, 1, std::nullopt},
        {Shape{72, 136}, Shape{72, 128}, Shape{136, 128}, true, false, 1, std::nullopt},
        {Shape{72, 136}, Shape{128, 72}, Shape{136, 128}, true, true, 1, Shape{128}},
        {cases.grown(Shape{136, 72}), Shape{128, 72}, cases.grown(Shape{136, 128}), false, true, 1, std::nullopt},
        {cases.grown(Shape{128, 64}), Shape{64, 136}, cases.grown(Shape{128, 136}), false, false, 0.5, std::nullopt},
        {cases.grown(Shape{3, 24, 16}), Shape{24, 40}, cases.grown(Shape{3, 16, 40}), true, false, 1, std::nullopt},
        {cases.grown(Shape{4, 0}), Shape{0, 3}, cases.grown(Shape{4, 3}), false, false, 1, Shape{3}},
    };
    std::uint32_t i = 200;
    for (const Product &p : products)
        for (const bool unit : {false, true}) {
            ++i;
            ops::Matmul attributes;
            attributes.transpose_a = p.ta;
            attributes.transpose_b = p.tb;
            attributes.alpha = p.alpha;
            attributes.beta = p.alpha == 1 ? 1 : 0.5;
            if (unit) attributes.accumulation = unit_model();
            const DType dtype = unit ? case_types[1 + i / 2 % 2] : case_types[i / 2 % 3];
            std::vector<HostTensor> inputs = {values(dtype, p.a, i, 0, true), values(dtype, p.b, i + 50, 0, true)};
            if (p.bias) inputs.push_back(values(DType::fp32, *p.bias, i + 99));
            cases.add("matmul", OpKind::matmul, attributes, std::move(inputs), {{case_types[i % 3], p.y}})
                .operation.rounding = rounding_in_turn(i);
        }
    ops::Matmul onto;
    onto.onto_third = true;
    cases.add("matmul onto its third", OpKind::matmul, onto,
              {values(DType::fp16, Shape{6, 20}, i), values(DType::fp16, Shape{20, 7}, i + 1),
               values(DType::fp32, Shape{6, 7}, i + 2)},
              {{DType::fp32, Shape{6, 7}}});
    ops::Matmul other;
    other.accumulation = ops::Accumulation::ampere; // no unit of the executor's device
    cases
        .add("matmul of another unit", OpKind::matmul, other,
             {values(DType::fp16, Shape{6, 20}, i), values(DType::fp16, Shape{20, 7}, i + 1)},
             {{DType::fp32, Shape{6, 7}}})
        .on_device = false;
}

void add_convolutions(CaseList &cases) {
    struct Window {
        Shape x, w, y;
        std::vector<std::int64_t> strides, dilations, pads_begin, pads_end;
        std::int64_t groups;
    };
    const Window windows[] = {
        {Shape{2, 3, 9, 7}, Shape{5, 3, 3, 3}, Shape{2, 5, 9, 7}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 1},
        {Shape{2, 4, 11, 8}, Shape{6, 2, 3, 2}, Shape{2, 6, 5, 8}, {2, 1}, {2, 1}, {1, 1}, {2, 0}, 2},
        {Shape{3, 2, 40}, Shape{70, 2, 5}, Shape{3, 70, 14}, {3}, {1}, {2}, {2}, 1},
        {Shape{2, 2, 6, 13}, Shape{3, 2, 2, 3}, Shape{2, 3, 5, 6}, {1, 2}, {1, 3}, {0, 2}, {0, 2}, 1},
        {Shape{1, 3, 7, 7}, Shape{4, 3, 1, 1}, Shape{1, 4, 3, 3}, {3, 3}, {1, 1}, {0, 0}, {0, 0}, 1},
        {Shape{5, 2, 17, 16}, Shape{3, 2, 4, 4}, Shape{5, 3, 17, 16}, {1, 1}, {1, 1}, {1, 2}, {2, 1}, 1},
    };
    std::uint32_t i = 400;
    for (Window window : windows) {
        window.x = cases.grown(window.x);
        window.y = cases.grown(window.y);
        ops::Convolution attributes;
        attributes.strides = window.strides;
        attributes.dilations = window.dilations;
        attributes.pads_begin = window.pads_begin;
        attributes.pads_end = window.pads_end;
        attributes.groups = window.groups;
        const Shape bias{window.y[1]};
        for (const bool unit : {false, true}) {
            const std::uint32_t at = ++i + (unit ? 90 : 0);
            if (unit) attributes.accumulation = unit_model(i % 6 == 5);
            const DType dtype = unit ? case_types[i % 6 == 5 ? 1 : 1 + i % 4 / 2] : case_types[i / 2 % 3];
            const DType stored = case_types[i / 4 % 3];
            cases.add(
                OpKind::convolution, attributes,
                {values(dtype, window.x, at), values(dtype, window.w, at + 20), values(DType::fp32, bias, at + 40)},
                {{stored, window.y}});
            cases.add(OpKind::convolution_input_gradient, attributes,
                      {values(dtype, window.y, at + 60), values(dtype, window.w, at + 20)}, {{stored, window.x}});
            cases.add(OpKind::convolution_weight_gradient, attributes,
                      {values(dtype, window.y, at + 60), values(dtype, window.x, at)}, {{stored, window.w}});
        }
    }
}

} // namespace halfscope::kernels
