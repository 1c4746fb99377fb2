// Builds traces for the analysis tests: real SQLite files, statistics made by the real rounder from real values.
#pragma once

#include "analysis/statistics/tensor_history.h"
#include "analysis/verdict/assess.h"
#include "emulation/number/round_array.h"
#include "tests/trace/io/example_records.h"
#include "trace/io/writer.h"

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace halfscope::test {

/// What a tensor is besides its name.
struct Kind {
    std::string layer, role, operation, format;
    bool backward = false, scaled = false;
};

inline Kind activation(std::string layer, std::string operation, std::string format) {
    return {std::move(layer), "activation", std::move(operation), std::move(format)};
}
inline Kind weight(std::string layer, std::string format) {
    return {std::move(layer), "weight", "cast", std::move(format)};
}
inline Kind gradient(std::string layer, std::string format) {
    return {std::move(layer), "gradient", "matmul", std::move(format), true, true};
}
inline Kind weight_gradient(std::string layer, std::string format) {
    return {std::move(layer), "weight_gradient", "matmul", std::move(format), true, true};
}
inline Kind optimizer_state(std::string layer, std::string format) {
    return {std::move(layer), "optimizer_state", "adam_step", std::move(format)};
}

class TraceBuilder {
  public:
    TraceBuilder() : writer_(std::make_unique<trace::Writer>(scratch_.path)) {
        session.model = "synthetic";
        session.settings = {{"optimizer", "sgd"}, {"lr", "0.1"}};
    }

    trace::Session session;

    trace::Run &begin(trace::Run::Kind kind, std::string recipe, std::int64_t planned_steps = 100) {
        run_ = {};
        run_.kind = kind;
        run_.recipe = std::move(recipe);
        run_.compute_format = run_.weight_format = run_.state_format = "fp32";
        run_.optimizer = "sgd";
        run_.loss_scale_rule = "none";
        run_.planned_steps = planned_steps;
        tensors_.clear();
        records_.clear();
        fidelity_.clear();
        events_.clear();
        drifts_.clear();
        open_ = false;
        next_step_ = 0;
        return run_;
    }
    trace::Run &twin(std::int64_t planned_steps = 100) {
        return begin(trace::Run::Kind::reference, "fp32", planned_steps);
    }
    /// An fp16 recipe with masters and no loss scale; change what differs before the first step.
    trace::Run &recipe(std::string name, std::string format = "fp16", std::int64_t planned_steps = 100) {
        trace::Run &run = begin(trace::Run::Kind::recipe, std::move(name), planned_steps);
        run.compute_format = run.weight_format = std::move(format);
        return run;
    }

    /// Declared in execution order, before the first step.
    void tensor(const std::string &name, const Kind &kind) {
        trace::TensorInfo info;
        info.id = static_cast<trace::TensorId>(tensors_.size());
        info.name = name;
        info.layer = kind.layer;
        info.role = kind.role;
        info.operation = kind.operation;
        info.policy = "linear";
        info.format = kind.format;
        info.order = info.id;
        info.backward = kind.backward;
        info.scaled = kind.scaled;
        tensors_.push_back(info);
    }

    /// Values before rounding to the tensor's format, in the step that is being built; returns them rounded.
    std::vector<float> put(const std::string &name, const std::vector<float> &values) {
        const trace::TensorInfo &info = find(name);
        const number::FormatId format = info.format == "fp16"   ? number::FormatId::fp16
                                        : info.format == "bf16" ? number::FormatId::bf16
                                                                : number::FormatId::fp32;
        number::RangeStatistics statistics;
        std::vector<float> stored(values.size());
        if (format == number::FormatId::fp32) {
            number::round_array(values.data(), values.size(), format, stored.data(), {}, &statistics);
        } else {
            std::vector<std::uint16_t> bits(values.size());
            number::round_array(values.data(), values.size(), format, bits.data(), {}, &statistics);
            number::widen_array(bits.data(), bits.size(), format, stored.data());
        }
        records_.push_back({0, info.id, statistics});
        return stored;
    }

    /// As arithmetic that flushes subnormals stores and counts them.
    void put_flushed(const std::string &name, const std::vector<float> &values) {
        put(name, values);
        number::RangeStatistics &statistics = records_.back().statistics;
        statistics.underflows += std::exchange(statistics.subnormals, 0);
    }

    /// Fidelity of one layer's weight in the step being built. `retained` = u . u32 / |u32|^2.
    trace::Fidelity &fidelity(const std::string &layer, double retained, double norm_ratio, double moved = 1,
                              double gradient_retained = 1, std::int64_t elements = 1000, double squares = 1) {
        trace::Fidelity f;
        f.layer = layer;
        f.weight = layer + ".weight";
        f.elements = elements;
        f.norm_ratio = norm_ratio;
        f.cosine = norm_ratio > 0 ? retained / norm_ratio : not_a_number;
        f.moved = moved;
        f.reference_moved = 1;
        f.gradient_norm_ratio = gradient_retained;
        f.gradient_cosine = gradient_retained != 0 ? 1 : not_a_number;
        f.reference_squares = squares;
        f.update_squares = squares * norm_ratio * norm_ratio;
        f.update_dot = squares * retained;
        fidelity_.push_back(f);
        return fidelity_.back();
    }
    void fidelity(trace::Fidelity f) { fidelity_.push_back(std::move(f)); }

    /// What a value kept in bf16 has become by the step being built.
    void drift(const std::string &kind, const std::string &layer, double retained, double distance, std::int64_t terms,
               const std::string &name = "weight") {
        const std::string full = layer.empty() ? std::string() : layer + "." + name;
        drifts_.push_back({0, kind, full, layer, "bf16", terms, 1000, retained, distance, retained == 0 ? 1.0 : 0.0});
    }
    /// Of the finished run; before end().
    void evaluation(const std::string &metric, double value) {
        open();
        writer_->evaluation(run_.id, {next_step_, metric, value});
    }

    void event(const std::string &kind, const std::string &tensor, double input_amax, std::string detail = {}) {
        const trace::TensorInfo &info = find(tensor);
        trace::Event e;
        e.kind = kind;
        e.tensor = info.id;
        e.layer = info.layer;
        e.operation = info.operation;
        e.backward = info.backward;
        e.input_amax = input_amax;
        e.detail = std::move(detail);
        events_.push_back(e);
    }

    /// Of the step being built.
    void loss_in_fp32(double loss) { loss_in_fp32_ = loss; }

    void gradient_norm(double norm) { gradient_norm_ = norm; }

    struct Scale {
        double used = 1, after = 1;
        bool skipped = false;
    };
    void step(double loss) { step(loss, {}); }
    void step(double loss, const Scale &scale, double learning_rate = 0.1) {
        open();
        trace::Step s;
        s.step = next_step_++;
        s.loss = loss;
        s.loss_scale = scale.used;
        s.loss_scale_after = scale.after;
        s.skipped = scale.skipped;
        s.learning_rate = learning_rate;
        s.gradient_norm = std::exchange(gradient_norm_, 0.0);
        s.loss_in_fp32 = std::exchange(loss_in_fp32_, not_a_number);
        for (auto &r : records_) r.step = s.step;
        for (auto &f : fidelity_) f.step = s.step;
        for (auto &e : events_) e.step = s.step;
        for (auto &d : drifts_) d.step = s.step;
        writer_->step(run_.id, s, records_, fidelity_, events_, drifts_);
        drifts_.clear();
        records_.clear();
        fidelity_.clear();
        events_.clear();
    }
    /// Marks the run complete; `cut_short` leaves it as a killed producer would.
    void end() {
        open();
        writer_->end_run(run_.id);
    }
    void cut_short() { open(); }

    [[nodiscard]] analysis::Assessment assess() {
        writer_->session(session);
        return analysis::assess(trace::Reader(scratch_.path));
    }
    /// The ranges of the n-th run, the twin being the first as a rule.
    [[nodiscard]] analysis::RunRanges ranges(std::size_t n = 0) {
        writer_->session(session);
        const trace::Reader reader(scratch_.path);
        return analysis::read_ranges(reader, reader.runs().at(n));
    }
    /// The first recipe's assessment.
    [[nodiscard]] analysis::RecipeAssessment verdict() { return assess().recipes.at(0); }
    [[nodiscard]] std::int64_t steps_so_far() const { return next_step_; }

  private:
    void open() {
        if (open_) return;
        run_.id = writer_->begin_run(run_);
        writer_->tensors(run_.id, tensors_);
        open_ = true;
    }
    const trace::TensorInfo &find(const std::string &name) const {
        for (const auto &t : tensors_)
            if (t.name == name) return t;
        throw std::logic_error("no tensor " + name);
    }

    ScratchDirectory scratch_;
    std::unique_ptr<trace::Writer> writer_;
    trace::Run run_;
    std::vector<trace::TensorInfo> tensors_;
    std::vector<trace::TensorStep> records_;
    std::vector<trace::Fidelity> fidelity_;
    std::vector<trace::Event> events_;
    std::vector<trace::Drift> drifts_;
    double loss_in_fp32_ = not_a_number, gradient_norm_ = 0;
    bool open_ = false;
    std::int64_t next_step_ = 0;
};

/// Steps at which a run samples tensors and fidelity: powers of two, and 16 spread evenly, as the trainer does.
inline bool step_is_sampled(std::int64_t step, std::int64_t steps) {
    return (step & (step - 1)) == 0 || step % std::max<std::int64_t>(1, steps / 16) == 0;
}

/// A loss that falls from 2.5 to a floor of 0.5, with the batch noise of step t, the same for every run of a test.
inline double learning_curve(std::int64_t t, double floor = 0.5, double pace = 25, double noise = 0.03,
                             std::uint64_t seed = 1) {
    std::mt19937_64 random(seed * 1'000'003 + static_cast<std::uint64_t>(t));
    std::normal_distribution<double> normal(0, noise);
    return floor + 2.0 * std::exp(-static_cast<double>(t) / pace) + normal(random);
}

/// n values of N(0, deviation^2), the same for the same seed.
inline std::vector<float> normal_values(std::size_t n, double deviation, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(0, deviation);
    std::vector<float> values(n);
    for (float &v : values) v = static_cast<float>(normal(random));
    return values;
}

inline const analysis::Finding *find(const analysis::RecipeAssessment &a, std::string_view detector) {
    for (const auto &f : a.findings)
        if (f.detector == detector) return &f;
    return nullptr;
}

inline bool contains(const std::string &text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Everything a person reads, for test messages.
inline std::string told(const analysis::RecipeAssessment &a) {
    std::string text = a.run.recipe + ": " + std::string(analysis::name_of(a.verdict)) + ": " + a.headline +
                       " [confidence " + a.confidence + "]\n";
    for (const auto &f : a.findings)
        text += "  " + std::string(analysis::name_of(f.severity)) + " " + f.detector + " @" + f.layer + "/" + f.tensor +
                " step " + std::to_string(f.first_step) + "\n    evidence: " + f.evidence + "\n    cause: " + f.cause +
                "\n    remedy: " + f.remedy + "\n";
    if (!a.fidelity.empty()) {
        double late = 0;
        const std::size_t half = a.fidelity.size() / 2;
        for (std::size_t i = half; i < a.fidelity.size(); ++i) late += a.fidelity[i].retained;
        text += "  late retained: " + std::to_string(late / static_cast<double>(a.fidelity.size() - half)) + "\n";
    }
    return text + "  window: " + a.scale_window_sentence + "\n";
}

} // namespace halfscope::test
