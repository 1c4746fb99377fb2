#include "kernels/inputs/case_list.h"

namespace halfscope::kernels {

using ops::DType;
using ops::HostTensor;
using ops::OpKind;
using ops::Shape;

namespace {

/// The second result of max_pool, by the emulator.
HostTensor winning_taps(const ops::Pooling &pooling, HostTensor x, const Shape &y) {
    const auto emulator = ops::make_cpu_backend(1);
    HostTensor largest(DType::fp32, y), winners(DType::int64, y);
    const ops::TensorView in = x.view(), out[] = {largest.view(), winners.view()};
    emulator->run({OpKind::max_pool, pooling, {}}, {&in, 1}, out);
    return winners;
}

} // namespace

void add_pooling(CaseList &cases) {
    struct Window {
        Shape x, y;
        ops::Pooling pooling;
    };
    const Window windows[] = {
        {Shape{2, 3, 8, 9}, Shape{2, 3, 4, 4}, {{2, 2}, {2, 2}, {}, {}, {}, false, {}}},
        {Shape{2, 2, 7, 6}, Shape{2, 2, 4, 6}, {{3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 1}, false, {}}},
        {Shape{1, 4, 9, 8}, Shape{1, 4, 4, 4}, {{3, 2}, {2, 2}, {2, 3}, {1, 1}, {2, 1}, true, {1, 0}}},
        {Shape{3, 2, 23}, Shape{3, 2, 8}, {{4}, {3}, {1}, {2}, {1}, true, {}}},
        {Shape{2, 1, 5, 5},
         Shape{2, 1, 7, 7},
         {{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, false, {}}}, // windows of padding
    };
    std::uint32_t i = 560;
    for (const Window &window : windows)
        for (const bool specials : {false, true}) {
            const Shape x = cases.grown(window.x), y = cases.grown(window.y);
            const DType stored = case_types[++i % 3], result = case_types[i / 2 % 3];
            const HostTensor in = values(stored, x, i, 0, true, specials);
            cases.add(OpKind::max_pool, window.pooling, {in}, {{result, y}, {DType::int64, y}}).operation.rounding =
                rounding_in_turn(i);
            cases.add(OpKind::average_pool, window.pooling, {in}, {{result, y}});
            cases.add(OpKind::average_pool_gradient, window.pooling, {values(stored, y, i + 20, 0, true, specials)},
                      {{result, x}});
            const HostTensor winners = winning_taps(window.pooling, in, y);
            cases.add(OpKind::max_pool_gradient, window.pooling,
                      {values(stored, y, i + 20, 0, true, specials), winners}, {{result, x}});
        }
    // Winners that are no taps of their windows: what a device leaves to the host.
    cases
        .add(OpKind::max_pool_gradient, ops::Pooling{{2}, {2}, {1}, {0}, {0}, false, {}},
             {values(DType::fp32, Shape{1, 1, 4}, i), integers(Shape{1, 1, 4}, i, 0, 7)},
             {{DType::fp32, Shape{1, 1, 8}}})
        .on_device = false;
}

void add_resizing(CaseList &cases) {
    struct Sizes {
        Shape x, y;
    };
    const Sizes all[] = {
        {Shape{2, 3, 5, 4}, Shape{2, 3, 10, 9}},
        {Shape{3, 2, 11, 8}, Shape{3, 2, 4, 13}}, // rows of x that nobody reads
        {Shape{2, 3, 7}, Shape{5, 3, 7}},
        {Shape{3, 4, 2, 5}, Shape{1, 4, 6, 5}},
        {Shape{7}, Shape{31}},
        {Shape{9, 6}, Shape{9, 6}},
    };
    std::uint32_t i = 860;
    for (const Sizes &sizes : all)
        for (const bool specials : {false, true})
            for (const DType stored : case_types) {
                const Shape x = cases.grown(sizes.x), y = cases.grown(sizes.y);
                const DType result = case_types[++i / 2 % 3];
                cases
                    .add(OpKind::resize_nearest, std::monostate{}, {values(stored, x, i, 0, true, specials)},
                         {{result, y}})
                    .operation.rounding = rounding_in_turn(i);
                cases
                    .add(OpKind::resize_nearest_gradient, std::monostate{},
                         {values(stored, y, i + 20, 0, true, specials)}, {{result, x}})
                    .operation.rounding = rounding_in_turn(i + 1);
            }
}

} // namespace halfscope::kernels
