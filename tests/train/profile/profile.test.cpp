#include "emulation/train/profile/profile.h"
#include "emulation/data/synthetic.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/training_options.h"
#include "tests/train/small_models.h"
#include "trace/io/reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <unistd.h>

using namespace halfscope;
using namespace halfscope::train;

namespace {

struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("halfscope_profile_" + std::to_string(::getpid()));
    ~Folder() { std::filesystem::remove_all(path); }
};

model::Graph zoo(const char *spec, std::uint64_t seed = 0) {
    model::Graph graph = model::build_zoo_model(spec, 8, seed);
    model::attach_loss(graph, model::default_loss(graph).loss);
    return graph;
}

constexpr const char *cnn = "cnn:size=8,width=8,classes=4";

} // namespace

TEST_CASE("what a graph asks of its data") {
    const data::Demand images = demand_of(zoo(cnn));
    CHECK(images.batch == 8);
    CHECK(images.task == data::Task::classification);
    REQUIRE(images.slots.size() == 2);
    CHECK(images.slots[1].target);
    CHECK(images.slots[1].limit == 4);
    const data::Demand text = demand_of(zoo("gpt:layers=1,width=16,heads=2,seq=8,vocab=16"));
    CHECK(text.task == data::Task::language_model);
    CHECK(text.slots[0].limit == 16);
    CHECK(text.slots[1].limit == 16);
}

TEST_CASE("a profile: reference, sibling and recipes, readable again, learning, evaluated") {
    const Folder folder;
    const model::Graph graph = zoo(cnn);
    const auto dataset = data::make_synthetic(demand_of(graph));
    std::vector<std::string> notes;
    TrainingOptions options;
    options.steps = 40;
    options.trace_every = 10;
    options.learning_rate = 0.05;
    ProfileSettings settings;
    settings.training = resolved(options, graph, notes);
    CHECK(notes.size() == 1);
    settings.recipes = {recipe_named("fp32"), recipe_named("fp16-amp"), recipe_named("bf16-pure")};
    settings.reinitialised = [](std::uint64_t seed) { return zoo(cnn, seed); };
    const auto backend = ops::make_cpu_backend(2);
    int reports = 0;
    {
        trace::Writer writer(folder.path);
        CHECK(profile(graph, *dataset, settings, *backend, writer,
                      [&](const std::string &, std::int64_t, std::int64_t, double) { ++reports; }));
    }
    CHECK(reports == 4 * 40);
    const trace::Reader reader(folder.path);
    const auto runs = reader.runs();
    REQUIRE(runs.size() == 4);
    CHECK(runs[0].run.kind == trace::Run::Kind::reference);
    CHECK(runs[1].run.kind == trace::Run::Kind::sibling);
    CHECK(runs[1].run.seed == 1);
    CHECK(runs[2].run.recipe == "fp16-amp");
    CHECK(runs[2].run.loss_scale_rule.starts_with("torch:init=65536"));
    CHECK(!runs[3].run.master_weights);
    for (const trace::StoredRun &run : runs) {
        CAPTURE(run.run.recipe);
        CHECK(run.complete);
        REQUIRE(run.steps.size() == 40);
        CHECK(run.steps.back().loss < 0.7 * run.steps.front().loss);
        // Without masters running statistics are 16-bit too: then the loss that fp32 ones would give is there as well.
        REQUIRE(run.evaluations.size() == (run.run.master_weights ? 2 : 3));
        const auto accuracy = std::find_if(run.evaluations.begin(), run.evaluations.end(),
                                           [](const trace::Evaluation &each) { return each.metric == "accuracy"; });
        REQUIRE(accuracy != run.evaluations.end());
        CHECK(accuracy->value > 0.5); // chance is 0.25
    }
    CHECK(runs[0].steps[0].loss != runs[1].steps[0].loss); // another start, another order
    CHECK(runs[0].fidelity.empty());
    CHECK(runs[1].tensors.empty());
    // Steps 0, 1, 2, 4, 8, 16, 32 and every second one (40 / 16), for each weight, less skipped ones.
    CHECK(runs[3].fidelity.size() == 21 * graph.weights.size());
    int traced = 0;
    reader.for_each_tensor_step(runs[2].run.id, [&](const trace::TensorStep &step) {
        ++traced;
        CHECK(step.step % 10 == 0);
    });
    CHECK(traced == static_cast<int>(4 * runs[2].tensors.size()));
}

TEST_CASE("stopping keeps what was done and marks nothing complete") {
    const Folder folder;
    const model::Graph graph = zoo("mlp:in=8,hidden=8,classes=3");
    const auto dataset = data::make_synthetic(demand_of(graph));
    ProfileSettings settings;
    settings.training.steps = 50;
    settings.recipes = {recipe_named("fp16-amp")};
    std::atomic<bool> stop = false;
    settings.stop = &stop;
    const auto backend = ops::make_cpu_backend(1);
    {
        trace::Writer writer(folder.path);
        CHECK(!profile(graph, *dataset, settings, *backend, writer,
                       [&](const std::string &, std::int64_t step, std::int64_t, double) { stop = step == 5; }));
    }
    const auto runs = trace::Reader(folder.path).runs();
    REQUIRE(runs.size() == 1);
    CHECK(!runs[0].complete);
    CHECK(runs[0].steps.size() == 5);
}

TEST_CASE("mistakes are found before anything runs") {
    const Folder folder;
    const model::Graph graph = zoo(cnn);
    const auto dataset = data::make_synthetic(demand_of(graph));
    const auto backend = ops::make_cpu_backend(1);
    trace::Writer writer(folder.path);
    ProfileSettings settings;
    settings.recipes = {recipe_named("fp16-amp")};
    settings.recipes[0].layers = {{"nowhere", ops::DType::fp32}};
    CHECK_THROWS_AS(profile(graph, *dataset, settings, *backend, writer), std::invalid_argument);
    settings.recipes[0].layers.clear();
    settings.loss_scale = "dynamite";
    CHECK_THROWS_WITH_AS(profile(graph, *dataset, settings, *backend, writer),
                         doctest::Contains("did you mean 'dynamic'?"), std::invalid_argument);
    CHECK(trace::Reader(folder.path).runs().empty());

    std::vector<std::string> notes;
    TrainingOptions options;
    options.momentum = 1.5;
    CHECK_THROWS_WITH_AS((void)resolved(options, graph, notes), doctest::Contains("--momentum must be in [0, 1)"),
                         std::invalid_argument);
}
