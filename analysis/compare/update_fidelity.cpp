#include "analysis/compare/update_fidelity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace halfscope::analysis {

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Sums over some weights at one step.
struct StepSums {
    double dot = 0, squares = 0, reference_squares = 0;
    double elements = 0, should_move = 0, moved = 0, lost = 0;
    double gradient_dot = 0, gradient_reference = 0, gradient_cosine = 0, gradient_ratio = 0;

    void add(const trace::Fidelity &f) {
        const auto n = static_cast<double>(f.elements);
        dot += f.update_dot;
        squares += f.update_squares;
        reference_squares += f.reference_squares;
        elements += n;
        // `moved` is NaN where nothing should move.
        if (f.reference_moved > 0 && std::isfinite(f.moved)) {
            should_move += n * f.reference_moved;
            moved += n * f.reference_moved * f.moved;
        }
        if (std::isfinite(f.gradient_lost)) lost += n * f.gradient_lost;
        // Gradients come as ratios; weighting each weight by its update's squares pools them as the updates are.
        if (f.reference_squares > 0 && std::isfinite(f.gradient_cosine * f.gradient_norm_ratio)) {
            gradient_dot += f.reference_squares * f.gradient_cosine * f.gradient_norm_ratio;
            gradient_reference += f.reference_squares;
            gradient_cosine += f.reference_squares * f.gradient_cosine;
            gradient_ratio += f.reference_squares * f.gradient_norm_ratio;
        } else if (f.reference_squares > 0 && f.gradient_norm_ratio == 0) {
            gradient_reference += f.reference_squares; // the whole gradient vanished: its cosine is NaN
        }
    }
};

PooledFidelity pool(const std::vector<StepSums> &steps, std::size_t first) {
    PooledFidelity p;
    double dot = 0, reference_squares = 0, cosine = 0, ratio = 0, moved = 0, gradient = 0, gradient_reference = 0,
           gradient_cosine = 0, gradient_ratio = 0, lost = 0;
    int cosines = 0, movers = 0;
    for (std::size_t i = first; i < steps.size(); ++i) {
        const StepSums &s = steps[i];
        if (!(s.reference_squares > 0)) continue;
        ++p.samples;
        p.elements += s.elements;
        dot += s.dot;
        reference_squares += s.reference_squares;
        ratio += std::sqrt(s.squares / s.reference_squares);
        lost += s.lost / s.elements;
        if (s.squares > 0) {
            cosine += s.dot / std::sqrt(s.squares * s.reference_squares);
            ++cosines;
        }
        if (s.should_move > 0) {
            moved += s.moved / s.should_move;
            ++movers;
        }
        gradient += s.gradient_dot;
        gradient_reference += s.gradient_reference;
        gradient_cosine += s.gradient_cosine;
        gradient_ratio += s.gradient_ratio;
    }
    const auto mean = [](double sum, int n) { return n ? sum / n : not_a_number; };
    p.reference_squares = reference_squares;
    p.retained = p.samples ? dot / reference_squares : not_a_number;
    if (p.samples > 1) {
        // Of a ratio of sums, linearised.
        double squares = 0;
        for (std::size_t i = first; i < steps.size(); ++i) {
            const double off = steps[i].dot - p.retained * steps[i].reference_squares;
            if (steps[i].reference_squares > 0) squares += off * off;
        }
        p.retained_error = std::sqrt(squares * p.samples / (p.samples - 1)) / reference_squares;
    }
    p.norm_ratio = mean(ratio, p.samples);
    p.gradient_lost = mean(lost, p.samples);
    p.cosine = mean(cosine, cosines);
    p.moved = mean(moved, movers);
    const auto weighted = [&](double sum) { return gradient_reference > 0 ? sum / gradient_reference : not_a_number; };
    p.gradient_retained = weighted(gradient);
    p.gradient_cosine = weighted(gradient_cosine);
    p.gradient_norm_ratio = weighted(gradient_ratio);
    return p;
}

bool bad(const StepSums &s) {
    if (!(s.reference_squares > 0)) return false;
    const double retained = s.dot / s.reference_squares;
    return retained < broken_retained || retained > overshot_retained;
}

/// Median over steps of |u32| / |weights|, from the traced weights.
double relative_update(const std::map<std::int64_t, StepSums> &steps, const RunRanges &ranges) {
    double weight_squares = 0; // of one step
    for (const TensorHistory &tensor : ranges.tensors)
        if (tensor.info.role == "weight" && !tensor.summary.steps.empty())
            weight_squares += tensor.summary.total.sum_squares / static_cast<double>(tensor.summary.steps.size());
    std::vector<double> ratios;
    for (const auto &[step, sums] : steps)
        if (weight_squares > 0 && sums.reference_squares >= 0)
            ratios.push_back(std::sqrt(sums.reference_squares / weight_squares));
    if (ratios.empty()) return 0;
    const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
    std::nth_element(ratios.begin(), middle, ratios.end());
    return *middle;
}

} // namespace

