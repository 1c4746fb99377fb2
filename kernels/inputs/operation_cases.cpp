#include "kernels/inputs/operation_cases.h"

#include "emulation/number/round_array.h"
#include "kernels/inputs/draw.h"

#include <cmath>
#include <cstring>
#include <optional>

namespace halfscope::kernels {
namespace {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

/// Values about 2^scale; with `rough`, a few giants, subnormals, zeros and, with `specials`, infinities and NaN.
HostTensor values(DType dtype, const Shape &shape, std::uint32_t stream, int scale = 0, bool rough = false,
                  bool specials = false) {
    HostTensor tensor(dtype, shape);
    Draw draw(11, stream);
    const auto count = static_cast<std::size_t>(shape.elements());
    for (std::size_t i = 0; i < count; ++i) {
        float value = draw.bell(scale);
        const std::uint32_t odd = draw.below(40);
        if (rough && odd < 5) {
            const float kinds[] = {value * 0x1p14f, value * 0x1p-18f, value * 0x1p-130f, 0.0f, -0.0f};
            value = kinds[odd];
        }
        if (specials && odd == 6) value = HUGE_VALF;
        if (specials && odd == 7) value = std::nanf("");
        if (dtype == DType::fp32)
            tensor.as<float>()[i] = value;
        else if (dtype == DType::boolean)
            tensor.as<std::uint8_t>()[i] = value > 0 ? 1 : 0;
        else
            tensor.as<std::uint16_t>()[i] = number::round_to_16bit(value, ops::format_id(dtype));
    }
    return tensor;
}

/// One of the roundings, in turn.
ops::OutputRounding rounding(std::size_t i) {
    ops::OutputRounding r;
    r.mode = static_cast<ops::OutputRounding::Mode>(i % 3);
    r.flush_subnormals = i % 4 == 3;
    return r;
}

constexpr DType types[] = {DType::fp32, DType::fp16, DType::bf16};

struct Cases {
    std::vector<OperationCase> all;

