// Every shape is worked out by hand from the definition of the operation (or by PyTorch's documented formula).
#include "emulation/model/graph.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::model;
using ops::DType;
using ops::Operation;
using ops::OpKind;
using ops::Shape;

namespace {

struct Made {
    Graph graph;
    std::vector<ValueId> outputs;
    [[nodiscard]] std::string text(std::size_t output = 0) const {
        const Value &value = graph.value(outputs.at(output));
        return std::string(name_of(value.dtype)) + " " + value.shape.text();
    }
};

using Inputs = std::vector<std::pair<DType, Shape>>;

Made make(const Operation &operation, const Inputs &inputs, std::optional<Shape> shape = {},
          std::optional<DType> dtype = {}) {
    Made made;
    std::vector<ValueId> operands;
    for (const auto &[type, dims] : inputs) operands.push_back(made.graph.add_input("x", type, dims));
    made.graph.add_node(operation, operands, "n", "", dtype, shape);
    made.outputs = made.graph.nodes.back().outputs;
    return made;
}

Inputs fp32(std::initializer_list<Shape> shapes) {
    Inputs inputs;
    for (const Shape &shape : shapes) inputs.emplace_back(DType::fp32, shape);
    return inputs;
}

bool rejects(const Operation &operation, const Inputs &inputs, std::optional<Shape> shape = {},
             std::optional<DType> dtype = {}) {
    try {
        make(operation, inputs, shape, dtype);
    } catch (const std::invalid_argument &) {
        return true;
    }
    return false;
}

Operation op(OpKind kind) { return {kind, {}, {}}; }

Operation convolution(std::int64_t stride, std::int64_t pad, std::int64_t dilation = 1, std::int64_t groups = 1,
                      OpKind kind = OpKind::convolution) {
    ops::Convolution window;
    window.strides = {stride, stride};
    window.dilations = {dilation, dilation};
    window.pads_begin = window.pads_end = {pad, pad};
    window.groups = groups;
    return {kind, window, {}};
}

Operation pooling(OpKind kind, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
    ops::Pooling window;
    window.kernel = {kernel, kernel};
    window.strides = {stride, stride};
    window.pads_begin = window.pads_end = {pad, pad};
    return {kind, window, {}};
}

} // namespace

TEST_CASE("elementwise operations broadcast") {
    CHECK(make(op(OpKind::add), fp32({{4, 1, 3}, {5, 1}})).text() == "fp32 [4, 5, 3]");
    CHECK(make(op(OpKind::multiply), fp32({Shape{}, {2, 3}})).text() == "fp32 [2, 3]");
    CHECK(make(op(OpKind::less), fp32({{2, 3}, {3}})).text() == "boolean [2, 3]");
    CHECK(make(op(OpKind::where), {{DType::boolean, {4, 4}}, {DType::fp16, {2, 4, 4}}, {DType::fp16, {1}}}).text() ==
          "fp16 [2, 4, 4]");
    CHECK(make(op(OpKind::where), {{DType::boolean, {4}}, {DType::int64, {4}}, {DType::int64, {1}}}).text() ==
          "int64 [4]");
    CHECK(make(op(OpKind::cast), fp32({{7}}), {}, DType::bf16).text() == "bf16 [7]");
    CHECK(rejects(op(OpKind::cast), fp32({{7}})));
    CHECK(rejects(op(OpKind::add), fp32({{2, 3}, {2}})));
    CHECK(rejects(op(OpKind::add), fp32({{2, 3}})));
    CHECK(rejects(op(OpKind::scale), fp32({{2, 3}})));
    CHECK(rejects({OpKind::relu, ops::Scalars{}, {}}, fp32({{2}})));
    CHECK(rejects(op(OpKind::exponential), {{DType::int64, {2}}}));
    CHECK(rejects(op(OpKind::where), fp32({{2}, {2}, {2}})));
    CHECK(rejects(op(OpKind::logical_and), fp32({{2}, {2}})));
}

