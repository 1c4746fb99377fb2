#include "analysis/verdict/judge.h"

#include "analysis/statistics/wording.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

namespace halfscope::analysis {

namespace {

/// A gap that pairs of batches show and the spread of seeds does not, with updates that are not broken: a fifth, twice
/// what counts as much worse, because two courses of fp32 drift apart as well.
constexpr double telling_excess = 2 * much_worse_excess;

/// A sentence as the first half of a longer one.
std::string without_stop(std::string sentence) {
    if (!sentence.empty() && sentence.back() == '.') sentence.pop_back();
    return sentence;
}

std::string continued(std::string sentence) {
    if (!sentence.empty()) sentence[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(sentence[0])));
    return sentence;
}

struct Weighing {
    const Evidence &e;
    const TwinSoundness &twin;
    const std::vector<Finding> &findings;
    std::size_t siblings;

    /// Whether sampled updates can be held against fp32's at all.
    [[nodiscard]] bool updates_comparable() const {
        return !(e.run.run.optimizer.starts_with("adam") && e.fidelity.late.gradient_rescaled());
    }
    [[nodiscard]] bool updates_broken() const {
        const PooledFidelity &late = e.fidelity.late;
        if (!updates_comparable()) return false;
        return late.retains_less_than(broken_retained) || late.retains_more_than(overshot_retained);
    }
    [[nodiscard]] bool updates_costly() const {
        return updates_comparable() && e.fidelity.late.retains_less_than(costly_retained);
    }
    /// Consistently above the twin batch by batch by what counts as much worse.
    [[nodiscard]] bool much_worse_by_pairs() const {
        return e.comparison.paired_gap && e.comparison.excess >= much_worse_excess;
    }
    /// A static scale under which the second half of the run has no step: it never comes down.
    [[nodiscard]] bool stuck_under_static_scale() const {
        const auto &steps = e.run.steps;
        return e.run.run.loss_scale_rule.starts_with("static") && steps.size() >= enough_steps &&
               std::all_of(steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2), steps.end(),
                           [](const trace::Step &step) { return step.skipped; });
    }
    /// It made all but a hundredth of the twin's progress and then stands at a higher loss, for no cause a detector
    /// knows, with updates as long as fp32's: what its forward pass rounds may be all there is to it.
    [[nodiscard]] bool higher_floor() const {
        return e.comparison.standing <= Standing::much_worse && e.comparison.progress_share >= 0.99 &&
               e.fidelity.late.known() && !updates_costly() && !updates_broken() && !cause();
    }
    /// More than that: each sampled update is fp32's from the same weights, and the weights' loss in fp32, as far as it
    /// was sampled, is not above the twin's.
    [[nodiscard]] bool only_the_reading_is_worse() const {
        const PooledFidelity &late = e.fidelity.late;
        return higher_floor() && !e.comparison.judged_in_fp32 && std::abs(late.retained - 1) <= sound_retained &&
               late.retained_error <= sound_retained &&
               e.comparison.gap_in_fp32 <= real_in_noises * e.comparison.gap_in_fp32_error;
    }
    /// The curve is bad, yet every sampled update of every layer, over the whole run, is fp32's from the same weights,
    /// and no detector knows a cause. Such a run is one that fp32 might have made: where training is chaotic (a
    /// learning rate at the edge, a loss that jumps before it falls), rounding only decides which of its courses is
    /// taken.
    [[nodiscard]] bool a_course_fp32_could_take() const {
        const auto sound = [](const PooledFidelity &f) { return f.is_fp32s(); };
        return e.comparison.first_not_finite < 0 && !cause() && sound(e.fidelity.late) && !a_layer_costly() &&
               std::all_of(e.fidelity.layers.begin(), e.fidelity.layers.end(),
                           [&](const LayerFidelity &l) { return !l.all.retains_less_than(costly_retained); });
    }
    /// A layer whose updates lose a tenth or more.
    [[nodiscard]] bool a_layer_costly() const {
        if (!updates_comparable()) return false;
        return std::any_of(e.fidelity.layers.begin(), e.fidelity.layers.end(), [](const LayerFidelity &l) {
            return l.late.elements >= frozen_evidence && l.late.retains_less_than(costly_retained);
        });
    }
    /// Layers whose updates lose a tenth or more, and which together are a tenth of the model or more: what a norm's
    /// gain or a bias loses hardly counts.
    [[nodiscard]] bool layers_costly() const {
        std::vector<const LayerFidelity *> losing;
        for (const LayerFidelity &l : e.fidelity.layers)
            if (l.late.elements >= frozen_evidence && l.late.retains_less_than(costly_retained)) losing.push_back(&l);
        return updates_comparable() && e.fidelity.share_of(losing) >= 1 - costly_retained;
    }
    /// Updates or the gradients they are made of lose a tenth or more, as measured. Momentum hides a gradient's loss
    /// for a while.
    [[nodiscard]] bool measurably_lossy() const {
        const PooledFidelity &late = e.fidelity.late;
        return updates_costly() ||
               (updates_comparable() && late.gradient_retained + 2 * late.retained_error < costly_retained);
    }
    [[nodiscard]] bool growing() const {
        return std::any_of(findings.begin(), findings.end(), [](const Finding &f) {
            return f.detector == activation_growth.info.id || f.detector == gradient_underflow_trend.info.id ||
                   (f.detector == biased_attention_rounding.info.id && f.severity == Severity::warning);
        });
    }
    /// What training left for evaluation is worse than the twin's for the format it was kept in.
    [[nodiscard]] bool finished_badly() const {
        const auto bad = [](const std::optional<FinishedLoss> &loss) { return loss && loss->bad(); };
        return bad(e.finished.statistics) || bad(e.finished.average);
    }
    [[nodiscard]] bool finished_visibly_worse() const {
        const auto visible = [](const std::optional<FinishedLoss> &loss) { return loss && loss->visibly_worse(); };
        return visible(e.finished.statistics) || visible(e.finished.average);
    }
    [[nodiscard]] bool collapsed() const {
        return std::any_of(findings.begin(), findings.end(), [](const Finding &f) {
            return f.detector == scale_collapse.info.id && f.severity == Severity::critical;
        });
    }
    /// The run moves its weights so little that a flat loss says nothing.
    [[nodiscard]] bool small_steps() const {
        return e.fidelity.any_update && e.fidelity.relative_update > 0 &&
               e.fidelity.relative_update * static_cast<double>(e.comparison.steps) < small_journey;
    }
    [[nodiscard]] bool cut_short() const {
        return !e.run.complete && e.run.run.planned_steps > static_cast<std::int64_t>(e.run.steps.size());
    }
    [[nodiscard]] std::string how_far() const {
        return fmt::format("{} of {} steps", e.run.steps.size(), e.run.run.planned_steps);
    }

