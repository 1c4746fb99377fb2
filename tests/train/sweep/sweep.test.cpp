// Sweeps give the same bits on any number of threads and however often they are cut short.
#include "emulation/train/sweep/sweep.h"

#include "emulation/data/set_apart.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/run/training_run.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <stdexcept>

#include <unistd.h>

using namespace halfscope;
namespace fs = std::filesystem;

namespace {

fs::path fresh(const std::string &name) {
    const fs::path folder = fs::temp_directory_path() / ("halfscope-sweep-" + std::to_string(getpid())) / name;
    fs::remove_all(folder);
    return folder;
}

model::Graph network(std::uint64_t seed) {
    model::Graph graph = model::build_zoo_model("zoo:mlp:in=6,hidden=8,classes=3", 8, seed, {});
    model::attach_loss(graph, "cross-entropy");
    return graph;
}

train::SweepSettings settings_of(int threads) {
    train::SweepSettings settings;
    settings.recipes = {train::recipe_named("fp32"), train::recipe_named("fp16-amp"),
                        train::recipe_named("bf16-pure-sr")};
    settings.training.steps = 12;
    settings.training.optimizer.momentum = 0.9;
    settings.seeds = 2;
    settings.evaluate_every = 5;
    settings.reinitialised = network;
    settings.threads = threads;
    return settings;
}

bool same(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

void check_equal(const std::vector<trace::SweepRun> &a, const std::vector<trace::SweepRun> &b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t r = 0; r < a.size(); ++r) {
        CHECK(a[r].key == b[r].key);
        REQUIRE(a[r].steps.size() == b[r].steps.size());
        for (std::size_t i = 0; i < a[r].steps.size(); ++i) {
            CHECK(same(a[r].steps[i].loss, b[r].steps[i].loss));
            CHECK(same(a[r].steps[i].gradient_norm, b[r].steps[i].gradient_norm));
        }
        REQUIRE(a[r].evaluations.size() == b[r].evaluations.size());
        for (std::size_t i = 0; i < a[r].evaluations.size(); ++i)
            CHECK(same(a[r].evaluations[i].value, b[r].evaluations[i].value));
    }
}

struct Fixture {
    model::Graph graph = network(0);
    std::unique_ptr<data::Dataset> dataset = data::open_dataset("synthetic", train::demand_of(graph));

