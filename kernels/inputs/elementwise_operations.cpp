#include "kernels/inputs/case_list.h"

namespace halfscope::kernels {

using ops::DType;
using ops::OpKind;
using ops::Shape;

void add_elementwise(CaseList &cases) {
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
    const Shape shape = cases.grown(Shape{5, 1, 123}), full = cases.grown(Shape{5, 4, 123});
    std::size_t i = 0;
    for (const OpKind kind : unary) {
        const auto stream = static_cast<std::uint32_t>(++i);
        auto &one =
            cases.add(std::string(name_of(kind)), kind, ops::Scalars{0.3, 1.7},
                      {values(case_types[i % 3], shape, stream, 0, true, true)}, {{case_types[i / 2 % 3], shape}});
        one.operation.rounding = rounding_in_turn(i);
    }
    const Shape broadcast[] = {shape, Shape{123}, cases.grown(Shape{5, 4, 1}), Shape{1, 1, 1}};
    for (const OpKind kind : binary) {
        const auto stream = static_cast<std::uint32_t>(++i);
        cases.add(std::string(name_of(kind)), kind, ops::Scalars{0.3, 1.7},
                  {values(case_types[i % 3], full, stream, 0, true, true),
                   values(case_types[i / 3 % 3], broadcast[i % 4], stream + 100, 0, true, true)},
                  {{case_types[i / 2 % 3], full}});
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
    const Shape many = cases.grown(Shape{2, 5001}), giants = cases.grown(Shape{5001}), dwarfs = cases.grown(Shape{700});
    for (const DType dtype : case_types) {
        cases.add("cast of many", OpKind::cast, {}, {values(DType::fp32, many, 79, 0, true, true)}, {{dtype, many}});
        cases.add("cast of giants", OpKind::cast, {}, {values(DType::fp32, giants, 80, 60, true)}, {{dtype, giants}});
        cases.add("cast of dwarfs", OpKind::cast, {}, {values(DType::fp32, dwarfs, 81, -50)}, {{dtype, dwarfs}})
            .operation.rounding = rounding_in_turn(3);
    }
}

} // namespace halfscope::kernels