    /// The cause a bad verdict names: the first finding that is more than information.
    [[nodiscard]] const Finding *cause() const {
        return findings.empty() || findings.front().severity == Severity::info ? nullptr : &findings.front();
    }
    [[nodiscard]] std::string blame(const std::string &outcome) const {
        const Finding *f = cause();
        if (!f) return without_stop(outcome) + ", for a cause that none of the detectors recognises.";
        return fmt::format("{}; {}", without_stop(f->cause), continued(outcome));
    }

    /// A detector names a cause, other than a forecast, and the sampled updates do not contradict it.
    [[nodiscard]] bool knows_why() const { return cause() && !growing(); }
    [[nodiscard]] Judgement unsafe_by_pairs() const {
        return {Verdict::unsafe,
                blame(fmt::format("Batch by batch the loss is consistently above the twin's: {} against {} at the end.",
                                  figure(e.comparison.outcome.final), figure(e.comparison.outcome.reference_final))),
                {}};
    }
    [[nodiscard]] Judgement unsafe() const { return {Verdict::unsafe, blame(e.comparison.outcome.sentence), {}}; }
    [[nodiscard]] Judgement risky(const std::string &because) const { return {Verdict::risky, because, {}}; }
    [[nodiscard]] Judgement none(std::string because) const { return {Verdict::no_verdict, std::move(because), {}}; }
};

std::string fidelity_in_words(const FidelitySummary &f) {
    if (!f.late.known()) return {};
    return fmt::format("its updates retain {} of the fp32 updates", percent(f.late.retained));
}

Judgement safe(const Weighing &w) {
    const Evidence &e = w.e;
    const Outcome &o = e.comparison.outcome;
    std::string headline = without_stop(o.sentence);
    if (!e.comparison.fine())
        headline = fmt::format(
            "Its loss ends at {} against {} in fp32, but the forward pass that reads it rounds: its weights "
            "receive fp32's updates, and their loss in fp32 is not above the twin's where it was sampled",
            figure(o.final), figure(o.reference_final));
    if (const std::string words = fidelity_in_words(e.fidelity); !words.empty()) headline += "; " + words;
    headline += '.';
    if (e.comparison.skipped > 0)
        headline += fmt::format(" {} of {} steps were skipped while the loss scale settled.", e.comparison.skipped,
                                e.comparison.steps);
    return {Verdict::safe, headline, {}};
}

