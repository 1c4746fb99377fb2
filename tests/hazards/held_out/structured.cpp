// Networks with a structure of their own: experts, graphs, pictures, depth, a policy.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <fmt/format.h>

#include <cmath>

namespace halfscope::hazards {
namespace {

/// Four experts and a gate that mixes them.
Case experts() {
    Case made = new_case("mixture-of-experts", "a soft gate over four experts",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 8}), y = net.target("y", {32, 1});
        const ValueId gate = net.softmax(net.linear(x, "gate", 4, 0.4, true), "gate.softmax");
        std::vector<ValueId> outputs;
        for (int k = 0; k < 4; ++k) {
            const std::string at = fmt::format("experts.{}", k);
            outputs.push_back(net.linear(net.relu(net.linear(x, at + ".fc1", 12, 0.4, true), at + ".relu"), at + ".fc2",
                                         1, 0.3, true));
        }
        net.mse(net.sum_last(net.multiply(gate, net.concat(outputs, 1, "experts"), "mixed"), "mixture"), y);
        return net.take();
    };
    made.sample = [a = Draw(41).normals(8, 0.6), b = Draw(42).normals(8, 0.6)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(8);
        s[1] = {(s[0][0] > 0 ? std::sin(2 * dot(a, s[0])) : dot(b, s[0])) + draw.normal(0.1)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 400;
    return made;
}

/// Two layers of sums over neighbours, then a class for every node.
Case graph_convolution() {
    Case made = new_case("graph-convolution", "sums over neighbours by a product with the adjacency matrix",
                         {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}, {recipe("bf16-o2"), {}}});
    constexpr std::int64_t nodes = 16;
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId a = net.input("adjacency", {8, nodes, nodes}), x = net.input("features", {8, nodes, 6});
        ValueId h = x;
        for (const char *layer : {"conv1", "conv2"}) {
            const std::string at = layer;
            const ValueId gathered = net.matmul(a, h, at + ".neighbours");
            h = net.relu(
                net.add(net.linear(h, at + ".self", 16, 0.2, true), net.linear(gathered, at + ".sum", 16, 0.1), at),
                at + ".relu");
        }
        net.cross_entropy(net.linear(h, "head", 3, 0.2, true));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        std::vector<std::int64_t> community(nodes);
        for (auto &c : community) c = draw.below(3);
        for (std::size_t i = 0; i < static_cast<std::size_t>(nodes); ++i) {
            for (std::size_t j = 0; j < static_cast<std::size_t>(nodes); ++j)
                s[0][i * nodes + j] = draw.uniform() < (community[i] == community[j] ? 0.6 : 0.1) ? 1 : 0;
            for (std::size_t k = 0; k < 6; ++k)
                s[1][i * 6 + k] = (static_cast<std::int64_t>(k) == community[i] ? 0.7 : 0) + draw.normal();
            s[2][i] = static_cast<double>(community[i]);
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 200;
    made.long_factor = 5;
    return made;
}

/// Down, up and a skip: removes noise from pictures of 8 x 8.
Case u_net() {
    Case made = new_case("u-net", "a convolutional network with a skip that removes noise",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        auto &m = net.modules();
        const ValueId x = net.input("picture", {8, 1, 8, 8}), y = net.target("clean", {8, 1, 8, 8});
        const ValueId fine = m.relu(m.conv2d(x, "down1", 6, 3, 1, true), "down1.relu");
        const ValueId coarse = m.relu(m.conv2d(fine, "down2", 10, 3, 2, true), "down2.relu");
        const ValueId middle = m.relu(m.conv2d(coarse, "middle", 10, 3, 1, true), "middle.relu");
        const ValueId up = m.apply({OpKind::resize_nearest, {}, {}}, {middle}, "up", "interpolate", Shape{8, 10, 8, 8});
        const ValueId joined = net.concat({fine, up}, 1, "skip");
        net.mse(m.conv2d(m.relu(m.conv2d(joined, "merge", 8, 3, 1, true), "merge.relu"), "out", 1, 1, 1, true), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const double fx = 0.3 + draw.uniform(), fy = 0.3 + draw.uniform(), phase = 6 * draw.uniform();
        for (std::size_t i = 0; i < 64; ++i) {
            s[1][i] = std::sin(fx * static_cast<double>(i % 8) + fy * static_cast<double>(i / 8) + phase);
            s[0][i] = s[1][i] + draw.normal(0.5);
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 200;
    made.settings.trace_every = 2;
    made.long_factor = 5;
    return made;
}

/// MobileNet's block with group norm, as for small batches.
Case separable() {
    Case made = new_case("depthwise-separable", "depthwise and pointwise convolutions with group norm",
                         {{recipe("fp16-amp", "none"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        auto &m = net.modules();
        const ValueId x = net.input("picture", {8, 2, 8, 8});
        ValueId h = m.conv2d(x, "stem", 8, 3, 1, false);
        for (const char *block : {"block1", "block2"}) {
            const std::string at = block;
            ops::Convolution window;
            window.strides = {1, 1};
            window.pads_begin = window.pads_end = {1, 1};
            window.groups = 8;
            const ValueId w =
                net.weight(at + ".depthwise", {8, 1, 3, 3}, [&](std::size_t) { return net.draw().normal(0.3); });
            h = m.apply({OpKind::convolution, window, {}}, {h, w}, at + ".depthwise", "conv2d");
            h = m.conv2d(h, at + ".pointwise", 8, 1, 1, false);
            ops::Normalization groups;
            groups.groups = 2;
            const ValueId gamma = net.weight(at + ".norm", {8}, [](std::size_t) { return 1.0; });
            const ValueId beta =
                net.graph().add_weight(at + ".norm.bias", at + ".norm", tensor({8}, [](std::size_t) { return 0.0; }));
            h = m.relu(m.apply({OpKind::group_norm, groups, {}}, {h, gamma, beta}, at + ".norm", "group_norm"),
                       at + ".relu");
        }
        const ValueId pooled = net.graph().add_node({OpKind::reduce_mean, ops::Reduction{{2, 3}, false}, {}}, {h},
                                                    "pool", "adaptive_avg_pool2d");
        net.cross_entropy(m.linear(pooled, "classifier", 3));
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t index, Sample &s) {
        const auto k = static_cast<double>(index % 3);
        const double phase = 6 * draw.uniform();
        for (std::size_t i = 0; i < 64; ++i) {
            const double u = static_cast<double>(i % 8), v = static_cast<double>(i / 8);
            s[0][i] = std::cos((0.5 + 0.5 * k) * u + phase) + draw.normal(1.2);
            s[0][64 + i] = std::cos((1.6 - 0.5 * k) * v + phase) + draw.normal(1.2);
        }
        s[1] = {draw.uniform() < 0.1 ? static_cast<double>(draw.below(3)) : k};
    };
    made.settings.optimizer.learning_rate = 0.05;
    made.settings.optimizer.momentum = 0.9;
    made.settings.steps = 150;
    made.settings.trace_every = 2;
    made.long_factor = 5;
    return made;
}

/// Twenty residual blocks without any norm, small branches, no loss scaling.
Case deep() {
    Case made = new_case("deep-residual-no-norm", "twenty residual blocks without a norm",
                         {{recipe("fp16-amp", "none"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-pure"), {"lost-weight-updates"}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {16, 10}), y = net.target("y", {16, 2});
        ValueId h = net.linear(x, "stem", 16, 0.3, true);
        for (int block = 0; block < 20; ++block) {
            const std::string at = fmt::format("blocks.{}", block);
            h = net.add(h, net.linear(net.relu(h, at + ".relu"), at + ".linear", 16, 0.08, true), at);
        }
        net.mse(net.linear(h, "head", 2, 0.2, true), y);
        return net.take();
    };
    made.sample = [a = Draw(43).normals(10, 0.6), b = Draw(44).normals(10, 0.6)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(10);
        s[1] = {std::sin(dot(a, s[0])) + draw.normal(0.1), std::abs(dot(b, s[0])) + draw.normal(0.1)};
    };
    made.settings.optimizer.learning_rate = 0.02;
    made.settings.steps = 300;
    made.settings.trace_every = 2;
    made.long_factor = 5;
    return made;
}

/// A clipped policy gradient: exp(log p - log p of the old policy) times an advantage.
Case policy() {
    Case made = new_case("policy-ratio", "a clipped policy gradient on the ratio of two probabilities",
                         {{recipe("fp16-amp"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("state", {32, 6}), action = net.input("action", {32, 4});
        const ValueId old = net.input("old_log_p", {32, 1}), advantage = net.target("advantage", {32, 1});
        const ValueId h = net.tanh(net.linear(x, "hidden", 24, 0.4, true), "tanh");
        const ValueId q = net.log_softmax(net.linear(h, "policy", 4, 0.1, true), "log_softmax");
        const ValueId log_p = net.sum_last(net.multiply(q, action, "taken"), "log_p");
        const ValueId ratio = net.exponential(net.subtract(log_p, old, "log_ratio"), "ratio");
        const ValueId gain = net.apply(OpKind::minimum,
                                       {net.multiply(ratio, advantage, "plain"),
                                        net.multiply(net.clip(ratio, 0.2, 1.8, "clipped"), advantage, "clipped_gain")},
                                       "gain", "minimum");
        net.own_loss(net.scale(net.mean_all(gain, "mean"), -1, "loss"));
        return net.take();
    };
    made.sample = [teacher = Draw(45).normals(24, 0.7)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(6);
        const auto taken = static_cast<std::size_t>(draw.below(4));
        s[1].assign(4, 0.0);
        s[1][taken] = 1;
        s[2] = {-std::log(4.0)};
        double z = 0;
        for (std::size_t i = 0; i < 6; ++i) z += teacher[6 * taken + i] * s[0][i];
        s[3] = {z + draw.normal(0.5)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 300;
    return made;
}

} // namespace

void add_held_out_structured(std::vector<Case> &cases) {
    cases.push_back(experts());
    cases.push_back(graph_convolution());
    cases.push_back(u_net());
    cases.push_back(separable());
    cases.push_back(deep());
    cases.push_back(policy());
}

} // namespace halfscope::hazards
