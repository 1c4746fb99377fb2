// Hazard G01's network trained for real, with its gradients stored in any format: the yardstick for verdicts about
// gradient underflow, and the grid that shows why a count of zeros is none.
//
// 4 inputs, 16 ReLU units, 1 output, no biases; W1 ~ N(0, 2/4), W2 ~ N(0, 1/16); x ~ N(0, 1), y = tanh(t . x),
// t ~ N(0, 1); batch 8; loss = c * mean((p - y)^2); SGD on fp32 masters, lr = 0.05 / c after unscaling; dL/dp, dL/dh
// and the weight gradients stored in the format.
#pragma once

#include "tests/analysis/trace_builder.h"

namespace halfscope::test {

struct TwoLayer {
    double c = 1; ///< the loss is multiplied by this
    std::string format = "fp32";
    double scale = 1;       ///< static loss scale
    std::uint64_t seed = 0; ///< of weights, task and data
    std::int64_t steps = 400;
};

namespace two_layer {

inline constexpr std::size_t inputs = 4, hidden = 16, batch = 8;

struct Weights {
    std::vector<float> w1, w2; ///< w1[unit * inputs + input]
};

struct Gradients {
    std::vector<float> dp, dh, dw1, dw2; ///< stored values, times the loss scale
};

/// Rounds, and records when a builder is given.
using Store = std::function<std::vector<float>(const std::string &, const std::vector<float> &)>;

struct Batch {
    std::vector<float> x, y;
};

inline double forward(const Weights &w, const Batch &b, std::vector<float> &h, std::vector<float> &p) {
    h.assign(batch * hidden, 0);
    p.assign(batch, 0);
    double squares = 0;
    for (std::size_t s = 0; s < batch; ++s) {
        for (std::size_t u = 0; u < hidden; ++u) {
            float z = 0;
            for (std::size_t i = 0; i < inputs; ++i) z += w.w1[u * inputs + i] * b.x[s * inputs + i];
            h[s * hidden + u] = std::max(z, 0.0F);
            p[s] += w.w2[u] * h[s * hidden + u];
        }
        squares += std::pow(double{p[s]} - double{b.y[s]}, 2);
    }
    return squares / batch;
}

inline Gradients backward(const Weights &w, const Batch &b, const std::vector<float> &h, const std::vector<float> &p,
                          double factor, const Store &store) {
    Gradients g;
    std::vector<float> dp(batch), dh(batch * hidden), dw1(hidden * inputs), dw2(hidden);
    for (std::size_t s = 0; s < batch; ++s)
        dp[s] = static_cast<float>(factor * 2.0 / batch * (double{p[s]} - double{b.y[s]}));
    g.dp = store("fc2.out:grad", dp);
    for (std::size_t s = 0; s < batch; ++s)
        for (std::size_t u = 0; u < hidden; ++u) {
            dw2[u] += g.dp[s] * h[s * hidden + u];
            dh[s * hidden + u] = h[s * hidden + u] > 0 ? g.dp[s] * w.w2[u] : 0.0F;
        }
    g.dh = store("fc1.out:grad", dh);
    for (std::size_t s = 0; s < batch; ++s)
        for (std::size_t u = 0; u < hidden; ++u)
            for (std::size_t i = 0; i < inputs; ++i) dw1[u * inputs + i] += g.dh[s * hidden + u] * b.x[s * inputs + i];
    g.dw2 = store("fc2.weight:grad", dw2);
    g.dw1 = store("fc1.weight:grad", dw1);
    return g;
}

inline trace::Fidelity compare(const std::string &layer, const std::vector<float> &own, const std::vector<float> &exact,
                               double scale, double rate) {
    trace::Fidelity f;
    f.layer = layer;
    f.weight = layer + ".weight";
    f.elements = static_cast<std::int64_t>(own.size());
    double moved = 0, should = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
        const double u = -rate * double{own[i]} / scale;
        const double r = -rate * double{exact[i]};
        f.update_dot += u * r;
        f.update_squares += u * u;
        f.reference_squares += r * r;
        should += r != 0;
        moved += r != 0 && u != 0;
    }
    f.cosine = f.update_dot / std::sqrt(f.update_squares * f.reference_squares);
    f.norm_ratio = std::sqrt(f.update_squares / f.reference_squares);
    f.moved = moved / should;
    f.reference_moved = should / static_cast<double>(own.size());
    f.gradient_cosine = f.cosine;
    f.gradient_norm_ratio = f.norm_ratio;
    f.gradient_lost = 1 - f.moved;
    return f;
}

} // namespace two_layer

