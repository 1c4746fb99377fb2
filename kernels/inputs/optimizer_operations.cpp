#include "kernels/inputs/case_list.h"

#include <cmath>

namespace halfscope::kernels {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

void add_optimizers(CaseList &cases) {
    const Shape shape = cases.grown(Shape{13, 321});
    std::uint32_t i = 700;
    for (const DType dtype : case_types) {
        cases.add("unscale_check", OpKind::unscale_check, {},
                  {values(dtype, shape, ++i, 0, true), values(DType::fp32, Shape{}, 3, -10)},
                  {{DType::fp32, shape}, {DType::fp32, Shape{}}});
        cases.add("unscale_check of inf", OpKind::unscale_check, {},
                  {values(dtype, shape, ++i, 0, true, true), values(DType::fp32, Shape{}, 3, -10)},
                  {{dtype, shape}, {DType::fp32, Shape{}}});
        // Several gradients, one of them without elements and one with more than a block of the device takes.
        for (const bool specials : {false, true})
            cases
                .add("unscale_check of many", OpKind::unscale_check, {},
                     {values(dtype, Shape{5}, ++i, 0, true), values(DType::fp32, Shape{0, 3}, 1),
                      values(DType::bf16, shape, ++i, 0, true), values(dtype, Shape{4096}, ++i, 0, true, specials),
                      values(DType::fp32, Shape{1}, 3, -10)},
                     {{dtype, Shape{5}},
                      {DType::fp32, Shape{0, 3}},
                      {DType::fp16, shape},
                      {DType::fp32, Shape{4096}},
                      {DType::fp32, Shape{}}})
                .operation.rounding = specials ? ops::OutputRounding{} : rounding_in_turn(i);
        for (const bool kahan : {false, true})
            for (const bool plain : {true, false}) {
                ops::OptimizerStep step;
                step.learning_rate = 1e-2;
                step.weight_decay = plain ? 0 : 0.1;
                step.decoupled_weight_decay = kahan;
                step.step = plain ? 1 : 3;
                step.kahan = kahan;
                step.round_hyperparameters = !plain;
                const DType state = plain || kahan ? dtype : DType::fp32;
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

} // namespace halfscope::kernels