const LayerFidelity *FidelitySummary::find(const std::string &layer) const {
    for (const LayerFidelity &l : layers)
        if (l.layer == layer) return &l;
    return nullptr;
}

std::vector<const LayerFidelity *> FidelitySummary::frozen() const {
    std::vector<const LayerFidelity *> result;
    for (const LayerFidelity &l : layers)
        if (l.late.elements >= frozen_evidence && l.late.retains_less_than(frozen_retained)) result.push_back(&l);
    std::stable_sort(result.begin(), result.end(), [](const LayerFidelity *a, const LayerFidelity *b) {
        return a->late.retained < b->late.retained;
    });
    return result;
}

double FidelitySummary::share_of(const std::vector<const LayerFidelity *> &chosen) const {
    double squares = 0, elements = 0;
    for (const LayerFidelity *layer : chosen) {
        squares += layer->late.reference_squares;
        elements += layer->late.elements;
    }
    const auto part = [](double of, double whole) { return whole > 0 ? of / whole : 0; };
    return std::max(part(squares, late.reference_squares), part(elements, late.elements));
}

FidelitySummary summarize_fidelity(const trace::StoredRun &run, const RunRanges &ranges) {
    FidelitySummary summary;
    std::set<std::int64_t> skipped;
    for (const trace::Step &step : run.steps)
        if (step.skipped) skipped.insert(step.step);

    std::map<std::int64_t, StepSums> whole;
    std::vector<std::string> order;
    std::map<std::string, std::map<std::int64_t, StepSums>> layers;
    std::set<std::int64_t> broken;
    for (const trace::Fidelity &f : run.fidelity)
        if (!std::isfinite(f.update_dot) || !std::isfinite(f.update_squares) || !std::isfinite(f.reference_squares))
            broken.insert(f.step);
    for (const trace::Fidelity &f : run.fidelity) {
        if (skipped.contains(f.step)) continue;
        if (broken.contains(f.step)) continue;
        const std::string &layer = f.layer.empty() ? f.weight : f.layer;
        if (!layers.contains(layer)) order.push_back(layer);
        layers[layer][f.step].add(f);
        whole[f.step].add(f);
        if (f.reference_squares > 0) summary.any_update = true;
    }
    for (const std::int64_t step : broken)
        if (!skipped.contains(step)) ++summary.broken_samples;

    // Samples may crowd at the start (powers of two): late is the second half of the run, not of the samples.
    const std::int64_t second_half = run.steps.empty() ? 0 : (run.steps.front().step + run.steps.back().step + 1) / 2;
    const auto late_from = [second_half](const std::map<std::int64_t, StepSums> &samples) {
        const auto late = std::count_if(samples.begin(), samples.end(),
                                        [second_half](const auto &sample) { return sample.first >= second_half; });
        return samples.size() -
               static_cast<std::size_t>(
                   late > 0 ? late : std::min<std::ptrdiff_t>(1, static_cast<std::ptrdiff_t>(samples.size())));
    };

    std::vector<StepSums> steps;
    for (const auto &[step, sums] : whole) {
        steps.push_back(sums);
        if (!(sums.reference_squares > 0)) continue;
        FidelityPoint point;
        point.step = step;
        point.retained = sums.dot / sums.reference_squares;
        point.norm_ratio = std::sqrt(sums.squares / sums.reference_squares);
        point.cosine = sums.squares > 0 ? sums.dot / std::sqrt(sums.squares * sums.reference_squares) : not_a_number;
        point.moved = sums.should_move > 0 ? sums.moved / sums.should_move : not_a_number;
        summary.points.push_back(point);
    }
    summary.all = pool(steps, 0);
    summary.late = pool(steps, late_from(whole));
    for (const std::string &name : order) {
        LayerFidelity layer;
        layer.layer = name;
        steps.clear();
        for (const auto &[step, sums] : layers[name]) {
            steps.push_back(sums);
            if (layer.first_bad_step < 0 && bad(sums)) layer.first_bad_step = step;
        }
        layer.all = pool(steps, 0);
        layer.late = pool(steps, late_from(layers[name]));
        summary.layers.push_back(std::move(layer));
    }
    summary.relative_update = relative_update(whole, ranges);
    return summary;
}

} // namespace halfscope::analysis