    /// Counts on, before the operands of the case that follows are drawn.
    Cases &next(std::uint32_t &i) {
        ++i;
        return *this;
    }
    OperationCase &add(std::string name, OpKind kind, decltype(ops::Operation::attributes) attributes,
                       std::vector<HostTensor> inputs, std::vector<std::pair<DType, Shape>> outputs) {
        OperationCase one;
        one.name = std::move(name);
        one.operation.kind = kind;
        one.operation.attributes = std::move(attributes);
        one.inputs = std::move(inputs);
        one.outputs = std::move(outputs);
        all.push_back(std::move(one));
        return all.back();
    }
};

void add_elementwise(Cases &cases) {
    const OpKind unary[] = {
        OpKind::cast,        OpKind::negate,       OpKind::absolute, OpKind::exponential, OpKind::logarithm,
        OpKind::square_root, OpKind::reciprocal,   OpKind::sine,     OpKind::cosine,      OpKind::tanh,
        OpKind::erf,         OpKind::sigmoid,      OpKind::relu,     OpKind::leaky_relu,  OpKind::elu,
        OpKind::gelu,        OpKind::gelu_tanh,    OpKind::silu,     OpKind::softplus,    OpKind::hard_sigmoid,
        OpKind::hard_swish,  OpKind::clip,         OpKind::floor,    OpKind::ceil,        OpKind::round,
        OpKind::sign,        OpKind::power_scalar, OpKind::scale,    OpKind::shift};
    const OpKind binary[] = {OpKind::add,
                             OpKind::subtract,
                             OpKind::multiply,
                             OpKind::divide,
                             OpKind::power,
                             OpKind::minimum,
                             OpKind::maximum,
                             OpKind::relu_gradient,
                             OpKind::leaky_relu_gradient,
                             OpKind::elu_gradient,
                             OpKind::tanh_gradient,
                             OpKind::sigmoid_gradient,
                             OpKind::gelu_gradient,
                             OpKind::gelu_tanh_gradient,
                             OpKind::silu_gradient,
                             OpKind::softplus_gradient,
                             OpKind::hard_sigmoid_gradient,
                             OpKind::hard_swish_gradient,
                             OpKind::clip_gradient,
                             OpKind::absolute_gradient,
                             OpKind::square_root_gradient};
    const Shape shape{5, 1, 123};
    std::size_t i = 0;
    for (const OpKind kind : unary) {
        const auto stream = static_cast<std::uint32_t>(++i);
        auto &one = cases.add(std::string(name_of(kind)), kind, ops::Scalars{0.3, 1.7},
                              {values(types[i % 3], shape, stream, 0, true, true)}, {{types[i / 2 % 3], shape}});
        one.operation.rounding = rounding(i);
    }
    const Shape broadcast[] = {shape, Shape{123}, Shape{5, 4, 1}, Shape{1, 1, 1}};
    for (const OpKind kind : binary) {
        const auto stream = static_cast<std::uint32_t>(++i);
        cases.add(std::string(name_of(kind)), kind, ops::Scalars{0.3, 1.7},
                  {values(types[i % 3], Shape{5, 4, 123}, stream, 0, true, true),
                   values(types[i / 3 % 3], broadcast[i % 4], stream + 100, 0, true, true)},
                  {{types[i / 2 % 3], Shape{5, 4, 123}}});
    }
    cases.add("where", OpKind::where, {},
              {values(DType::boolean, Shape{123}, 1), values(DType::fp16, shape, 2), values(DType::fp32, Shape{}, 3)},
              {{DType::fp16, shape}});
    for (const double alpha : {2.0, 3.0, 0.5, -0.5, -1.0, -2.0, 1.0})
        cases.add("power_scalar", OpKind::power_scalar, ops::Scalars{alpha, 0},
                  {values(DType::fp16, shape, 77, 0, true, true)}, {{DType::fp32, shape}});
    cases.add("sine of large angles", OpKind::sine, {}, {values(DType::fp32, shape, 78, 60, true)},
              {{DType::fp32, shape}});
    // Several blocks of statistics, one of which needs its sums in double.
    for (const DType dtype : types) {
        cases.add("cast of many", OpKind::cast, {}, {values(DType::fp32, Shape{2, 5001}, 79, 0, true, true)},
                  {{dtype, Shape{2, 5001}}});
        cases.add("cast of giants", OpKind::cast, {}, {values(DType::fp32, Shape{5001}, 80, 60, true)},
                  {{dtype, Shape{5001}}});
        cases.add("cast of dwarfs", OpKind::cast, {}, {values(DType::fp32, Shape{700}, 81, -50)}, {{dtype, Shape{700}}})
            .operation.rounding = rounding(3);
    }
}

void add_products(Cases &cases) {
    struct Product {
        Shape a, b, y;
        bool ta, tb;
        double alpha;
        std::optional<Shape> bias;
    };
    const Product products[] = {
        {Shape{70, 33}, Shape{33, 9}, Shape{70, 9}, false, false, 1, std::nullopt},
        {Shape{33, 7}, Shape{65, 33}, Shape{7, 65}, true, true, 0.125, Shape{65}},
        {Shape{2, 3, 5, 17}, Shape{3, 17, 6}, Shape{2, 3, 5, 6}, false, false, 1, Shape{2, 1, 5, 1}},
        {Shape{3, 4, 18}, Shape{11, 18}, Shape{3, 4, 11}, false, true, 1, Shape{11}},
        {Shape{4, 0}, Shape{0, 3}, Shape{4, 3}, false, false, 1, Shape{3}},
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
            if (unit) attributes.accumulation = ops::Accumulation::hopper;
            const DType dtype = unit ? types[1 + i / 2 % 2] : types[i / 2 % 3];
            std::vector<HostTensor> inputs = {values(dtype, p.a, i, 0, true), values(dtype, p.b, i + 50, 0, true)};
            if (p.bias) inputs.push_back(values(DType::fp32, *p.bias, i + 99));
            cases.add("matmul", OpKind::matmul, attributes, std::move(inputs), {{types[i % 3], p.y}})
                .operation.rounding = rounding(i);
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

void add_convolutions(Cases &cases) {
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
    for (const Window &window : windows) {
        ops::Convolution attributes;
        attributes.strides = window.strides;
        attributes.dilations = window.dilations;
        attributes.pads_begin = window.pads_begin;
        attributes.pads_end = window.pads_end;
        attributes.groups = window.groups;
        ++i;
        const DType dtype = types[i % 3];
        const Shape bias{window.y[1]};
        cases.add("convolution", OpKind::convolution, attributes,
                  {values(dtype, window.x, i), values(dtype, window.w, i + 20), values(DType::fp32, bias, i + 40)},
                  {{types[i / 2 % 3], window.y}});
        cases.add("convolution_input_gradient", OpKind::convolution_input_gradient, attributes,
                  {values(dtype, window.y, i + 60), values(dtype, window.w, i + 20)}, {{types[i / 2 % 3], window.x}});
        cases.add("convolution_weight_gradient", OpKind::convolution_weight_gradient, attributes,
                  {values(dtype, window.y, i + 60), values(dtype, window.x, i)}, {{types[i / 2 % 3], window.w}});
    }
}

void add_rows(Cases &cases) {
    std::uint32_t i = 500;
    for (const OpKind kind :
         {OpKind::reduce_sum, OpKind::reduce_mean, OpKind::reduce_max, OpKind::reduce_sum_squares}) {
        const std::string name(name_of(kind));
        cases.next(i).add(name, kind, ops::Reduction{{1}, false}, {values(types[i % 3], Shape{7, 77}, i, 0, true)},
                          {{types[i / 2 % 3], Shape{7}}});
        cases.next(i).add(name, kind, ops::Reduction{{0, 2}, true}, {values(types[i % 3], Shape{9, 5, 11}, i, 0, true)},
                          {{types[i / 2 % 3], Shape{1, 5, 1}}});
        cases.next(i).add(name, kind, ops::Reduction{}, {values(types[i % 3], Shape{2, 4133}, i, 0, true)},
                          {{DType::fp32, Shape{}}});
    }
    cases
        .add("reduce_product", OpKind::reduce_product, ops::Reduction{{1}, false},
             {values(DType::fp32, Shape{7, 5}, i)}, {{DType::fp32, Shape{7}}})
        .on_device = false;
    const Shape shape{3, 5, 45};
    for (const OpKind kind : {OpKind::softmax, OpKind::log_softmax})
        cases.next(i).add(std::string(name_of(kind)), kind, ops::Axis{2}, {values(types[i % 3], shape, i, 2)},
                          {{types[i / 2 % 3], shape}});
    for (const OpKind kind : {OpKind::softmax_gradient, OpKind::log_softmax_gradient})
        cases.next(i).add(std::string(name_of(kind)), kind, ops::Axis{2},
                          {values(types[i % 3], shape, i), values(types[i % 3], shape, i + 50, -1)},
                          {{types[i / 2 % 3], shape}});
    ops::Normalization norm;
    norm.axis = 2;
    const Shape rows{3, 5};
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

void add_optimizers(Cases &cases) {
    const Shape shape{13, 321};
    std::uint32_t i = 700;
    for (const DType dtype : types) {
        cases.add("unscale_check", OpKind::unscale_check, {},
                  {values(dtype, shape, ++i, 0, true), values(DType::fp32, Shape{}, 3, -10)},
                  {{DType::fp32, shape}, {DType::fp32, Shape{}}});
        cases.add("unscale_check of inf", OpKind::unscale_check, {},
                  {values(dtype, shape, ++i, 0, true, true), values(DType::fp32, Shape{}, 3, -10)},
                  {{dtype, shape}, {DType::fp32, Shape{}}});
        for (const bool kahan : {false, true})
            for (const bool plain : {true, false}) {
                ops::OptimizerStep step;
                step.learning_rate = 1e-2;
                step.weight_decay = plain ? 0 : 0.1;
                step.decoupled_weight_decay = kahan;
                step.step = plain ? 1 : 3;
                step.kahan = kahan;
                step.round_hyperparameters = !plain;
                const DType state = plain ? dtype : DType::fp32;
                const auto operand = [&](DType t, int scale) { return values(t, shape, ++i, scale); };
                HostTensor variance = operand(state, -4);
                if (state == DType::fp32)
                    for (float &v : variance.as<float>()) v = std::fabs(v);
                else
                    for (std::uint16_t &v : variance.as<std::uint16_t>()) v &= 0x7fff;
                std::vector<HostTensor> adam = {operand(dtype, 0), operand(dtype, -3), operand(state, -4), variance};
                std::vector<std::pair<DType, Shape>> left = {{dtype, shape}, {state, shape}, {state, shape}};
                if (kahan) {
                    adam.push_back(operand(dtype, -12));
                    left.emplace_back(dtype, shape);
                }
                auto &one = cases.add("adam_step", OpKind::adam_step, step, adam, left);
                if (!kahan && dtype == DType::bf16) one.operation.rounding.mode = ops::OutputRounding::Mode::stochastic;
                for (const double momentum : {0.0, 0.9}) {
                    step.momentum = momentum;
                    step.dampening = plain ? 0 : 0.25;
                    step.nesterov = momentum != 0 && !plain;
                    std::vector<HostTensor> sgd = {operand(dtype, 0), operand(dtype, -3)};
                    std::vector<std::pair<DType, Shape>> remains = {{dtype, shape}};
                    if (momentum != 0) {
                        sgd.push_back(operand(state, -4));
                        remains.emplace_back(state, shape);
                    }
                    if (kahan) {
                        sgd.push_back(operand(dtype, -12));
                        remains.emplace_back(dtype, shape);
                    }
                    cases.add("sgd_step", OpKind::sgd_step, step, sgd, remains);
                }
            }
    }
}

void add_without_kernels(Cases &cases) {
    cases
        .add("transpose", OpKind::transpose, ops::Permutation{{1, 0}}, {values(DType::fp16, Shape{5, 7}, 900)},
             {{DType::fp16, Shape{7, 5}}})
        .on_device = false;
    cases
        .add("max_pool", OpKind::max_pool, ops::Pooling{{2}, {2}, {1}, {0}, {0}, false, {}},
             {values(DType::fp32, Shape{1, 2, 8}, 901)},
             {{DType::fp32, Shape{1, 2, 4}}, {DType::int64, Shape{1, 2, 4}}})
        .on_device = false;
}

} // namespace

std::vector<OperationCase> operation_cases() {
    Cases cases;
    add_elementwise(cases);
    add_products(cases);
    add_convolutions(cases);
    add_rows(cases);
    add_optimizers(cases);
    add_without_kernels(cases);
    return std::move(cases.all);
}

} // namespace halfscope::kernels
