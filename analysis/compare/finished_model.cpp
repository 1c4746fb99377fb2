#include "analysis/compare/finished_model.h"

#include "analysis/compare/outcome.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::analysis {
namespace {

/// The last value of the metric.
std::optional<double> last(const std::vector<trace::Evaluation> &evaluations, const std::string &metric) {
    for (auto at = evaluations.rbegin(); at != evaluations.rend(); ++at)
        if (at->metric == metric) return at->value;
    return std::nullopt;
}

double excess_over(double own, double other, double twin, double gained) {
    const double scale = twin > 0 ? std::min(twin, gained) : gained;
    return (own - other) / scale;
}

std::optional<FinishedLoss> loss_of(const trace::StoredRun &run, const trace::StoredRun &twin,
                                    std::span<const std::vector<trace::Evaluation>> siblings, const std::string &metric,
                                    const std::string &split) {
    const auto own = last(run.evaluations, split + metric), exact = last(run.evaluations, split + "exact_" + metric);
    const auto reference = last(twin.evaluations, split + metric);
    if (!own || !exact || !reference || !std::isfinite(*reference) || twin.steps.empty()) return std::nullopt;
    FinishedLoss loss;
    loss.own = *own;
    loss.exact = *exact;
    loss.twin = *reference;
    loss.on_training_samples = !split.empty();
    const double gained = std::abs(twin.steps.front().loss - loss.twin);
    loss.excess = excess_over(loss.own, loss.twin, loss.twin, gained);
    loss.due = excess_over(loss.own, loss.exact, loss.twin, gained);
    double squares = 0;
    int seeds = 0;
    for (const auto &evaluations : siblings)
        if (const auto other = last(evaluations, split + metric); other && std::isfinite(*other)) {
            squares += (*other - loss.twin) * (*other - loss.twin);
            ++seeds;
        }
    loss.noise = seeds > 0 ? std::sqrt(squares / seeds) : 0;
    return loss;
}

} // namespace

bool FinishedLoss::worse_by(double part) const {
    if (!std::isfinite(own)) return std::isfinite(exact);
    return std::min(excess, due) >= part && own - twin > noise;
}

bool FinishedLoss::bad() const { return worse_by(much_worse_excess); }
bool FinishedLoss::visibly_worse() const { return worse_by(0.5 * much_worse_excess); }

std::string FinishedLoss::in_words(std::string_view they) const {
    return fmt::format("{} on {} against {} in fp32; with {} kept in fp32 beside the same training it is {}",
                       figure(own), on_training_samples ? "training samples" : "held-out samples", figure(twin), they,
                       figure(exact));
}

FinishedModel compare_finished(const trace::StoredRun &run, const trace::StoredRun *twin,
                               std::span<const std::vector<trace::Evaluation>> siblings) {
    FinishedModel finished;
    if (!twin) return finished;
    for (const char *split : {"", "training_"}) {
        if (!finished.statistics) finished.statistics = loss_of(run, *twin, siblings, "loss", split);
        if (!finished.average) finished.average = loss_of(run, *twin, siblings, "averaged_loss", split);
    }
    return finished;
}

} // namespace halfscope::analysis
