// Hazard U02's least squares, trained for real with the weights in any format, with or without fp32 masters.
//
// d = 10, w* ~ U(0, 100), x ~ N(0, 1), label noise N(0, 0.5), w0 = 0, SGD batch 1.
#pragma once

#include "tests/analysis/trace_builder.h"

#include <cstring>

namespace halfscope::test {

struct LeastSquares {
    std::string format = "fp32"; ///< of the gradient, and of the weights without masters
    bool masters = true;
    double rate = 0.01;
    std::int64_t steps = 4000;
    std::uint64_t seed = 0;
    bool read_in_fp32 = true; ///< the trace carries the loss in fp32 at sampled steps
    enum class Update { nearest, stochastic, kahan } update = Update::nearest;
};

inline float rounded(float value, const std::string &format) {
    if (format == "fp32") return value;
    const auto id = format == "fp16" ? number::FormatId::fp16 : number::FormatId::bf16;
    return number::widen_16bit(number::round_to_16bit(value, id), id);
}

/// To one of the two neighbours in bf16, with the probability that makes it right on average.
inline float stochastically_rounded(float value, std::mt19937_64 &random) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    bits += static_cast<std::uint32_t>(random() & 0xffff);
    bits &= 0xffff0000U;
    std::memcpy(&value, &bits, sizeof bits);
    return value;
}

/// Trains and writes the run that the builder has begun. Returns the mean loss over the last eighth.
inline double train_least_squares(TraceBuilder &builder, const LeastSquares &setup) {
    constexpr std::size_t d = 10;
    builder.tensor("linear.weight", weight("linear", setup.format));
    builder.tensor("linear.out", activation("linear", "matmul", "fp32"));
    builder.tensor("linear.weight:grad", weight_gradient("linear", setup.format));

    std::mt19937_64 random(setup.seed);
    std::mt19937_64 rounding(99);
    std::uniform_real_distribution<double> uniform(0, 100);
    std::normal_distribution<double> normal(0, 1);
    std::vector<float> target(d), w(d), compensation(d);
    for (float &t : target) t = static_cast<float>(uniform(random));
    double tail = 0;
    for (std::int64_t step = 0; step < setup.steps; ++step) {
        std::vector<float> x(d);
        double y = 0.5 * normal(random);
        for (std::size_t i = 0; i < d; ++i) {
            x[i] = static_cast<float>(normal(random));
            y += double{x[i]} * double{target[i]};
        }
        std::vector<float> used(d);
        float p = 0;
        for (std::size_t i = 0; i < d; ++i) {
            used[i] = rounded(w[i], setup.format);
            p += used[i] * x[i];
        }
        const float error = p - static_cast<float>(y);
        const double loss = double{error} * double{error};
        const auto tail_steps = setup.steps / 8;
        if (step >= setup.steps - tail_steps) tail += loss / static_cast<double>(tail_steps);
        std::vector<float> g(d), next(d);
        trace::Fidelity f;
        f.layer = "linear";
        f.weight = "linear.weight";
        f.elements = d;
        double moved = 0, should = 0, g_dot = 0, g_squares = 0, g_reference = 0;
        for (std::size_t i = 0; i < d; ++i) {
            const float exact = 2 * error * x[i];
            g[i] = rounded(exact, setup.format);
            const float wanted = w[i] - static_cast<float>(setup.rate) * exact;
            const float step_to = w[i] - static_cast<float>(setup.rate) * g[i];
            next[i] = step_to;
            if (!setup.masters && setup.update == LeastSquares::Update::nearest)
                next[i] = rounded(step_to, setup.format);
            if (!setup.masters && setup.update == LeastSquares::Update::stochastic)
                next[i] = stochastically_rounded(step_to, rounding);
            if (!setup.masters && setup.update == LeastSquares::Update::kahan) {
                const float y_i = rounded(-static_cast<float>(setup.rate) * g[i] - compensation[i], setup.format);
                next[i] = rounded(w[i] + y_i, setup.format);
                compensation[i] = rounded(rounded(next[i] - w[i], setup.format) - y_i, setup.format);
            }
            const double u = double{next[i]} - double{w[i]};
            const double r = double{wanted} - double{w[i]};
            f.update_dot += u * r;
            f.update_squares += u * u;
            f.reference_squares += r * r;
            should += r != 0;
            moved += r != 0 && u != 0;
            g_dot += double{g[i]} * double{exact};
            g_squares += double{g[i]} * double{g[i]};
            g_reference += double{exact} * double{exact};
        }
        if (step_is_sampled(step, setup.steps)) {
            builder.put("linear.weight", w);
            builder.put("linear.out", {p});
            builder.put("linear.weight:grad", g);
            f.cosine = f.update_dot / std::sqrt(f.update_squares * f.reference_squares);
            f.norm_ratio = std::sqrt(f.update_squares / f.reference_squares);
            f.moved = moved / should;
            f.reference_moved = should / d;
            f.gradient_cosine = g_dot / std::sqrt(g_squares * g_reference);
            f.gradient_norm_ratio = std::sqrt(g_squares / g_reference);
            if (setup.format != "fp32") builder.fidelity(f);
            float exact_p = 0; // the same weights and batch in fp32
            for (std::size_t i = 0; i < d; ++i) exact_p += w[i] * x[i];
            const double exact_error = double{exact_p} - double{static_cast<float>(y)};
            if (setup.read_in_fp32) builder.loss_in_fp32(exact_error * exact_error);
        }
        w = next;
        builder.step(loss, {}, setup.rate);
    }
    builder.end();
    return tail;
}

} // namespace halfscope::test
