// Ordinary networks under ordinary recipes, which train as in fp32: hazards N06, N19.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/zoo.h"

#include <cmath>

namespace halfscope::hazards {
namespace {

/// Pictures of four textures, some of them under a wrong label.
void textures(Draw &draw, std::int64_t index, Sample &s) {
    const auto k = static_cast<std::size_t>(index % 4);
    const double fx = k % 2 == 0 ? 0.6 : 1.3, fy = k < 2 ? 0.4 : 1.1, phase = 6 * draw.uniform();
    for (std::size_t i = 0; i < 144; ++i)
        s[0][i] =
            std::cos(fx * static_cast<double>(i % 12) + fy * static_cast<double>(i / 12) + phase) + draw.normal(1.5);
    s[1] = {static_cast<double>(draw.uniform() < 0.15 ? draw.below(4) : static_cast<std::int64_t>(k))};
}

model::Graph convolutional(std::uint64_t seed) {
    Network net(seed);
    const ValueId x = net.input("image", {16, 1, 12, 12});
    auto &m = net.modules();
    const ValueId a =
        m.max_pool(m.relu(m.batch_norm(m.conv2d(x, "conv1", 8, 3, 1, false), "bn1"), "relu1"), "pool1", 2);
    const ValueId b = m.relu(m.batch_norm(m.conv2d(a, "conv2", 12, 3, 1, false), "bn2"), "relu2");
    net.cross_entropy(m.linear(net.reshape(m.max_pool(b, "pool2", 2), {16, 12 * 9}, "flat"), "fc", 4));
    return net.take();
}

/// The next token depends on the last, nine times out of ten.
void language(Draw &draw, std::int64_t, Sample &s) {
    std::int64_t b = draw.below(12);
    for (std::size_t i = 0; i < s[0].size(); ++i) {
        s[0][i] = static_cast<double>(b);
        const std::int64_t next = draw.uniform() < 0.1 ? draw.below(12) : (b * 5 + 1) % 12;
        s[1][i] = static_cast<double>(next);
        b = next;
    }
}

model::Graph decoder(std::uint64_t seed) {
    model::Graph graph = model::build_zoo_model("gpt:layers=2,width=32,heads=2,seq=16,vocab=12", 8, seed);
    model::attach_loss(graph, "cross-entropy");
    return graph;
}

} // namespace

void add_network_cases(std::vector<Case> &cases) {
    Case cnn;
    cnn.name = "n06-cnn";
    cnn.imitates = "a convolutional network with batch norm, without loss scaling and with it";
    cnn.model = convolutional;
    cnn.sample = textures;
    cnn.settings.optimizer.learning_rate = 0.01;
    cnn.settings.optimizer.momentum = 0.9;
    cnn.settings.steps = 150;
    cnn.long_factor = 4;
    cnn.trials = {{recipe("fp16-amp", "none"), {}}, {recipe("fp16-o2"), {}}, {recipe("bf16-amp"), {}}};
    cases.push_back(cnn);

    Case gpt;
    gpt.name = "n-gpt";
    gpt.imitates = "a small decoder with masked attention under autocast";
    gpt.model = decoder;
    gpt.sample = language;
    gpt.settings.optimizer.kind = train::OptimizerKind::adamw;
    gpt.settings.optimizer.learning_rate = 0.003;
    gpt.settings.optimizer.weight_decay = 0.01;
    gpt.settings.steps = 120;
    gpt.long_factor = 4;
    gpt.trials = {{recipe("fp16-amp"), {}}, {recipe("bf16-amp"), {}}};
    cases.push_back(gpt);

    Case frozen;
    frozen.name = "n19-frozen";
    frozen.imitates = "frozen layers, dead units and embedding rows nobody looks up: zero gradients in fp32 as well";
    frozen.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId token = net.integers("token", {16}), y = net.target("y", {16, 2});
        const ValueId e = net.embedding(token, "table", 64, 16, 0.5);
        const ValueId h = net.linear(e, "frozen", 32, 0.25);
        const ValueId b = net.constant("dead", {32}, [](std::size_t i) { return i % 4 == 0 ? -20.0 : 0.0; });
        net.mse(net.linear(net.relu(net.add(h, b, "biased"), "relu"), "head", 2, 0.2, true), y);
        return net.take();
    };
    frozen.sample = [](Draw &draw, std::int64_t, Sample &s) {
        s[0] = {static_cast<double>(draw.below(20))};
        Draw label(static_cast<std::uint64_t>(s[0][0]) + 9200);
        for (double &v : s[1]) v = label.normal() + draw.normal(0.2);
    };
    frozen.settings.optimizer.learning_rate = 0.05;
    frozen.settings.steps = 300;
    frozen.settings.freeze = {"^frozen"};
    frozen.trials = {{recipe("fp16-amp", "static:8"), {}}, {recipe("fp16-o2"), {}}, {recipe("bf16-amp"), {}}};
    cases.push_back(frozen);
}

} // namespace halfscope::hazards
