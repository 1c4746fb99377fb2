#include "kernels/inputs/case_list.h"

namespace halfscope::kernels {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

void add_indexing(CaseList &cases) {
    std::uint32_t i = 650;
    struct Rows {
        Shape data, indices, gathered;
        int axis;
    };
    const Rows all[] = {
        {Shape{11, 9}, Shape{4, 13}, Shape{4, 13, 9}, 0},
        {Shape{3, 300, 2}, Shape{7}, Shape{3, 7, 2}, 1},
        {Shape{2, 5}, Shape{}, Shape{2}, 1},
    };
    for (const Rows &rows : all)
        for (const DType stored : case_types)
            for (const DType result : case_types) {
                ++i;
                // The first grows with its indices, the others with what lies around the axis.
                const bool more_indices = rows.axis == 0;
                const Shape data = more_indices ? rows.data : cases.grown(rows.data);
                const Shape gathered = cases.grown(rows.gathered);
                const auto size = static_cast<int>(data[rows.axis]);
                const HostTensor indices =
                    integers(more_indices ? cases.grown(rows.indices) : rows.indices, i, -size, size - 1);
                cases
                    .add(OpKind::gather, ops::Axis{rows.axis}, {values(stored, data, i, 0, true, true), indices},
                         {{result, gathered}})
                    .operation.rounding = rounding_in_turn(i);
                cases
                    .add(OpKind::gather_gradient, ops::Axis{rows.axis},
                         {values(stored, gathered, i + 20, 0, true), indices}, {{result, data}})
                    .operation.rounding = rounding_in_turn(i + 1);
            }
    cases.add("gather of integers", OpKind::gather, ops::Axis{0},
              {integers(Shape{9, 3}, i, -9, 9), integers(cases.grown(Shape{50}), i + 1, 0, 8)},
              {{DType::int64, cases.grown(Shape{50, 3})}});
}

void add_gather_elements(CaseList &cases) {
    std::uint32_t i = 910;
    struct Lines {
        Shape data, indices;
        int axis;
    };
    const Lines all[] = {
        {Shape{7, 9}, Shape{5, 31}, 1},       // rows of the data that no index names
        {Shape{6, 3, 5}, Shape{6, 23, 4}, 1}, // a column, too
        {Shape{5, 13}, Shape{77, 13}, 0},     {Shape{19}, Shape{50}, 0}, {Shape{37, 10}, Shape{37, 1}, 1},
    };
    for (const Lines &lines : all)
        for (const DType stored : case_types)
            for (const DType result : case_types) {
                ++i;
                const Shape data = cases.grown(lines.data), indices = cases.grown(lines.indices);
                const auto size = static_cast<int>(data[lines.axis]);
                const HostTensor named = integers(indices, i, -size, size - 1);
                cases
                    .add(OpKind::gather_elements, ops::Axis{lines.axis},
                         {values(stored, data, i, 0, true, true), named}, {{result, indices}})
                    .operation.rounding = rounding_in_turn(i);
                cases
                    .add(OpKind::gather_elements_gradient, ops::Axis{lines.axis},
                         {values(stored, indices, i + 60, 0, true, i % 2 == 0), named}, {{result, data}})
                    .operation.rounding = rounding_in_turn(i + 1);
            }
    cases.add("gather_elements of integers", OpKind::gather_elements, ops::Axis{1},
              {integers(cases.grown(Shape{9, 4}), i, -9, 9), integers(cases.grown(Shape{9, 11}), i + 1, -4, 3)},
              {{DType::int64, cases.grown(Shape{9, 11})}});
    cases.add("gather_elements of booleans", OpKind::gather_elements, ops::Axis{0},
              {values(DType::boolean, Shape{8, 4}, i), integers(Shape{17, 3}, i + 1, -8, 7)},
              {{DType::boolean, Shape{17, 3}}});
}

void add_one_hot(CaseList &cases) {
    std::uint32_t i = 980;
    struct Marks {
        Shape indices, marked;
        int axis, depth;
    };
    const Marks all[] = {
        {Shape{11, 3}, Shape{11, 3, 7}, 2, 7}, {Shape{5, 9}, Shape{5, 6, 9}, 1, 6}, {Shape{}, Shape{4}, 0, 4}};
    for (const Marks &marks : all)
        for (const DType stored : {DType::fp32, DType::fp16, DType::bf16, DType::int64, DType::boolean}) {
            const bool scalar = marks.indices.rank() == 0;
            cases.next(i).add(OpKind::one_hot, ops::Axis{marks.axis},
                              {integers(scalar ? marks.indices : cases.grown(marks.indices), i, -marks.depth - 2,
                                        marks.depth + 1)}, // some mark nothing
                              {{stored, scalar ? marks.marked : cases.grown(marks.marked)}});
        }
}

void add_dropout(CaseList &cases) {
    std::uint32_t i = 1000;
    for (const double ratio : {0.0, 0.1, 0.5, 1.0})
        for (const Shape &base : {Shape{5, 1013}, Shape{3}, Shape{2, 7, 9}}) {
            const Shape shape = cases.grown(base);
            const DType stored = case_types[++i % 3], result = case_types[i / 2 % 3];
            cases
                .add(OpKind::dropout, ops::Scalars{ratio, 0}, {values(stored, shape, i, 0, true, i % 2 == 0)},
                     {{result, shape}, {DType::boolean, shape}})
                .operation.rounding = rounding_in_turn(i);
            cases
                .add(OpKind::dropout_gradient, ops::Scalars{ratio, 0},
                     {values(stored, shape, i + 20, 0, true, i % 2 == 0), values(DType::boolean, shape, i + 40)},
                     {{result, shape}})
                .operation.rounding = rounding_in_turn(i + 1);
        }
}

void add_random_values(CaseList &cases) {
    std::uint32_t i = 1100;
    for (const OpKind kind : {OpKind::random_uniform, OpKind::random_normal})
        for (const Shape &base : {Shape{5, 1013}, Shape{1}, Shape{2, 7, 9}})
            for (const DType stored : case_types) {
                const Shape shape = cases.grown(base);
                cases.next(i)
                    .add(kind, ops::Scalars{-0.75, 1.5}, {values(case_types[i % 3], shape, i)}, {{stored, shape}})
                    .operation.rounding = rounding_in_turn(i);
            }
}

void add_movement(CaseList &cases) {
    std::uint32_t i = 700;
    const auto move = [&](OpKind kind, const auto &attributes, const Shape &from, const Shape &to) {
        for (const DType stored : {DType::fp32, DType::fp16, DType::bf16, DType::boolean, DType::int64}) {
            const HostTensor x =
                stored == DType::int64 ? integers(from, i, -9, 9) : values(stored, from, i, 0, true, true);
            cases.next(i).add(kind, attributes, {x}, {{stored, to}}).operation.rounding = rounding_in_turn(i);
        }
        // From one storage to another, through C.
        cases.next(i)
            .add(kind, attributes, {values(case_types[i % 3], from, i, 0, true, true)}, {{case_types[(i + 1) % 3], to}})
            .operation.rounding = rounding_in_turn(i);
    };
    const auto grown = [&](const Shape &shape) { return cases.grown(shape); };
    move(OpKind::transpose, ops::Permutation{{0, 2, 1, 3}}, grown(Shape{3, 5, 4, 6}), grown(Shape{3, 4, 5, 6}));
    move(OpKind::transpose, ops::Permutation{{1, 0}}, grown(Shape{33, 41}), cases.grown(Shape{41, 33}, 1));
    move(OpKind::reshape, std::monostate{}, grown(Shape{6, 7, 5}), grown(Shape{6, 35}));
    move(OpKind::expand, std::monostate{}, grown(Shape{4, 1, 5}), grown(Shape{4, 3, 5}));
    const std::int64_t rows = grown(Shape{7})[0];
    move(OpKind::slice, ops::Slice{{rows - 1, 1}, {0, 9}, {-2, 3}, 0}, grown(Shape{7, 10}), Shape{rows / 2, 3});
    move(OpKind::slice_gradient, ops::Slice{{0, 9}, {rows, 2}, {1, -3}, 0}, Shape{rows, 3}, grown(Shape{7, 10}));
    move(OpKind::pad, ops::Slice{{0, 2, -1}, {0, 1, 2}, {}, -1.25}, grown(Shape{5, 4, 6}), grown(Shape{5, 7, 7}));
    for (const double upper : {0.0, 1.0})
        move(OpKind::trilu, ops::Scalars{upper, upper == 0 ? 1.0 : -1.0}, grown(Shape{3, 6, 9}), grown(Shape{3, 6, 9}));
    for (const DType stored : case_types)
        cases.next(i).add(OpKind::concat, ops::Axis{1},
                          {values(stored, grown(Shape{6, 2, 3}), i, 0, true),
                           values(stored, grown(Shape{6, 5, 3}), i + 1),
                           values(case_types[i % 3], grown(Shape{6, 1, 3}), i + 2)},
                          {{stored, grown(Shape{6, 8, 3})}});
}

} // namespace halfscope::kernels
