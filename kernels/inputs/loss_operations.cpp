#include "kernels/inputs/case_list.h"

namespace halfscope::kernels {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

void add_losses(CaseList &cases) {
    std::uint32_t i = 600;
    struct Targets {
        Shape probabilities, targets;
        int classes;
    };
    // The second: more targets than a chunk of the tree.
    const Targets all[] = {{Shape{9, 7}, Shape{9}, 7}, {Shape{41, 3, 103}, Shape{41, 103}, 3}};
    for (const Targets &base : all)
        for (const ops::Loss &loss : {ops::Loss{}, ops::Loss{-1, true, false}, ops::Loss{2, false, false},
                                      ops::Loss{-1, true, true}, ops::Loss{1, false, true}}) {
            ++i;
            const Shape shape = cases.grown(base.probabilities), scalar;
            const HostTensor targets =
                integers(cases.grown(base.targets), i, loss.ignore_index == -1 ? -1 : 0, base.classes - 1);
            const Shape result = loss.per_element ? targets.shape : scalar;
            const DType stored = case_types[i % 3], left = case_types[i / 2 % 3];
            cases.add(OpKind::nll_loss, loss, {values(stored, shape, i, 2, true, i % 2 == 0), targets},
                      {{left, result}});
            cases.add(OpKind::nll_loss_gradient, loss, {values(stored, result, i + 20), targets}, {{left, shape}})
                .operation.rounding = rounding_in_turn(i);
        }
    cases.add("nll_loss without a target that counts", OpKind::nll_loss, ops::Loss{0, true, false},
              {values(DType::fp32, Shape{3, 4}, i), integers(Shape{3}, i, 0, 0)}, {{DType::fp32, Shape{}}});
    for (const bool per_element : {false, true})
        for (const bool mean : {true, false})
            for (const bool specials : {false, true}) {
                ++i;
                const ops::Loss loss{0, mean, per_element};
                const Shape shape = cases.grown(Shape{5, 1013}), result = per_element ? shape : Shape{};
                const DType stored = case_types[i % 3], left = case_types[i / 2 % 3];
                const HostTensor p = values(stored, shape, i, 1, specials, specials);
                const HostTensor t = values(case_types[i / 3 % 3], shape, i + 20, 0, specials);
                const HostTensor dy = values(DType::fp32, result, i + 40);
                cases.add(OpKind::mse_loss, loss, {p, t}, {{left, result}});
                cases.add(OpKind::bce_with_logits, loss, {p, t}, {{left, result}});
                cases.add(OpKind::mse_loss_gradient, loss, {dy, p, t}, {{left, shape}});
                cases.add(OpKind::bce_with_logits_gradient, loss, {dy, p, t}, {{left, shape}});
            }
    cases
        .add("nll_loss of a target that is no class", OpKind::nll_loss, ops::Loss{},
             {values(DType::fp32, Shape{3, 4}, i), integers(Shape{3}, i, 0, 3)}, {{DType::fp64, Shape{}}})
        .on_device = false;
}

} // namespace halfscope::kernels
