#include "analysis/convergence/band.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/convergence/run_curve.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace halfscope::analysis {
namespace {

using ValuesByStep = std::map<std::int64_t, std::vector<double>>;

Band band_of(const ValuesByStep &values) {
    Band band;
    for (const auto &[step, at_step] : values) {
        if (at_step.empty()) continue;
        band.steps.push_back(step);
        band.mean.push_back(mean_of(at_step, 0, at_step.size()));
        const auto [low, high] = std::minmax_element(at_step.begin(), at_step.end());
        band.low.push_back(*low);
        band.high.push_back(*high);
    }
    return band;
}

} // namespace

std::size_t smoothing_window(std::size_t steps) { return std::max<std::size_t>(1, steps / 40); }

Band training_band(std::span<const trace::SweepRun *const> runs, std::size_t window) {
    ValuesByStep values;
    for (const trace::SweepRun *run : runs) {
        const std::vector<double> smoothed = trailing_mean(losses_of(*run), window);
        for (std::size_t i = 0; i < smoothed.size(); ++i)
            if (std::isfinite(smoothed[i])) values[run->steps[i].step].push_back(smoothed[i]);
    }
    return band_of(values);
}

Band evaluation_band(std::span<const trace::SweepRun *const> runs, const std::string &metric) {
    ValuesByStep values;
    for (const trace::SweepRun *run : runs)
        for (const trace::Evaluation &evaluation : run->evaluations)
            if (evaluation.metric == metric && std::isfinite(evaluation.value))
                values[evaluation.step].push_back(evaluation.value);
    return band_of(values);
}

Band difference_band(std::span<const trace::SweepRun *const> runs, std::span<const trace::SweepRun *const> reference,
                     const std::string &metric) {
    ValuesByStep values;
    for (std::size_t i = 0; i < std::min(runs.size(), reference.size()); ++i)
        for (const trace::Evaluation &own : runs[i]->evaluations)
            for (const trace::Evaluation &theirs : reference[i]->evaluations)
                if (own.metric == metric && theirs.metric == metric && own.step == theirs.step &&
                    std::isfinite(own.value) && std::isfinite(theirs.value))
                    values[own.step].push_back(own.value - theirs.value);
    return band_of(values);
}

} // namespace halfscope::analysis
