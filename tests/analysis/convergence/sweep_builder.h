// Sweeps made by hand: a curve and a final figure per seed.
#pragma once

#include "analysis/convergence/convergence.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace halfscope::analysis::testing {

/// `loss(step)`; the held-out loss at the end is `held_out`, the accuracy 1 - held_out.
inline trace::SweepRun made_run(const std::string &recipe, std::uint64_t seed, std::int64_t steps,
                                const std::function<double(std::int64_t)> &loss, double held_out) {
    trace::SweepRun run{{recipe, seed}, true, {}, {}, {}};
    for (std::int64_t step = 0; step < steps; ++step) {
        trace::Step facts;
        facts.step = step;
        facts.loss = loss(step);
        run.steps.push_back(facts);
    }
    run.evaluations = {{steps / 2, "loss", 2 * held_out},
                       {steps / 2, "accuracy", 0.5},
                       {steps, "loss", held_out},
                       {steps, "accuracy", 1 - held_out}};
    return run;
}

/// A falling curve with a little ripple of the seed's own.
inline double falling(std::int64_t step, std::uint64_t seed) {
    const auto t = static_cast<double>(step);
    return 0.5 + 1.5 * std::exp(-t / 30) + 0.01 * std::sin(t * (1.0 + 0.1 * static_cast<double>(seed)));
}

/// fp32 and one recipe; entry i of the vectors is seed i's held-out loss.
inline std::vector<trace::SweepRun> two_recipes(const std::vector<double> &fp32, const std::vector<double> &recipe,
                                                std::int64_t steps = 80) {
    std::vector<trace::SweepRun> runs;
    for (const auto &[name, values] : {std::pair{std::string("fp32"), fp32}, std::pair{std::string("mine"), recipe}})
        for (std::size_t seed = 0; seed < values.size(); ++seed)
            runs.push_back(made_run(
                name, seed, steps, [seed](std::int64_t step) { return falling(step, seed); }, values[seed]));
    return runs;
}

} // namespace halfscope::analysis::testing
