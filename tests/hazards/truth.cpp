#include "tests/hazards/truth.h"

#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/evaluation.h"
#include "emulation/train/run/training_run.h"
#include "tests/hazards/observation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace halfscope::hazards {
namespace {

constexpr double failure = 0.10, success = 0.05;

/// Losses over the tail of a long run.
struct LongRun {
    double first = 0;               ///< loss of the first step
    std::vector<double> own;        ///< as the run computed it
    std::vector<double> in_fp32;    ///< read by fp32 from the same weights at sampled steps; NaN elsewhere
    std::optional<double> held_out; ///< of the finished model, where the case asks for it
    bool stopped = false;           ///< the scaler's rule ended the run
};

/// Steps of the tail at which fp32 reads the weights.
constexpr std::int64_t readings = 64;

LongRun train_long(const Case &tried, const train::Recipe &recipe, std::uint64_t seed, ops::Backend &backend) {
    const model::Graph forward = tried.model(seed);
    const data::Demand demand = train::demand_of(forward);
    const GeneratedDataset dataset(demand, tried.sample, tried.metric == Metric::held_out_loss);
    train::TrainingSettings settings = tried.settings;
    settings.seed = seed;
    settings.steps *= tried.long_factor;
    settings.trace_every = 0;
    train::Twin twin(forward, settings, backend);
    train::TrainingRun run(forward, recipe, train::parse_loss_scale(recipe.loss_scale), settings, backend, &twin);
    data::SampleOrder order(settings.order, seed, dataset.size(data::Split::training));
    LongRun result;
    const std::int64_t tail = settings.steps / 8, every = std::max<std::int64_t>(1, tail / readings);
    for (std::int64_t step = 0; step < settings.steps; ++step) {
        std::vector<train::Batch> batches;
        const int per_step = settings.batches_per_step();
        for (int i = 0; i < per_step; ++i)
            batches.push_back(
                dataset.batch(order.take((step * per_step + i) * demand.batch, demand.batch), data::Split::training));
        const bool in_tail = step >= settings.steps - tail;
        const train::StepRecord record = run.step(batches, false, in_tail && step % every == 0);
        if (step == 0) result.first = record.step.loss;
        if (in_tail) {
            result.own.push_back(record.step.loss);
            result.in_fp32.push_back(record.step.loss_in_fp32);
        }
        if (!run.stop_reason().empty()) {
            result.stopped = true;
            return result;
        }
    }
    if (tried.metric == Metric::held_out_loss)
        for (const trace::Evaluation &evaluation : train::evaluate(run, dataset, settings.steps))
            if (evaluation.metric == (settings.ema_decay > 0 ? "averaged_loss" : "loss"))
                result.held_out = evaluation.value;
    return result;
}

/// The twin's final loss and the recipe's, over the same batches.
struct Paired {
    double twin = 0, own = 0;
};

Paired paired(const LongRun &twin, const LongRun &recipe, bool in_fp32) {
    if (recipe.stopped) return {twin.held_out.value_or(twin.own.back()), std::numeric_limits<double>::quiet_NaN()};
    if (twin.held_out && recipe.held_out) return {*twin.held_out, *recipe.held_out};
    Paired sums;
    std::int64_t counted = 0;
    for (std::size_t i = 0; i < twin.own.size(); ++i) {
        if (in_fp32 && !std::isfinite(recipe.in_fp32[i])) continue;
        sums.twin += twin.own[i];
        sums.own += in_fp32 ? recipe.in_fp32[i] : recipe.own[i];
        ++counted;
    }
    // Where no step was taken at all there is no reading, and the weights are what they were: the own loss tells.
    if (counted == 0) return paired(twin, recipe, false);
    return {sums.twin / static_cast<double>(counted), sums.own / static_cast<double>(counted)};
}

double mean(const std::vector<double> &values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double> &values) {
    const double middle = mean(values);
    double squares = 0;
    for (const double value : values) squares += (value - middle) * (value - middle);
    return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

/// The recipe beside the twin over the seeds, by one of the readings.
struct Comparison {
    std::size_t lost = 0; ///< seeds without a finite loss
    double excess = std::numeric_limits<double>::infinity();
    bool failed = false, good = false;
};

Comparison compare(const std::vector<Paired> &pairs, const std::vector<double> &first) {
    Comparison result;
    std::vector<double> differences, excesses, twins;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        const auto [twin, own] = pairs[i];
        if (!std::isfinite(twin)) throw std::runtime_error("the fp32 twin does not end finite");
        twins.push_back(twin);
        if (!std::isfinite(own)) {
            ++result.lost;
            continue;
        }
        differences.push_back(own - twin);
        const double gained = std::abs(first[i] - twin);
        excesses.push_back((own - twin) / (twin > 0 ? std::min(twin, gained) : gained));
    }
    if (result.lost > 0) {
        result.failed = result.lost >= 2;
        return result;
    }
    result.excess = mean(excesses);
    const double spread = deviation(twins), d = mean(differences);
    const double error = deviation(differences) / std::sqrt(static_cast<double>(differences.size()));
    result.failed = result.excess >= failure && d > 2 * error && d > spread;
    result.good = result.excess <= success || d <= 0.1 * spread;
    return result;
}

void decide(Truth &truth, const std::vector<Paired> &in_fp32, const std::vector<Paired> &own,
            const std::vector<double> &first) {
    const Comparison weights = compare(in_fp32, first), reading = compare(own, first);
    truth.excess = weights.excess;
    truth.own_excess = reading.excess;
    truth.verdict = weights.failed || reading.lost >= 2 ? "unsafe"
                    : weights.good && reading.good      ? "fine"
                    : weights.good && reading.failed    ? "misread"
                                                        : "unclear";
}

} // namespace

