#include "tests/model/autodiff/gradient_case.h"

namespace halfscope::tests {

std::vector<GradientCase> reduction_cases() {
    const Trained x{{3, 4, 5}, 0.5, 2, {}, true};
    std::vector<GradientCase> cases;
    for (OpKind kind : {OpKind::reduce_sum, OpKind::reduce_mean, OpKind::reduce_max, OpKind::reduce_min,
                        OpKind::reduce_product, OpKind::reduce_sum_squares}) {
        const std::string name(name_of(kind));
        const auto reduce = [kind](std::vector<int> axes, bool keep) {
            return apply({kind, ops::Reduction{std::move(axes), keep}, {}});
        };
        cases.push_back({name + " of all", {x}, reduce({}, false)});
        cases.push_back({name + " of the middle axis", {x}, reduce({1}, false)});
        cases.push_back({name + " of two axes, kept", {x}, reduce({0, 2}, true)});
    }
    // Ties share the gradient evenly: twice the same operand, moved together.
    const auto tied = [](Graph &graph, const std::vector<ValueId> &w) {
        const ValueId twice = add(graph, along(OpKind::concat, 0), {w[0], w[0]});
        return add(graph, {OpKind::reduce_max, ops::Reduction{{0}, false}, {}}, {twice});
    };
    cases.push_back({"reduce_max with ties", {x}, tied});
    cases.push_back({"cumulative_sum", {x}, apply(along(OpKind::cumulative_sum, 1))});
    return cases;
}

TEST_CASE("gradients of reductions") { check_all(reduction_cases()); }

} // namespace halfscope::tests
