// Scores and their softmax: hazards T01, T02, T04, T05, N04, N13.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>
#include <limits>

namespace halfscope::hazards {
namespace {

struct Attention {
    double gain = 1;          ///< of queries and keys: scores go with its square
    double common = 0;        ///< a bias that all scores share
    bool scale_first = false; ///< queries are divided before the product, not the scores after it
    double mask = 0;          ///< added to the scores of padding; 0: no mask
    bool all_masked = false;  ///< some sequences are padding throughout
    double frozen_gap = 0;    ///< added to a diagonal, so that most weights are next to zero
};

constexpr std::int64_t batch = 8, length = 12, width = 16;

/// One head of attention over tokens of which one is marked; the output at the first position tells what it carries.
Case attending(std::string name, std::string imitates, Attention a, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.model = [a](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("tokens", {batch, length, width});
        const ValueId padding = net.input("padding", {batch, 1, length});
        const ValueId y = net.target("y", {batch, 1});
        ValueId q = net.linear(x, "attn.q", width, a.gain / 4), k = net.linear(x, "attn.k", width, a.gain / 4);
        const double root = 1 / std::sqrt(static_cast<double>(width));
        if (a.scale_first) q = net.scale(q, root / a.gain, "attn.q.scaled");
        ValueId scores = net.matmul(q, k, "attn.scores", true);
        if (!a.scale_first) scores = net.scale(scores, root / a.gain, "attn.scale");
        if (a.common > 0) scores = net.shift(scores, a.common, "attn.bias");
        if (a.mask != 0) scores = net.add(scores, net.scale(padding, a.mask, "attn.mask"), "attn.masked");
        if (a.frozen_gap > 0)
            scores = net.add(scores,
                             net.constant("attn.position", {length, length},
                                          [&](std::size_t i) {
                                              return -a.frozen_gap * std::abs(static_cast<double>(i / length) -
                                                                              static_cast<double>(i % length));
                                          }),
                             "attn.positioned");
        const ValueId p = net.softmax(scores, "attn.softmax");
        const ValueId v = net.linear(x, "attn.v", width, 0.25);
        const ValueId context = net.reshape(net.matmul(p, v, "attn.context"), {batch, length * width}, "flat");
        const ValueId h = net.relu(net.linear(context, "hidden", 32, 0.1, true), "relu");
        net.mse(net.linear(h, "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = [a](Draw &draw, std::int64_t index, Sample &s) {
        s[0] = draw.normals(length * width);
        const auto marked = static_cast<std::size_t>(draw.below(length / 2));
        for (std::size_t t = 0; t < length; ++t) s[0][t * width] = t == marked ? 3 : 0;
        for (std::size_t t = 0; t < length; ++t)
            s[1][t] = (a.mask != 0 && t >= length * 2 / 3) || (a.all_masked && index % 16 == 0) ? 1 : 0;
        s[2] = {std::tanh(s[0][marked * width + 1] + s[0][marked * width + 2]) + draw.normal(0.2)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.005;
    made.settings.steps = 500;
    made.settings.trace_every = 2;
    made.long_factor = 5;
    made.trials = std::move(trials);
    return made;
}

/// Attention written out: exp(scores), their sum, a division after the product, as a fused kernel computes it. The
/// marked token's values are 16, the others' a few bf16 spacings less: their share of the output is dropped, always to
/// one side. The scores' common part, which a linear layer of the query adds, is seen by nothing but that error.
Case biased_output() {
    constexpr std::int64_t values = 4;
    Case made = new_case("t05-biased-output",
                         "softmax times values errs one way, and the row sums carry it into the scores' gradients",
                         {{recipe("bf16-o2"), {"biased-attention-rounding"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("tokens", {batch, length, width});
        const ValueId query = net.input("query", {batch, 1, width});
        const ValueId v = net.input("values", {batch, length, values});
        const ValueId y = net.target("y", {batch, 1, 1});
        const ValueId k = net.linear(x, "attn.k", width, 0.25);
        ValueId scores = net.matmul(net.linear(query, "attn.q", width, 0.25), k, "attn.scores", true);
        scores = net.add(scores, net.linear(query, "attn.common", 1, 0.01), "attn.shifted");
        const ValueId weights = net.exponential(scores, "attn.exp");
        const ValueId context =
            net.divide(net.matmul(weights, v, "attn.context"), net.sum_last(weights, "attn.sum"), "attn.output");
        net.mse(net.mean_last(net.shift(context, -16, "attn.offset"), "mean"), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(length * width);
        const auto marked = static_cast<std::size_t>(draw.below(length));
        for (std::size_t t = 0; t < length; ++t) s[0][t * width] = t == marked ? 3 : 0;
        for (double &feature : s[1]) feature = 1 + draw.normal(0.25);
        for (std::size_t i = 0; i < length * values; ++i)
            s[2][i] = 16 - (i / values == marked ? 0 : 0.125 * static_cast<double>(1 + draw.below(8)));
        s[3] = {1 + draw.normal(0.1)}; // beyond what any weights reach: the loss pulls one way
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.005;
    made.settings.steps = 300;
    made.long_factor = 3;
    made.late = true;
    return made;
}

} // namespace

void add_attention_cases(std::vector<Case> &cases) {
    const std::vector<Trial> both_fine{{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}};
    Attention plain;
    cases.push_back(attending("n-attention", "attention with scores of ordinary size", plain, both_fine));
    Attention large;
    large.gain = 100;
    cases.push_back(
        attending("t01-score-overflow",
                  "queries and keys of 100 each: their product is beyond 65504 before it is "
                  "scaled down",
                  large, {{recipe("fp16-amp"), {"attention-logits", "forward-overflow"}}, {recipe("bf16-amp"), {}}}));
    large.scale_first = true;
    cases.push_back(
        attending("t01-scaled-first", "the same with the queries scaled before the product", large, both_fine));
    Attention offset;
    offset.common = 3000;
    cases.push_back(attending("t02-coarse-scores",
                              "scores that share an offset of 3000: bf16 rounds their differences away", offset,
                              {{recipe("bf16-amp"), {"coarse-logits", "attention-logits"}}}));
    Attention masked;
    masked.mask = -1e9;
    cases.push_back(attending("n04-mask", "padding masked with -1e9, which is -inf in fp16, beside live tokens", masked,
                              {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));
    masked.all_masked = true;
    cases.push_back(attending("t04-masked-throughout", "the same with sequences that are padding throughout", masked,
                              {{recipe("fp16-o2"), {"mask-constant"}}, {recipe("bf16-o2"), {}}}));
    Attention dead;
    dead.frozen_gap = 9;
    cases.push_back(attending("n13-dead-weights", "most attention weights are below 2^-25 and become zero in fp16",
                              dead, {{recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {}}}));
    cases.push_back(biased_output());
}

} // namespace halfscope::hazards