std::vector<Truth> establish(const Case &tried) {
    const auto backend = ops::make_cpu_backend(1);
    const std::size_t trials = tried.trials.size();
    std::vector<Truth> truths(trials);
    std::vector<std::vector<Paired>> in_fp32(trials), own(trials);
    std::vector<double> first;
    for (const std::uint64_t seed : seeds) {
        const LongRun twin = train_long(tried, train::recipe_named("fp32"), seed, *backend);
        first.push_back(twin.first);
        for (std::size_t i = 0; i < trials; ++i) {
            const LongRun run = train_long(tried, tried.trials[i].recipe, seed, *backend);
            in_fp32[i].push_back(paired(twin, run, true));
            own[i].push_back(paired(twin, run, false));
            truths[i].twin_final.push_back(own[i].back().twin);
            truths[i].final.push_back(in_fp32[i].back().own);
            truths[i].own_final.push_back(own[i].back().own);
        }
    }
    for (std::size_t i = 0; i < trials; ++i) {
        truths[i].steps = tried.settings.steps * tried.long_factor;
        truths[i].first_loss = first.front();
        decide(truths[i], in_fp32[i], own[i], first);
    }
    return truths;
}

std::string key_of(const Case &tried, const Trial &trial) { return tried.name + " " + trial.recipe.name; }

TruthTable read_truth(const std::filesystem::path &file) {
    std::ifstream lines(file);
    if (!lines) throw std::runtime_error(file.string() + " cannot be read; make it with: halfscope_hazards --truth");
    TruthTable table;
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.empty() || line[0] == '#') continue;
        std::vector<std::string> cells;
        std::istringstream text(line);
        for (std::string cell; std::getline(text, cell, '\t');) cells.push_back(cell);
        if (cells.size() != 16)
            throw std::runtime_error(fmt::format("{}, line {}: not 16 columns", file.string(), number));
        Truth truth;
        truth.verdict = cells[2];
        truth.steps = std::stoll(cells[3]);
        truth.excess = std::stod(cells[4]);
        truth.own_excess = std::stod(cells[5]);
        std::size_t column = 6;
        for (auto *finals : {&truth.twin_final, &truth.final, &truth.own_final})
            for (int i = 0; i < 3; ++i) finals->push_back(std::stod(cells[column++]));
        truth.first_loss = std::stod(cells[column]);
        table[cells[0] + " " + cells[1]] = truth;
    }
    return table;
}

void write_truth(const std::filesystem::path &file, const TruthTable &table, const std::vector<Case> &cases) {
    std::ofstream out(file);
    out << "# What long training says, by final loss alone; made by halfscope_hazards --truth, see truth.h.\n"
           "# case\trecipe\ttruth\tsteps\texcess\town excess\ttwin's final loss, 3 seeds\t\t\tweights' final loss in "
           "fp32\t\t\trecipe's own final loss\t\t\tfp32 first loss\n";
    for (const Case &tried : cases)
        for (const Trial &trial : tried.trials) {
            const auto row = table.find(key_of(tried, trial));
            if (row == table.end()) continue;
            const Truth &truth = row->second;
            out << fmt::format("{}\t{}\t{}\t{}\t{:.4g}\t{:.4g}\t{:.6g}\t{:.6g}\t{:.6g}\t{:.17g}\n", tried.name,
                               trial.recipe.name, truth.verdict, truth.steps, truth.excess, truth.own_excess,
                               fmt::join(truth.twin_final, "\t"), fmt::join(truth.final, "\t"),
                               fmt::join(truth.own_final, "\t"), truth.first_loss);
        }
}

} // namespace halfscope::hazards
