// A GPT-2 style decoder (Radford et al. 2019; module names as in Karpathy's nanoGPT): learned positions, pre-norm
// blocks, causal attention written out as eager PyTorch writes it, tanh GELU. All weights N(0, 0.02), the projections
// back into the residual stream N(0, 0.02 / sqrt(2 * layers)), biases 0.
#include "emulation/model/zoo/models.h"

#include <cmath>
#include <limits>

namespace halfscope::model::zoo {
namespace {

using ops::OpKind;

struct Decoder {
    ModuleBuilder &builder;
    std::int64_t batch, positions, width, heads;
    float deviation, residual_deviation;
    ValueId mask;

    /// [batch, positions, width] part `index` of the joint projection as [batch, heads, positions, width / heads].
    ValueId head_view(ValueId joint, const std::string &path, std::int64_t index) const {
        ops::Slice part;
        part.starts = {0, 0, index * width};
        part.ends = {batch, positions, (index + 1) * width};
        ValueId x = builder.apply({OpKind::slice, part, {}}, {joint}, path + ".split", "split");
        x = builder.reshape(x, path + ".view", {batch, positions, heads, width / heads});
        return builder.apply({OpKind::transpose, ops::Permutation{{0, 2, 1, 3}}, {}}, {x}, path, "transpose");
    }

    ValueId attention(ValueId x, const std::string &path) const {
        const ValueId joint = builder.linear(x, path + ".c_attn", 3 * width, true, deviation);
        const ValueId q = head_view(joint, path + ".q", 0), k = head_view(joint, path + ".k", 1),
                      v = head_view(joint, path + ".v", 2);
        ops::Matmul product;
        product.transpose_b = true;
        ValueId scores = builder.apply({OpKind::matmul, product, {}}, {q, k}, path + ".scores", "matmul");
        const std::int64_t head_width = width / heads;
        const double scaling = 1 / std::sqrt(static_cast<double>(head_width));
        scores = builder.apply({OpKind::scale, ops::Scalars{scaling, 0}, {}}, {scores}, path + ".scale", "mul");
        const ValueId minus_infinity = builder.graph().add_scalar(-std::numeric_limits<double>::infinity());
        scores = builder.apply({OpKind::where, {}, {}}, {mask, scores, minus_infinity}, path + ".mask", "masked_fill");
        const ValueId weights =
            builder.apply({OpKind::softmax, ops::Axis{3}, {}}, {scores}, path + ".softmax", "softmax");
        ValueId y = builder.apply({OpKind::matmul, {}, {}}, {weights, v}, path + ".context", "matmul");
        y = builder.apply({OpKind::transpose, ops::Permutation{{0, 2, 1, 3}}, {}}, {y}, path + ".merge", "transpose");
        y = builder.reshape(y, path + ".merged", {batch, positions, width});
        return builder.linear(y, path + ".c_proj", width, true, residual_deviation);
    }

    ValueId feed_forward(ValueId x, const std::string &path) const {
        x = builder.linear(x, path + ".c_fc", 4 * width, true, deviation);
        x = builder.apply({OpKind::gelu_tanh, {}, {}}, {x}, path + ".gelu", "gelu");
        return builder.linear(x, path + ".c_proj", width, true, residual_deviation);
    }

    ValueId block(ValueId x, const std::string &path) const {
        const ValueId attended = attention(builder.layer_norm(x, path + ".ln_1"), path + ".attn");
        x = builder.apply({OpKind::add, {}, {}}, {x, attended}, path + ".add_1", "add");
        const ValueId fed = feed_forward(builder.layer_norm(x, path + ".ln_2"), path + ".mlp");
        return builder.apply({OpKind::add, {}, {}}, {x, fed}, path + ".add_2", "add");
    }
};

/// True where a query may look: at its own position and before.
ops::HostTensor causal_mask(std::int64_t positions) {
    ops::HostTensor mask(ops::DType::boolean, {positions, positions});
    const auto allowed = mask.as<std::uint8_t>();
    for (std::int64_t query = 0; query < positions; ++query)
        for (std::int64_t key = 0; key < positions; ++key)
            allowed[static_cast<std::size_t>(query * positions + key)] = key <= query;
    return mask;
}

ops::HostTensor counting(std::int64_t count) {
    ops::HostTensor numbers(ops::DType::int64, {count});
    for (std::int64_t i = 0; i < count; ++i) numbers.as<std::int64_t>()[static_cast<std::size_t>(i)] = i;
    return numbers;
}

} // namespace

void build_gpt(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters) {
    const std::int64_t layers = parameters["layers"], width = parameters["width"], heads = parameters["heads"],
                       positions = parameters["seq"], vocabulary = parameters["vocab"];
    if (width % heads != 0)
        parameters.reject("width=" + std::to_string(width) + " is not a multiple of heads=" + std::to_string(heads));
    constexpr float deviation = 0.02f;
    const float residual = static_cast<float>(0.02 / std::sqrt(2 * static_cast<double>(layers)));
    Graph &graph = builder.graph();
    const ValueId tokens = graph.add_input("tokens", ops::DType::int64, {batch, positions});
    const ValueId embedding = builder.normal_weight("transformer.wte", {vocabulary, width}, deviation);
    const ValueId position_table = builder.normal_weight("transformer.wpe", {positions, width}, deviation);
    const ops::Operation look_up{OpKind::gather, ops::Axis{0}, {}};
    const ValueId token = builder.apply(look_up, {embedding, tokens}, "transformer.wte", "embedding");
    const ValueId position =
        builder.apply(look_up, {position_table, graph.add_constant(counting(positions), "positions")},
                      "transformer.wpe", "embedding");
    ValueId x = builder.apply({OpKind::add, {}, {}}, {token, position}, "transformer.add", "add");
    const ValueId mask = graph.add_constant(causal_mask(positions), "causal_mask");
    const Decoder decoder{builder, batch, positions, width, heads, deviation, residual, mask};
    for (std::int64_t layer = 0; layer < layers; ++layer)
        x = decoder.block(x, "transformer.h." + std::to_string(layer));
    x = builder.layer_norm(x, "transformer.ln_f");
    if (parameters["tied"] != 0) {
        ops::Matmul product;
        product.transpose_b = true;
        graph.outputs = {builder.apply({OpKind::matmul, product, {}}, {x, embedding}, "lm_head", "linear")};
    } else {
        graph.outputs = {builder.linear(x, "lm_head", vocabulary, false, deviation)};
    }
}

} // namespace halfscope::model::zoo