/// Trains and writes the run that the builder has begun (steps, tensors, fidelity, end). Returns the mean squared error
/// over the last 50 steps, without the factor c.
inline double train_two_layer(TraceBuilder &builder, const TwoLayer &setup) {
    using namespace two_layer;
    builder.tensor("fc1.weight", weight("fc1", "fp32"));
    builder.tensor("fc1.out", activation("fc1", "matmul", "fp32"));
    builder.tensor("fc2.out", activation("fc2", "matmul", "fp32"));
    builder.tensor("fc2.out:grad", gradient("fc2", setup.format));
    builder.tensor("fc1.out:grad", gradient("fc1", setup.format));
    builder.tensor("fc2.weight:grad", weight_gradient("fc2", setup.format));
    builder.tensor("fc1.weight:grad", weight_gradient("fc1", setup.format));

    Weights w{normal_values(hidden * inputs, std::sqrt(0.5), 10 * setup.seed + 1),
              normal_values(hidden, 0.25, 10 * setup.seed + 2)};
    const std::vector<float> t = normal_values(inputs, 1, 10 * setup.seed + 3);
    const double rate = 0.05 / setup.c;
    double tail = 0;
    for (std::int64_t step = 0; step < setup.steps; ++step) {
        Batch b;
        b.x = normal_values(batch * inputs, 1, 1000 + static_cast<std::uint64_t>(step) + 100'000 * setup.seed);
        for (std::size_t s = 0; s < batch; ++s) {
            double z = 0;
            for (std::size_t i = 0; i < inputs; ++i) z += double{t[i]} * double{b.x[s * inputs + i]};
            b.y.push_back(static_cast<float>(std::tanh(z)));
        }
        std::vector<float> h, p;
        const double mse = forward(w, b, h, p);
        if (step >= setup.steps - 50) tail += mse / 50;
        const bool sampled = step_is_sampled(step, setup.steps);
        if (sampled) {
            builder.put("fc1.weight", w.w1);
            builder.put("fc1.out", h);
            builder.put("fc2.out", p);
        }
        const Store record = [&](const std::string &name, const std::vector<float> &v) { return builder.put(name, v); };
        const Store round_only = [&](const std::string &, const std::vector<float> &v) {
            if (setup.format == "fp32") return v;
            const auto id = setup.format == "fp16" ? number::FormatId::fp16 : number::FormatId::bf16;
            std::vector<float> stored;
            for (const float x : v) stored.push_back(number::widen_16bit(number::round_to_16bit(x, id), id));
            return stored;
        };
        const Store exact = [](const std::string &, const std::vector<float> &v) { return v; };
        const Gradients g = backward(w, b, h, p, setup.c * setup.scale, sampled ? record : round_only);
        if (sampled && setup.format != "fp32") {
            const Gradients reference = backward(w, b, h, p, setup.c, exact);
            builder.fidelity(compare("fc1", g.dw1, reference.dw1, setup.scale, rate));
            builder.fidelity(compare("fc2", g.dw2, reference.dw2, setup.scale, rate));
        }
        for (std::size_t i = 0; i < w.w1.size(); ++i)
            w.w1[i] -= static_cast<float>(rate * double{g.dw1[i]} / setup.scale);
        for (std::size_t i = 0; i < w.w2.size(); ++i)
            w.w2[i] -= static_cast<float>(rate * double{g.dw2[i]} / setup.scale);
        builder.step(setup.c * mse, {setup.scale, setup.scale, false}, rate);
    }
    builder.end();
    return tail;
}

} // namespace halfscope::test