/// `why`: the reason the loss cannot judge, a sentence without its full stop.
Judgement by_fidelity_alone(const Weighing &w, const std::string &why) {
    const Evidence &e = w.e;
    if (!e.fidelity.known()) return w.none(why + ", and no update fidelity was sampled to judge by instead.");
    if (w.updates_broken())
        return {Verdict::unsafe, w.blame(fmt::format("{} ({}).", fidelity_in_words(e.fidelity), continued(why))), {}};
    const std::string words = fmt::format("{}; {}.", why, fidelity_in_words(e.fidelity));
    return {w.updates_costly() || !e.fidelity.frozen().empty() ? Verdict::risky : Verdict::safe, words, {}};
}

Judgement weigh(const Weighing &w) {
    const Evidence &e = w.e;
    const Comparison &c = e.comparison;
    if (!w.twin.present) return w.none("There is no fp32 twin in this trace to judge against.");
    if (w.twin.diverged)
        return w.none(fmt::format("No verdict: {}, so nothing here can be blamed on precision.", w.twin.problem));
    if (c.standing == Standing::diverged && c.first_not_finite >= 0) return w.unsafe();
    if (c.steps < enough_steps)
        return w.none(
            fmt::format("Too few steps to judge: {} finished, at least {} are needed and {} make a firm verdict.",
                        c.steps, enough_steps, plenty_of_steps));
    if (w.collapsed()) return w.unsafe();
    if (w.stuck_under_static_scale())
        return {Verdict::unsafe,
                w.blame(fmt::format("{} of {} steps are skipped, and a static loss scale never comes down.", c.skipped,
                                    c.steps)),
                {}};
    if (c.applied < enough_steps)
        return w.none(
            fmt::format("Too few applied steps to judge: the loss scale was still settling and {} of {} steps "
                        "were skipped. Run more steps, or start from a lower scale{}.",
                        c.skipped, c.steps,
                        e.windows.model.fits() && !e.windows.model.high_layer.empty() && e.windows.model.high >= 0
                            ? fmt::format(" (2^{} fits)", e.windows.model.high)
                            : std::string()));
    if (w.only_the_reading_is_worse()) return safe(w);
    if (c.bad() && !w.higher_floor() && w.a_course_fp32_could_take())
        return w.none(
            without_stop(c.outcome.sentence) +
            "; but each of its sampled updates is the one fp32 makes from the same weights, so luck in a chaotic "
            "run explains it as well as precision: lower the learning rate or warm it up, or take more fp32 seeds "
            "(`--seeds`).");
    if (c.bad()) return w.higher_floor() ? w.risky(w.blame(c.outcome.sentence)) : w.unsafe();
    if (!w.twin.learns) {
        if (!w.small_steps())
            return w.none(fmt::format("No verdict: {}, so there is no learning to compare.", w.twin.problem));
        return by_fidelity_alone(
            w, fmt::format("The updates are too small to move the loss in {} steps, in fp32 as well", c.steps));
    }
    if (w.finished_badly())
        return {Verdict::unsafe, w.blame("The training loss does not show it, the finished model does."), {}};
    if (!c.loss_readable && !c.judged_in_fp32) return by_fidelity_alone(w, without_stop(c.outcome.sentence));
    if (c.standing == Standing::worse) {
        if (w.updates_broken() || (w.knows_why() && c.excess >= much_worse_excess)) return w.unsafe();
        return w.risky(w.blame(c.outcome.sentence));
    }
    if (c.standing == Standing::unknown)
        return w.none("No verdict: the loss is not finite in places, but neither for good; run more steps.");
    if (w.cut_short() && 2 * static_cast<std::int64_t>(e.run.steps.size()) < e.run.run.planned_steps)
        return w.none(
            fmt::format("The run was cut short after {}; so far: {}", w.how_far(), continued(c.outcome.sentence)));
    // Seeds differ by more than this, but not with the same weights and batches: the gap is precision's where the
    // updates, or a detector, say how it comes about; a gap of a tenth where both do.
    if (w.much_worse_by_pairs() &&
        (w.updates_broken() || (w.knows_why() && (c.excess >= telling_excess || w.measurably_lossy()))))
        return w.unsafe_by_pairs();
    // Without masters the rounded weights are all there is, and their own reading is the model's.
    if (c.judged_in_fp32 && !c.acquitted_in_fp32 && !e.run.run.master_weights && c.own_standing >= Standing::much_worse)
        return w.unsafe();
    // With masters the reading in fp32 might acquit it. Where it does not, a known cause and updates or gradients that
    // lose a tenth leave nothing that speaks for the run.
    if (c.judged_in_fp32 && !c.acquitted_in_fp32 && c.own_standing >= Standing::much_worse && w.knows_why() &&
        w.measurably_lossy())
        return w.unsafe();
    if (c.judged_in_fp32 && !c.acquitted_in_fp32 && (w.knows_why() || !e.updates_are_fp32s()))
        return w.risky(
            w.blame("Its own forward pass reads a worse loss than the twin's, and what its weights are worth "
                    "in fp32 is not known well enough to acquit it (" +
                    without_stop(continued(c.outcome.sentence)) + ")."));
    if (c.not_finite > 0)
        return w.risky(w.blame(
            fmt::format("The loss was not finite in {}, which the scaler skipped.", counted(c.not_finite, "step"))));
    if (w.updates_broken() || (c.judged_in_fp32 && w.updates_costly()))
        return w.risky(w.blame(fmt::format("The loss does not show it yet ({})", fidelity_in_words(e.fidelity))) + ".");
    // A norm's gain that stands still costs a hundredth of the step; layers that are a tenth of the model cost what
    // counts as worse.
    if (const auto frozen = e.fidelity.frozen();
        w.updates_comparable() && e.fidelity.share_of(frozen) >= 1 - costly_retained) {
        std::vector<std::string> names;
        for (const LayerFidelity *layer : frozen) names.push_back(layer->layer);
        return w.risky(w.blame(
            fmt::format("{} {} as good as frozen, retaining {} of the fp32 update, though the loss does "
                        "not show it yet.",
                        name_list(names), names.size() == 1 ? "is" : "are", percent(frozen.front()->late.retained))));
    }
    if ((w.updates_costly() || w.layers_costly()) && c.paired_gap)
        return w.risky(w.blame(fmt::format(
            "{}, and the loss is slightly but consistently above the twin's ({} against {}).",
            continued(fidelity_in_words(e.fidelity)), figure(c.outcome.final), figure(c.outcome.reference_final))));
    if (w.finished_visibly_worse())
        return w.risky(w.blame("The training loss does not show it, the finished model does, a little."));
    if (w.growing()) return w.risky(w.blame("So far it trains like the fp32 twin."));
    return safe(w);
}