TEST_CASE("reductions drop or keep their axes") {
    const auto reduce = [](std::vector<int> axes, bool keep, OpKind kind = OpKind::reduce_sum) {
        return Operation{kind, ops::Reduction{std::move(axes), keep}, {}};
    };
    CHECK(make(reduce({}, false), fp32({{2, 3, 4}})).text() == "fp32 []");
    CHECK(make(reduce({}, true), fp32({{2, 3, 4}})).text() == "fp32 [1, 1, 1]");
    CHECK(make(reduce({0, 2}, false), fp32({{2, 3, 4}})).text() == "fp32 [3]");
    CHECK(make(reduce({1}, true), fp32({{2, 3, 4}})).text() == "fp32 [2, 1, 4]");
    CHECK(make(reduce({1}, false, OpKind::argmax), fp32({{2, 3, 4}})).text() == "int64 [2, 4]");
    CHECK(make(op(OpKind::reduce_mean), fp32({{2, 3}})).text() == "fp32 []");
    CHECK(make({OpKind::cumulative_sum, ops::Axis{1}, {}}, fp32({{2, 3}})).text() == "fp32 [2, 3]");
    CHECK(rejects(reduce({1, 0}, false), fp32({{2, 3}})));
    CHECK(rejects(reduce({2}, false), fp32({{2, 3}})));
    CHECK(rejects(reduce({0, 1}, false, OpKind::argmax), fp32({{2, 3}})));
    const Operation top{OpKind::top_k, ops::Axis{1}, {}};
    CHECK(make(top, {{DType::fp16, {2, 5, 4}}}, Shape{2, 3, 4}).text() == "int64 [2, 3, 4]");
    CHECK(rejects(top, fp32({{2, 5, 4}}), Shape{2, 6, 4}));
    CHECK(rejects(top, fp32({{2, 5, 4}}), Shape{1, 3, 4}));
    CHECK(rejects(top, fp32({{2, 5, 4}})));
    CHECK(rejects(reduce({0}, false, OpKind::reduce_max), fp32({{0, 3}})));
}

TEST_CASE("matrix products broadcast their leading axes") {
    CHECK(make(op(OpKind::matmul), fp32({{2, 5, 3, 4}, {5, 4, 6}})).text() == "fp32 [2, 5, 3, 6]");
    CHECK(make(op(OpKind::matmul), fp32({{8, 16, 4}, {4, 6}, {6}})).text() == "fp32 [8, 16, 6]");
    ops::Matmul transposed;
    transposed.transpose_a = transposed.transpose_b = true;
    CHECK(make({OpKind::matmul, transposed, {}}, fp32({{4, 3}, {6, 4}})).text() == "fp32 [3, 6]");
    CHECK(make(op(OpKind::matmul), {{DType::fp16, {2, 3}}, {DType::fp16, {3, 2}}}, {}, DType::fp32).text() ==
          "fp32 [2, 2]");
    CHECK(rejects(op(OpKind::matmul), fp32({{3}, {3, 2}})));
    CHECK(rejects(op(OpKind::matmul), fp32({{2, 3, 4}, {3, 4, 5}})));
    CHECK(rejects(op(OpKind::matmul), fp32({{2, 3}, {3, 4}, {3, 1, 4}})));
    CHECK(rejects(op(OpKind::matmul), {{DType::int64, {2, 3}}, {DType::int64, {3, 4}}}));
}

TEST_CASE("convolutions and pooling slide windows") {
    // torch.nn.Conv2d: floor((H + 2p - d(k - 1) - 1) / s + 1)
    CHECK(make(convolution(2, 1), fp32({{8, 3, 32, 31}, {16, 3, 3, 3}, {16}})).text() == "fp32 [8, 16, 16, 16]");
    CHECK(make(convolution(1, 0, 2), fp32({{1, 4, 9, 9}, {6, 4, 3, 3}})).text() == "fp32 [1, 6, 5, 5]");
    CHECK(make(convolution(1, 1, 1, 4), fp32({{1, 8, 9, 9}, {4, 2, 3, 3}})).text() == "fp32 [1, 4, 9, 9]");
    CHECK(make(op(OpKind::convolution), fp32({{2, 3, 10}, {5, 3, 4}})).text() == "fp32 [2, 5, 7]");
    CHECK(rejects(convolution(1, 0), fp32({{8, 3, 32, 32}, {16, 4, 3, 3}})));
    CHECK(rejects(convolution(1, 0), fp32({{8, 3, 2, 2}, {16, 3, 3, 3}})));
    CHECK(rejects(convolution(1, 1, 1, 3), fp32({{1, 3, 9, 9}, {4, 1, 3, 3}})));
    CHECK(rejects(convolution(1, 0), fp32({{8, 3, 32, 32}, {16, 3, 3, 3}, {3}})));

    const auto gradient = [](OpKind kind) { return convolution(2, 1, 1, 1, kind); };
    const Inputs dy_w = fp32({{8, 16, 16, 16}, {16, 3, 3, 3}}), dy_x = fp32({{8, 16, 16, 16}, {8, 3, 32, 32}});
    CHECK(make(gradient(OpKind::convolution_input_gradient), dy_w, Shape{8, 3, 32, 32}).text() ==
          "fp32 [8, 3, 32, 32]");
    CHECK(make(gradient(OpKind::convolution_weight_gradient), dy_x, Shape{16, 3, 3, 3}).text() == "fp32 [16, 3, 3, 3]");
    CHECK(rejects(gradient(OpKind::convolution_input_gradient), dy_w));
    CHECK(rejects(gradient(OpKind::convolution_input_gradient), dy_w, Shape{8, 3, 34, 32}));

    const Made pooled = make(pooling(OpKind::max_pool, 3, 2, 1), fp32({{2, 4, 7, 8}}));
    CHECK(pooled.text() == "fp32 [2, 4, 4, 4]");
    CHECK(pooled.text(1) == "int64 [2, 4, 4, 4]");
    CHECK(make(pooling(OpKind::average_pool, 2, 2, 0), fp32({{2, 4, 7, 8}})).text() == "fp32 [2, 4, 3, 4]");
    CHECK(make(pooling(OpKind::average_pool_gradient, 2, 2, 0), fp32({{2, 4, 3, 4}}), Shape{2, 4, 7, 8}).text() ==
          "fp32 [2, 4, 7, 8]");
    CHECK(make(op(OpKind::resize_nearest), fp32({{2, 4, 3, 3}}), Shape{2, 4, 6, 9}).text() == "fp32 [2, 4, 6, 9]");
    CHECK(rejects(op(OpKind::resize_nearest), fp32({{2, 4, 3, 3}}), Shape{2, 5, 6, 9}));
    CHECK(rejects(pooling(OpKind::max_pool, 9, 2, 0), fp32({{2, 4, 7, 8}})));
}

