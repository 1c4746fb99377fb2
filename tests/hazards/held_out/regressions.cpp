// Regressions that no recorded mechanism stands behind: Fourier features, a differential equation's residual, robust
// and quantile losses.
#include "tests/hazards/case.h"
#include "tests/hazards/network.h"

#include <cmath>
#include <numbers>

namespace halfscope::hazards {
namespace {

/// A signal on [0, 1) through 32 random frequencies: the coordinate network of NeRF and its kin.
Case fourier_features() {
    Case made = new_case("fourier-features", "a coordinate network: sines and cosines of random frequencies",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {"coarse-phase"}},
                          {recipe("fp16-o2"), {"coarse-phase"}},
                          {recipe("bf16-o2"), {"coarse-phase"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("coordinate", {32, 1}), y = net.target("y", {32, 1});
        const ValueId frequencies = net.constant(
            "encoding.frequencies", {32, 1}, [&](std::size_t) { return 2 * std::numbers::pi * net.draw().normal(8); });
        const ValueId phase = net.product(x, frequencies, "encoding.phase");
        const ValueId features = net.concat({net.apply(OpKind::sine, {phase}, "encoding.sin", "sin"),
                                             net.apply(OpKind::cosine, {phase}, "encoding.cos", "cos")},
                                            1, "encoding");
        const ValueId h = net.relu(net.linear(features, "hidden", 48, 0.2, true), "relu");
        net.mse(net.linear(h, "head", 1, 0.2, true), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        const double x = draw.uniform(), turn = 2 * std::numbers::pi * x;
        s[0] = {x};
        s[1] = {std::sin(3 * turn) + 0.6 * std::cos(11 * turn + 1) + 0.4 * std::sin(17 * turn) + draw.normal(0.1)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 400;
    made.settings.trace_every = 2;
    made.long_factor = 5;
    return made;
}

/// u'' = f on a grid: the network gives u at 24 points, a stencil its second difference.
Case differential_equation() {
    Case made = new_case("poisson-residual", "a differential equation's residual: second differences of the output",
                         {{recipe("fp16-amp"), {"cancellation"}},
                          {recipe("bf16-amp"), {"cancellation"}},
                          {recipe("bf16-o2"), {"cancellation"}}});
    constexpr std::int64_t points = 24;
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("modes", {16, 4}), y = net.target("f", {16, points});
        const ValueId h = net.tanh(net.linear(x, "hidden", 32, 0.5, true), "tanh");
        const ValueId u = net.linear(h, "solution", points, 0.1, true);
        const ValueId stencil = net.constant("laplacian", {points, points}, [](std::size_t i) {
            const auto row = static_cast<std::int64_t>(i) / points, column = static_cast<std::int64_t>(i) % points;
            const double inverse = (points + 1) * (points + 1);
            return row == column ? -2 * inverse : std::abs(row - column) == 1 ? inverse : 0.0;
        });
        net.mse(net.product(u, stencil, "residual"), y);
        return net.take();
    };
    made.sample = [](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(4);
        for (std::int64_t i = 0; i < points; ++i) {
            double f = 0;
            for (std::int64_t k = 1; k <= 4; ++k)
                f -= s[0][static_cast<std::size_t>(k - 1)] * static_cast<double>(k) *
                     std::sin(std::numbers::pi * static_cast<double>(k * (i + 1)) / (points + 1));
            s[1][static_cast<std::size_t>(i)] = 3 * f;
        }
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.002;
    made.settings.steps = 400;
    made.long_factor = 5;
    return made;
}

/// Targets in units of a currency, as they come from a table; the pseudo-Huber loss keeps outliers' gradients bounded.
Case income() {
    Case made = new_case("huber-income", "a robust regression on raw incomes of 20000",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {"coarse-output"}},
                          {recipe("bf16-o2"), {"coarse-output"}},
                          {recipe("fp16-o2"), {"product-overflow", "forward-overflow", "nan-source"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("features", {32, 10}), y = net.target("income", {32, 1});
        const ValueId h = net.relu(net.linear(x, "hidden", 24, 0.4, true), "relu");
        const ValueId p = net.shift(net.scale(net.linear(h, "head", 1, 0.3, true), 5000, "unit"), 20000, "offset");
        const ValueId z = net.scale(net.subtract(p, y, "error"), 1.0 / 400, "error.relative");
        const ValueId root = net.power(net.shift(net.square(z, "error.square"), 1, "huber.shifted"), 0.5, "huber.root");
        net.own_loss(net.mean_all(net.shift(root, -1, "huber"), "loss"));
        return net.take();
    };
    made.sample = [teacher = Draw(31).normals(10, 0.4)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(10);
        const double outlier = draw.uniform() < 0.02 ? 8000 : 0;
        s[1] = {20000 + 5000 * std::tanh(dot(teacher, s[0])) + draw.normal(200) + outlier};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.003;
    made.settings.steps = 400;
    return made;
}

/// The 0.9 quantile of a load curve by the pinball loss.
Case quantile() {
    Case made = new_case("quantile-load", "a quantile regression by the pinball loss",
                         {{recipe("fp16-amp"), {}},
                          {recipe("bf16-amp"), {}},
                          {recipe("fp16-o2"), {}},
                          {recipe("bf16-pure"), {"lost-weight-updates"}}});
    made.model = [](std::uint64_t seed) {
        Network net(seed);
        const ValueId x = net.input("x", {32, 6}), y = net.target("load", {32, 1});
        const ValueId h = net.relu(net.linear(x, "hidden", 24, 0.4, true), "relu");
        const ValueId e = net.subtract(y, net.linear(h, "head", 1, 0.2, true), "error");
        net.own_loss(net.mean_all(
            net.apply(OpKind::maximum, {net.scale(e, 0.9, "above"), net.scale(e, -0.1, "below")}, "pinball", "maximum"),
            "loss"));
        return net.take();
    };
    made.sample = [teacher = Draw(32).normals(6, 0.6)](Draw &draw, std::int64_t, Sample &s) {
        s[0] = draw.normals(6);
        s[1] = {3 + std::sin(dot(teacher, s[0])) + draw.normal(0.3)};
    };
    made.settings.optimizer.kind = train::OptimizerKind::adam;
    made.settings.optimizer.learning_rate = 0.002;
    made.settings.steps = 500;
    return made;
}

} // namespace

void add_held_out_regressions(std::vector<Case> &cases) {
    cases.push_back(fourier_features());
    cases.push_back(differential_equation());
    cases.push_back(income());
    cases.push_back(quantile());
}

} // namespace halfscope::hazards
