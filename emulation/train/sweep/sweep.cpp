#include "emulation/train/sweep/sweep.h"

#include "emulation/train/lowering/lower.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/evaluation.h"
#include "emulation/train/run/trained_weights.h"
#include "emulation/train/run/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace halfscope::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// One run of the sweep and what became of it.
struct Job {
    const Recipe *recipe = nullptr;
    trace::SweepKey key;
    std::optional<trace::SweepRun> run; ///< once complete
    std::int64_t counted = 0;           ///< steps that progress knows of
};

class Sweep {
  public:
    Sweep(const model::Graph &forward, const data::Dataset &dataset, const SweepSettings &settings,
          trace::SweepStore &store, const SweepProgress &progress)
        : forward_(forward), dataset_(dataset), settings_(settings), store_(store), progress_(progress) {
        // Seed by seed, so that what is there after an interruption can be compared.
        for (int seed = 0; seed < settings.seeds; ++seed)
            for (const Recipe &recipe : settings.recipes)
                jobs_.push_back(
                    {&recipe, {recipe.name, settings.training.seed + static_cast<std::uint64_t>(seed)}, {}, 0});
        for (Job &job : jobs_) {
            job.run = store.finished(job.key);
            if (job.run) job.counted = settings.training.steps;
            finished_ += job.counted;
        }
    }

    std::vector<trace::SweepRun> run() {
        const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
        const std::size_t asked = settings_.threads > 0 ? static_cast<std::size_t>(settings_.threads) : cores;
        const auto open = static_cast<std::size_t>(
            std::count_if(jobs_.begin(), jobs_.end(), [](const Job &job) { return !job.run; }));
        std::vector<std::thread> workers;
        for (std::size_t i = 0; i < std::min(asked, open); ++i) workers.emplace_back([this] { work(); });
        for (std::thread &worker : workers) worker.join();
        if (failure_) std::rethrow_exception(failure_);
        std::vector<trace::SweepRun> runs;
        for (const Recipe &recipe : settings_.recipes)
            for (Job &job : jobs_)
                if (job.recipe == &recipe && job.run) runs.push_back(std::move(*job.run));
        return runs.size() == jobs_.size() ? std::move(runs) : std::vector<trace::SweepRun>{};
    }

  private:
    [[nodiscard]] bool stopped() const { return failed_ || (settings_.stop && *settings_.stop); }

    void work() {
        for (std::size_t next = 0; (next = next_job_++) < jobs_.size() && !stopped();) {
            Job &job = jobs_[next];
            if (job.run) continue;
            try {
                train(job);
            } catch (...) {
                const std::lock_guard lock(mutex_);
                if (!failure_) failure_ = std::current_exception();
                failed_ = true;
            }
        }
    }

    void report(Job &job, std::int64_t steps, double loss) {
        const std::lock_guard lock(mutex_);
        finished_ += steps - job.counted;
        job.counted = steps;
        if (progress_)
            progress_(finished_, settings_.training.steps * static_cast<std::int64_t>(jobs_.size()),
                      fmt::format("{} seed {}", job.key.recipe, job.key.seed), loss);
    }

    void train(Job &job) {
        TrainingSettings training = settings_.training;
        training.seed = job.key.seed;
        training.trace_every = 0;
        const model::Graph graph = settings_.reinitialised ? settings_.reinitialised(training.seed) : forward_;
        const auto backend = ops::make_cpu_backend(1);
        TrainingRun run(graph, *job.recipe, parse_loss_scale(job.recipe->loss_scale), training, *backend, nullptr);
        trace::SweepRun record{job.key, false, {}, {}, {}};
        if (std::optional<trace::SweepCheckpoint> before = store_.checkpoint(job.key)) {
            run.restore(before->state);
            record = std::move(before->run);
            report(job, static_cast<std::int64_t>(record.steps.size()), record.steps.back().loss);
        }

        const std::int64_t batch = demand_of(graph).batch;
        data::SampleOrder order(training.order, training.seed, dataset_.size(data::Split::training));
        auto saved = Clock::now();
        for (auto step = static_cast<std::int64_t>(record.steps.size()); step < training.steps; ++step) {
            if (stopped()) return keep(run, record, largest_checkpoint);
            std::vector<Batch> batches;
            const int per_step = training.batches_per_step();
            for (int i = 0; i < per_step; ++i)
                batches.push_back(
                    dataset_.batch(order.take((step * per_step + i) * batch, batch), data::Split::training));
            trace::Step facts = run.step(batches, false, false).step;
            facts.seconds = 0;
            record.steps.push_back(facts);
            record.stopped = run.stop_reason();
            const bool last = step + 1 == training.steps || !record.stopped.empty();
            if (last || (step + 1) % settings_.evaluate_every == 0)
                for (const trace::Evaluation &evaluation : evaluate(run, dataset_, step + 1))
                    record.evaluations.push_back(evaluation);
            report(job, last ? training.steps : step + 1, facts.loss);
            if (last) break;
            if (seconds_since(saved) >= checkpoint_seconds) {
                keep(run, record, largest_frequent_checkpoint);
                saved = Clock::now();
            }
        }
        record.complete = true;
        store_.save(record);
        job.run = std::move(record);
    }

    void keep(const TrainingRun &run, const trace::SweepRun &record, std::size_t largest) {
        if (record.steps.empty()) return;
        trace::SweepCheckpoint checkpoint{record, run.checkpoint()};
        if (checkpoint.state.size() <= largest) store_.save(checkpoint);
    }

    const model::Graph &forward_;
    const data::Dataset &dataset_;
    const SweepSettings &settings_;
    trace::SweepStore &store_;
    const SweepProgress &progress_;
    std::vector<Job> jobs_;
    std::atomic<std::size_t> next_job_{0};
    std::atomic<bool> failed_{false};
    std::mutex mutex_; ///< of the progress and the failure
    std::int64_t finished_ = 0;
    std::exception_ptr failure_;
};

} // namespace

void check_sweep(const model::Graph &forward, const SweepSettings &settings) {
    for (const Recipe &recipe : settings.recipes) {
        (void)parse_loss_scale(recipe.loss_scale);
        (void)lower(forward, recipe);
    }
    (void)trained_weights(forward, settings.training.freeze);
    const bool draws = std::any_of(forward.nodes.begin(), forward.nodes.end(),
                                   [](const model::Node &node) { return ops::draws(node.operation.kind); });
    if (settings.seeds > 1 && !settings.reinitialised && settings.training.order == data::Order::file && !draws)
        throw std::invalid_argument("--order file: with the weights of an .onnx file and its samples in file order, "
                                    "another seed would change nothing; leave --order out");
}

std::vector<trace::SweepRun> sweep(const model::Graph &forward, const data::Dataset &dataset,
                                   const SweepSettings &settings, trace::SweepStore &store,
                                   const SweepProgress &progress) {
    check_sweep(forward, settings);
    return Sweep(forward, dataset, settings, store, progress).run();
}

} // namespace halfscope::train