TEST_CASE("norms keep x's type and save fp32 statistics") {
    const Made group = make({OpKind::group_norm, ops::Normalization{1e-5, 0.1, -1, 2}, {}},
                            {{DType::bf16, {3, 4, 5, 5}}, {DType::fp32, {4}}, {DType::fp32, {4}}});
    CHECK(group.text() == "bf16 [3, 4, 5, 5]");
    CHECK(group.text(1) == "fp32 [3, 2]");
    const Made rms = make({OpKind::rms_norm, ops::Normalization{1e-5, 0.1, 2, 1}, {}},
                          {{DType::fp64, {2, 3, 8}}, {DType::fp64, {8}}});
    CHECK(rms.text(1) == "fp64 [2, 3]");
    const Operation layer{OpKind::layer_norm_gradient, ops::Normalization{1e-5, 0.1, 1, 1}, {}};
    const Made with_weight = make(
        layer,
        {{DType::fp16, {4, 8}}, {DType::fp16, {4, 8}}, {DType::fp32, {4}}, {DType::fp32, {4}}, {DType::fp32, {8}}});
    CHECK(with_weight.outputs.size() == 3);
    CHECK(with_weight.text() == "fp16 [4, 8]");
    CHECK(with_weight.text(1) == "fp32 [8]");
    CHECK(make(layer, {{DType::fp16, {4, 8}}, {DType::fp16, {4, 8}}, {DType::fp32, {4}}, {DType::fp32, {4}}})
              .outputs.size() == 1);
    CHECK(rejects({OpKind::group_norm, ops::Normalization{1e-5, 0.1, -1, 3}, {}}, fp32({{3, 4, 5}, {4}, {4}})));
    CHECK(rejects(op(OpKind::batch_norm_training), fp32({{3, 4}, {4}, {4}, {4}, {5}})));
    CHECK(rejects(op(OpKind::layer_norm), fp32({{3, 4}})));
}

TEST_CASE("losses are scalars") {
    const Inputs scores{{DType::fp32, {4, 10, 3}}, {DType::int64, {4, 3}}};
    CHECK(make(op(OpKind::nll_loss), scores).text() == "fp32 []");
    ops::Loss each;
    each.per_element = true;
    CHECK(make({OpKind::nll_loss, each, {}}, scores).text() == "fp32 [4, 3]");
    CHECK(make(op(OpKind::nll_loss_gradient), {{DType::fp32, {}}, {DType::int64, {4, 3}}}, Shape{4, 10, 3}).text() ==
          "fp32 [4, 10, 3]");
    CHECK(make(op(OpKind::mse_loss), fp32({{4, 2}, {4, 2}})).text() == "fp32 []");
    CHECK(rejects(op(OpKind::nll_loss), fp32({{4, 10}, {4}})));
    CHECK(rejects(op(OpKind::nll_loss), {{DType::fp32, {4, 10}}, {DType::int64, {5}}}));
    CHECK(rejects(op(OpKind::mse_loss), fp32({{4, 2}, {4, 1}})));
    CHECK(rejects({OpKind::softmax, ops::Axis{2}, {}}, fp32({{4, 2}})));
}

