#include "analysis/convergence/parting.h"

#include "analysis/compare/loss_curve.h"
#include "analysis/convergence/run_curve.h"

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {
namespace {

using Curves = std::vector<std::vector<double>>;

Curves smoothed(const std::vector<const trace::SweepRun *> &runs, std::size_t window) {
    Curves curves;
    for (const trace::SweepRun *run : runs) curves.push_back(trailing_mean(losses_of(*run), window));
    return curves;
}

bool apart(const Curves &recipe, const Curves &reference, std::size_t step) {
    const auto n = static_cast<double>(reference.size());
    double difference = 0, sum = 0, squares = 0;
    bool above = true, below = true;
    for (std::size_t i = 0; i < reference.size(); ++i) {
        const double own = recipe[i][step], theirs = reference[i][step];
        if (!std::isfinite(own)) return true;
        above = above && own > theirs;
        below = below && own < theirs;
        difference += (own - theirs) / n;
        sum += theirs;
        squares += theirs * theirs;
    }
    const double variance = std::max(0.0, squares / n - sum / n * (sum / n)) * n / (n - 1);
    return (above || below) && std::abs(difference) > std::sqrt(variance);
}

} // namespace

std::int64_t parting(const std::vector<const trace::SweepRun *> &recipe,
                     const std::vector<const trace::SweepRun *> &reference, std::size_t window) {
    if (reference.size() < 2 || window == 0) return -1;
    const Curves own = smoothed(recipe, window), theirs = smoothed(reference, window);
    std::size_t steps = theirs.front().size();
    for (const Curves *curves : {&own, &theirs})
        for (const std::vector<double> &curve : *curves) steps = std::min(steps, curve.size());
    std::size_t first = steps;
    while (first >= window && apart(own, theirs, first - 1)) --first;
    if (steps - first < window) return -1;
    return static_cast<std::int64_t>(first + 1 >= window ? first + 1 - window : 0);
}

} // namespace halfscope::analysis