/// "high", or a lower word and what would raise it.
std::string confidence_in(const Weighing &w, const Judgement &j) {
    const Evidence &e = w.e;
    if (j.verdict == Verdict::no_verdict && (!w.twin.present || w.twin.diverged))
        return "low: there is no verdict; an fp32 twin that trains would raise it";
    const bool not_finite = e.comparison.standing == Standing::diverged;
    std::vector<std::string> wanted;
    if (w.cut_short()) wanted.push_back(fmt::format("the whole run (it was cut short after {})", w.how_far()));
    if (e.comparison.steps < plenty_of_steps && !not_finite)
        wanted.push_back(fmt::format("more steps (it had {})", e.comparison.steps));
    if (!e.comparison.loss_readable && !e.comparison.judged_in_fp32 && !not_finite)
        wanted.push_back("a loss computed in fp32");
    if (!w.twin.learns && !not_finite) wanted.push_back("enough steps for the twin's loss to fall visibly");
    if (!e.fidelity.known() && !not_finite) wanted.push_back("update-fidelity samples");
    // Seeds matter where the gap is neither nothing nor overwhelming.
    const Outcome &o = e.comparison.outcome;
    const double noises = o.noise > 0 ? std::abs(o.difference) / o.noise : 0.0;
    if (w.siblings == 0 && !not_finite && noises > 1 && noises < 10) wanted.push_back("more fp32 seeds (`--seeds`)");
    if (j.verdict == Verdict::safe && !e.comparison.fine() && e.comparison.loss_readable && w.twin.learns)
        wanted.push_back("more samples of the loss in fp32");
    if (j.verdict == Verdict::no_verdict) {
        if (e.comparison.steps >= plenty_of_steps) wanted.insert(wanted.begin(), "more steps");
        if (w.siblings == 0) wanted.push_back("more fp32 seeds (`--seeds`)");
        std::erase_if(wanted, [seen = std::set<std::string>()](const std::string &what) mutable {
            return !seen.insert(what).second;
        });
        return fmt::format("low: there is no verdict yet; {} would raise it", fmt::join(wanted, ", "));
    }
    if (j.verdict != Verdict::safe && !w.cause()) wanted.push_back("a recognised cause");
    if (wanted.empty()) return "high";
    return fmt::format("{}: {} would raise it", wanted.size() == 1 ? "medium" : "low", fmt::join(wanted, ", "));
}

} // namespace

Judgement judge(const Evidence &evidence, const TwinSoundness &twin, const std::vector<Finding> &findings,
                std::size_t siblings) {
    const Weighing w{evidence, twin, findings, siblings};
    Judgement judgement = weigh(w);
    judgement.confidence = confidence_in(w, judgement);
    return judgement;
}

void rank(std::vector<Finding> &findings) {
    std::stable_sort(findings.begin(), findings.end(), [](const Finding &a, const Finding &b) {
        if (a.severity != b.severity) return a.severity > b.severity;
        return a.weight > b.weight;
    });
}

} // namespace halfscope::analysis