TEST_CASE("gathers and movement") {
    const Operation gather{OpKind::gather, ops::Axis{1}, {}};
    CHECK(make(gather, {{DType::fp16, {4, 10, 3}}, {DType::int64, {2, 5}}}).text() == "fp16 [4, 2, 5, 3]");
    CHECK(make(gather, {{DType::int64, {4, 10}}, {DType::int64, {}}}).text() == "int64 [4]");
    CHECK(make({OpKind::gather_gradient, ops::Axis{0}, {}}, {{DType::fp16, {2, 5, 3}}, {DType::int64, {2, 5}}},
               Shape{7, 3})
              .text() == "fp16 [7, 3]");
    CHECK(make({OpKind::gather_elements, ops::Axis{1}, {}}, {{DType::fp32, {4, 10}}, {DType::int64, {3, 20}}}).text() ==
          "fp32 [3, 20]");
    CHECK(make({OpKind::one_hot, ops::Axis{1}, {}}, {{DType::int64, {4, 3}}}, Shape{4, 10, 3}).text() ==
          "fp32 [4, 10, 3]");
    CHECK(make({OpKind::transpose, ops::Permutation{{2, 0, 1}}, {}}, fp32({{2, 3, 4}})).text() == "fp32 [4, 2, 3]");
    CHECK(make(op(OpKind::reshape), fp32({{2, 3, 4}}), Shape{6, 4}).text() == "fp32 [6, 4]");
    CHECK(make(op(OpKind::expand), fp32({{3, 1}}), Shape{2, 3, 4}).text() == "fp32 [2, 3, 4]");
    CHECK(make({OpKind::concat, ops::Axis{1}, {}}, fp32({{2, 3}, {2, 4}, {2, 1}})).text() == "fp32 [2, 8]");
    CHECK(make({OpKind::slice, ops::Slice{{0, 9}, {4, -1}, {2, -3}, 0}, {}}, fp32({{4, 10}})).text() == "fp32 [2, 4]");
    CHECK(make({OpKind::slice_gradient, ops::Slice{{1}, {9}, {3}, 0}, {}}, fp32({{3}}), Shape{10}).text() ==
          "fp32 [10]");
    CHECK(make({OpKind::pad, ops::Slice{{1, 0}, {2, 3}, {}, 0}, {}}, fp32({{4, 5}})).text() == "fp32 [7, 8]");
    CHECK(make({OpKind::dropout, ops::Scalars{0.5, 0}, {}}, fp32({{4, 5}})).text(1) == "boolean [4, 5]");
    CHECK(make({OpKind::fill, ops::Scalars{1, 0}, {}}, {}, Shape{3}, DType::int64).text() == "int64 [3]");

    CHECK(rejects(gather, fp32({{4, 10}, {2}})));
    CHECK(rejects({OpKind::transpose, ops::Permutation{{0, 0}}, {}}, fp32({{2, 3}})));
    CHECK(rejects(op(OpKind::reshape), fp32({{2, 3}}), Shape{5}));
    CHECK(rejects(op(OpKind::reshape), fp32({{2, 3}}), Shape{6}, DType::fp16));
    CHECK(rejects(op(OpKind::expand), fp32({{2, 3}}), Shape{2, 4}));
    CHECK(rejects({OpKind::concat, ops::Axis{1}, {}}, fp32({{2, 3}, {3, 3}})));
    CHECK(rejects({OpKind::slice, ops::Slice{{0}, {11}, {1}, 0}, {}}, fp32({{10}})));
    CHECK(rejects({OpKind::slice, ops::Slice{{0}, {4}, {0}, 0}, {}}, fp32({{10}})));
    CHECK(rejects({OpKind::pad, ops::Slice{{-1}, {0}, {}, 0}, {}}, fp32({{4}})));
}

TEST_CASE("optimizer steps give back the weight and its state") {
    const Operation sgd{OpKind::sgd_step, ops::OptimizerStep{}, {}};
    const Made step = make(sgd, {{DType::bf16, {4}}, {DType::fp32, {4}}, {DType::fp32, {4}}});
    REQUIRE(step.outputs.size() == 2);
    CHECK(step.text() == "bf16 [4]");
    CHECK(step.text(1) == "fp32 [4]");
    CHECK(make(op(OpKind::unscale_check), fp32({{4}, {}})).text(1) == "fp32 []");
    const Made many = make(op(OpKind::unscale_check), fp32({{4}, {2, 3}, {}}));
    REQUIRE(many.outputs.size() == 3);
    CHECK(many.text(1) == "fp32 [2, 3]");
    CHECK(many.text(2) == "fp32 []");
    CHECK(rejects(op(OpKind::unscale_check), fp32({{4}, {2}})));
}
