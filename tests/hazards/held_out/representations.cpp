// Representations learnt by comparison: contrastive pairs, triplets, factors of a matrix, a teacher's soft labels.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

/// x / |x|, written out.
ValueId unit_length(Network &net, ValueId x, const std::string &at) {
    const ValueId squares = net.shift(net.sum_last(net.square(x, at + ".square"), at + ".sum"), 1e-6, at + ".eps");
    return net.multiply(x, net.power(squares, -0.5, at + ".rsqrt"), at);
}

/// Two views of the same thing must find each other among the others of the batch.
Case contrastive() {
    Case made = new_case("infonce", "contrastive learning of two views at a temperature of 0.05",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates", "coarse-logits"}}});
    constexpr std::int64_t batch = 24;
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId a = net.input("view1", {batch, 12}), b = net.input("view2", {batch, 12});
        const auto encode = [&](ValueId x, const std::string &at) {
            return unit_length(
                net,
                net.linear(net.relu(net.linear(x, at + ".fc1", 32, 0.3, true), at + ".relu"), at + ".fc2", 16, 0.2),
                at + ".unit");
        };
        const ValueId logits =
            net.scale(net.matmul(encode(a, "image"), encode(b, "text"), "similarity", true), 1 / 0.05, "temperature");
        const ValueId own =
            net.constant("pairs", {batch, batch}, [](std::size_t i) { return i / batch == i % batch ? 1.0 : 0.0; });
        const ValueId found = net.sum_last(net.multiply(net.log_softmax(logits, "log_softmax"), own, "own"), "found");
        net.own_loss(net.scale(net.mean_all(found, "mean"), -1, "loss"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const std::vector<double> thing = draw.normals(12);
        for (std::size_t i = 0; i < 12; ++i) {
            s[0][i] = thing[i] + draw.normal(0.5);
            s[1][i] = thing[(i * 5 + 2) % 12] + draw.normal(0.5);
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.002;
    made.settings.steps = 300;
    made.settings.trace_every = 2;
    return made;
}

/// Anchor, positive and negative, with a distance whose root meets zero.
Case triplet() {
    Case made = new_case("triplet-margin", "a triplet loss on distances whose root is taken of nearly nothing",
                         {{recipe("fp16-amp"), {}},
                          {recipe("fp16-o2"), {"norm-eps-lost", "nan-source", "log-of-lost-eps"}},
                          {recipe("bf16-o2"), {}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId a = net.input("anchor", {16, 10}), p = net.input("positive", {16, 10}),
                      n = net.input("negative", {16, 10});
        const ValueId w = net.weight("encoder", {8, 10}, [&](std::size_t) { return net.draw().normal(0.3); });
        const auto distance = [&](ValueId x, ValueId y, const std::string &at) {
            const ValueId d =
                net.subtract(net.product(x, w, at + ".left"), net.product(y, w, at + ".right"), at + ".gap");
            return net.power(net.shift(net.sum_last(net.square(d, at + ".square"), at + ".sum"), 1e-10, at + ".eps"),
                             0.5, at);
        };
        const ValueId margin =
            net.shift(net.subtract(distance(a, p, "near"), distance(a, n, "far"), "gap"), 1, "margin");
        net.own_loss(net.mean_all(net.relu(margin, "hinge"), "loss"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t index, Sample &s) {
        s[0] = draw.normals(10);
        s[2] = draw.normals(10);
        // Four features tell the classes apart; some positives are exact copies, as in any catalogue.
        for (std::size_t i = 0; i < 10; ++i)
            s[1][i] = index % 10 == 0 ? s[0][i] : i < 4 ? s[0][i] + draw.normal(0.2) : draw.normal();
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.005;
    made.settings.steps = 300;
    return made;
}

/// Ratings of users for things as products of factors, by plain SGD.
Case factors() {
    Case made = new_case("matrix-factorisation", "ratings as products of embeddings, by SGD with a small step",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-o2"), {}},
                          {recipe("fp16-pure"), {"lost-weight-updates"}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId user = net.integers("user", {32}), thing = net.integers("thing", {32});
        const ValueId y = net.target("rating", {32, 1});
        const ValueId u = net.embedding(user, "users", 40, 6, 0.5), v = net.embedding(thing, "things", 30, 6, 0.5);
        net.mse(net.shift(net.sum_last(net.multiply(u, v, "products"), "dot"), 3, "mean"), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const auto user = static_cast<std::uint64_t>(draw.below(40)),
                   thing = static_cast<std::uint64_t>(draw.below(30));
        s[0] = {static_cast<double>(user)};
        s[1] = {static_cast<double>(thing)};
        const std::vector<double> u = Draw(user + 500).normals(3, 0.7), v = Draw(thing + 800).normals(3, 0.7);
        s[2] = {3 + dot(u, v) + draw.normal(0.2)};
    };
    made.settings.optimizer.learning_rate = 0.3;
    made.settings.steps = 800;
    made.settings.trace_every = 4;
    return made;
}

/// A small student learns a teacher's soft labels at a temperature of 4.
Case distillation() {
    Case made = new_case("distillation", "a student learns soft labels at a temperature of 4",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("bf16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates", "coarse-logits"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 10}), t = net.target("teacher", {32, 6});
        const ValueId h = net.relu(net.linear(x, "hidden", 24, 0.4, true), "relu");
        const ValueId q =
            net.log_softmax(net.scale(net.linear(h, "head", 6, 0.2, true), 0.25, "cooled"), "log_softmax");
        // KL up to the teacher's own entropy, times the temperature's square.
        const ValueId gap = net.subtract(net.logarithm(t, "teacher.log"), q, "gap");
        net.own_loss(net.scale(net.mean_all(net.sum_last(net.multiply(t, gap, "weighted"), "kl"), "mean"), 16, "loss"));
        return net.take();
    };
    made.sample = [weights = Draw(33).normals(60, 1.2)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(10);
        double sum = 0;
        for (std::size_t k = 0; k < 6; ++k) {
            double z = draw.normal(0.8);
            for (std::size_t i = 0; i < 10; ++i) z += weights[10 * k + i] * s[0][i];
            s[1][k] = std::exp(z / 4);
            sum += s[1][k];
        }
        for (double &p : s[1]) p /= sum;
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.002;
    made.settings.steps = 400;
    return made;
}

/// Label smoothing written as a sum over the vocabulary.
Case smoothed() {
    Case made = new_case("label-smoothing", "label smoothing as a sum over a vocabulary of 1024",
                         {{recipe("fp16-amp"), {}}, {recipe("fp16-o2"), {}}, {recipe("bf16-o2"), {"coarse-logits"}}});
    constexpr std::int64_t vocabulary = 1024;
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId token = net.integers("token", {16}), t = net.target("next", {16, vocabulary});
        const ValueId h = net.layer_norm(net.embedding(token, "table", 64, 16, 1), "norm");
        const ValueId q = net.log_softmax(net.linear(h, "lm_head", vocabulary, 0.1), "log_softmax");
        const ValueId exact = net.scale(net.sum_last(net.multiply(q, t, "picked"), "picked.sum"), 0.9, "exact");
        const ValueId smooth = net.scale(net.sum_last(q, "all.sum"), 0.1 / vocabulary, "smooth");
        net.own_loss(net.scale(net.mean_all(net.add(exact, smooth, "terms"), "mean"), -1, "loss"));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const std::int64_t token = draw.below(64);
        s[0] = {static_cast<double>(token)};
        const std::int64_t next = (token * 13 + (draw.uniform() < 0.3 ? draw.below(16) : 0)) % vocabulary;
        for (std::int64_t k = 0; k < vocabulary; ++k) s[1][static_cast<std::size_t>(k)] = k == next ? 1 : 0;
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.005;
    made.settings.steps = 200;
    made.settings.trace_every = 2;
    made.long_factor = 4;
    return made;
}

} // namespace

void add_held_out_representations(std::vector<Case> &cases) {
    cases.push_back(contrastive());
    cases.push_back(triplet());
    cases.push_back(factors());
    cases.push_back(distillation());
    cases.push_back(smoothed());
}

} // namespace halfscope::hazards
