#include "tests/model/autodiff/gradient_case.h"

namespace halfscope::tests {
namespace {

/// Row 1 is read three times, row 3 through a negative index, rows 0 and 2 not at all.
Build gather(int axis) {
    return [axis](Graph &graph, const std::vector<ValueId> &w) {
        return add(graph, along(OpKind::gather, axis), {w[0], int64_constant(graph, {2, 2}, {1, 1, -1, 1})});
    };
}

Build gather_elements(int axis) {
    return [axis](Graph &graph, const std::vector<ValueId> &w) {
        return add(graph, along(OpKind::gather_elements, axis),
                   {w[0], int64_constant(graph, {2, 3}, {0, 1, 0, 1, 1, -2})});
    };
}

/// Rows written into a longer table: 1 twice, the last through a negative index, 0 and 2 not at all.
Build scatter_rows() {
    return [](Graph &graph, const std::vector<ValueId> &w) {
        return add(graph, along(OpKind::gather_gradient, 0), {w[0], int64_constant(graph, {3}, {1, -1, 1})},
                   Shape{4, 5});
    };
}

Build scatter_elements(int axis) {
    return [axis](Graph &graph, const std::vector<ValueId> &w) {
        return add(graph, along(OpKind::gather_elements_gradient, axis),
                   {w[0], int64_constant(graph, {2, 3}, {0, 1, 0, 1, 1, -2})}, Shape{4, 3});
    };
}

/// A slice of every second element, backwards along the second axis.
ops::Operation backwards() { return {OpKind::slice, ops::Slice{{1, 4}, {3, -1}, {1, -2}, 0}, {}}; }

} // namespace

std::vector<GradientCase> movement_cases() {
    const Trained x{{4, 5}}, cube{{2, 3, 4}};
    return {
        {"gather", {x}, gather(0)},
        {"gather along the last axis", {{{3, 4}}}, gather(1)},
        {"gather_elements", {{{2, 3}}}, gather_elements(0)},
        {"gather_elements along the last axis", {{{2, 3}}}, gather_elements(1)},
        {"gather_gradient as a scatter", {{{3, 5}}}, scatter_rows()},
        {"gather_elements_gradient as a scatter", {{{2, 3}}}, scatter_elements(0)},
        {"gather_elements_gradient as a scatter along the last axis", {{{2, 3}}}, scatter_elements(1)},
        {"transpose", {cube}, apply({OpKind::transpose, ops::Permutation{{2, 0, 1}}, {}})},
        {"reshape", {cube}, apply(op(OpKind::reshape), Shape{6, 4})},
        {"expand", {{{3, 1}}}, apply(op(OpKind::expand), Shape{2, 3, 4})},
        {"concat", {{{2, 3}}, {{2, 1}}, {{2, 4}}}, apply(along(OpKind::concat, 1))},
        {"slice", {x}, apply({OpKind::slice, ops::Slice{{1, 0}, {3, 5}, {1, 2}, 0}, {}})},
        {"slice backwards", {x}, apply(backwards())},
        {"pad", {x}, apply({OpKind::pad, ops::Slice{{1, 0}, {2, 3}, {}, 0.5}, {}})},
        {"trilu, upper", {x}, apply(op(OpKind::trilu, 1, 1))},
        {"trilu, lower", {cube}, apply(op(OpKind::trilu, 0, -1))},
        {"dropout", {{{8, 8}}}, apply(op(OpKind::dropout, 0.4))},
    };
}

TEST_CASE("gradients of data movement") { check_all(movement_cases()); }

} // namespace halfscope::tests