    std::vector<trace::SweepRun> run(const std::string &name, const train::SweepSettings &settings,
                                     const train::SweepProgress &progress = {}) {
        trace::SweepStore store(fresh(name), {});
        return train::sweep(graph, *dataset, settings, store, progress);
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "one thread and three give the same bits; seeds differ, recipes of a seed start alike") {
    const auto runs = run("one", settings_of(1));
    check_equal(runs, run("three", settings_of(3)));
    REQUIRE(runs.size() == 6);
    CHECK(runs[0].key == trace::SweepKey{"fp32", 0});
    CHECK(runs[3].key == trace::SweepKey{"fp16-amp", 1});
    CHECK(!same(runs[0].steps[0].loss, runs[1].steps[0].loss));
    // Same weights, same batch: the first losses of a seed differ by roundings only.
    CHECK(runs[2].steps[0].loss == doctest::Approx(runs[0].steps[0].loss).epsilon(0.01));
    // After 5, 10 and 12 steps, loss and accuracy.
    CHECK(runs[0].evaluations.size() == 6);
    CHECK(runs[0].evaluations.back().step == 12);
}

TEST_CASE_FIXTURE(Fixture, "stopped after every few steps, a sweep ends with the bits of one that was not") {
    const auto whole = run("whole", settings_of(1));
    const fs::path folder = fresh("pieces");
    std::vector<trace::SweepRun> runs;
    int calls = 0;
    for (; runs.empty() && calls < 100; ++calls) {
        std::atomic<bool> stop{false};
        train::SweepSettings settings = settings_of(2);
        settings.stop = &stop;
        int steps = 0;
        trace::SweepStore store(folder, {});
        runs = train::sweep(graph, *dataset, settings, store,
                            [&](std::int64_t, std::int64_t planned, const std::string &, double) {
                                CHECK(planned == 72);
                                if (++steps >= 7) stop = true;
                            });
    }
    CHECK(calls > 5);
    check_equal(runs, whole);
}

TEST_CASE_FIXTURE(Fixture, "seeds and recipes may be added to what is there") {
    trace::SweepStore store(fresh("grown"), {});
    train::SweepSettings settings = settings_of(1);
    settings.recipes.pop_back();
    settings.seeds = 1;
    CHECK(train::sweep(graph, *dataset, settings, store).size() == 2);
    int steps = 0;
    const auto grown = train::sweep(graph, *dataset, settings_of(1), store,
                                    [&](std::int64_t, std::int64_t, const std::string &, double) { ++steps; });
    CHECK(steps == 4 * 12);
    check_equal(grown, run("at-once", settings_of(1)));
}

TEST_CASE_FIXTURE(Fixture, "a checkpoint holds everything: every recipe, every optimizer, a scale that falls") {
    for (const train::Recipe &recipe : train::built_in_recipes())
        for (const auto kind : {train::OptimizerKind::sgd, train::OptimizerKind::adamw}) {
            CAPTURE(recipe.name);
            train::TrainingSettings settings;
            settings.optimizer.kind = kind;
            settings.optimizer.momentum = 0.9;
            settings.optimizer.weight_decay = 0.01;
            settings.micro_batches = 2;
            settings.ema_decay = 0.9;
            // So large a scale overflows in fp16, so that skipped steps and a falling scale are in the state.
            const auto rule = train::parse_loss_scale(
                recipe.compute == ops::DType::fp16 ? "megatron:init=1e9,interval=2,hysteresis=2" : recipe.loss_scale);
            const auto backend = ops::make_cpu_backend(1);
            train::TrainingRun first(graph, recipe, rule, settings, *backend, nullptr);
            data::SampleOrder order(data::Order::shuffled, 0, dataset->size(data::Split::training));
            const auto step = [&](train::TrainingRun &training, std::int64_t at) {
                std::vector<train::Batch> batches;
                for (std::int64_t i = 0; i < 2; ++i)
                    batches.push_back(dataset->batch(order.take((2 * at + i) * 8, 8), data::Split::training));
                return training.step(batches, false, false).step;
            };
            for (std::int64_t i = 0; i < 6; ++i) (void)step(first, i);
            const auto state = first.checkpoint();
            train::TrainingRun second(graph, recipe, rule, settings, *backend, nullptr);
            second.restore(state);
            CHECK(second.checkpoint() == state);
            for (std::int64_t i = 6; i < 14; ++i) {
                const trace::Step a = step(first, i), b = step(second, i);
                CHECK(same(a.loss, b.loss));
                CHECK(same(a.gradient_norm, b.gradient_norm));
                CHECK(same(a.loss_scale, b.loss_scale));
                CHECK(a.skipped == b.skipped);
            }
            CHECK(first.checkpoint() == second.checkpoint());
            CHECK_THROWS_AS(second.restore(std::span(state).first(state.size() - 1)), std::invalid_argument);
        }
}

TEST_CASE_FIXTURE(Fixture, "seeds that would change nothing are refused") {
    train::SweepSettings settings = settings_of(1);
    settings.training.order = data::Order::file;
    settings.reinitialised = nullptr;
    CHECK_THROWS_AS(train::check_sweep(graph, settings), std::invalid_argument);
    settings.seeds = 1;
    train::check_sweep(graph, settings);
}

TEST_CASE("data without a held-out part gives a tenth of itself, each sample to one part") {
    struct Numbers final : data::Dataset {
        [[nodiscard]] std::int64_t size(data::Split split) const override {
            return split == data::Split::training ? 200 : 0;
        }
        [[nodiscard]] std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples,
                                                         data::Split) const override {
            ops::HostTensor tensor(ops::DType::int64, {static_cast<std::int64_t>(samples.size())});
            std::copy(samples.begin(), samples.end(), tensor.as<std::int64_t>().begin());
            return {tensor};
        }
        [[nodiscard]] std::string description() const override { return "numbers"; }
    };
    const auto apart = data::set_apart(std::make_unique<Numbers>(), 4);
    CHECK(apart->size(data::Split::training) == 180);
    CHECK(apart->size(data::Split::held_out) == 20);
    CHECK(apart->notes().size() == 1);
    std::vector<int> seen(200);
    for (const auto split : {data::Split::training, data::Split::held_out})
        for (std::int64_t i = 0; i < apart->size(split); ++i) {
            const std::int64_t one[] = {i};
            ++seen[static_cast<std::size_t>(apart->batch(one, split).front().as<std::int64_t>()[0])];
        }
    CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; }));
    // Too little for two parts: left as it is.
    CHECK(data::set_apart(std::make_unique<Numbers>(), 150)->size(data::Split::held_out) == 0);
}
