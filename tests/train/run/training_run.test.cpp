// What a step of a 16-bit recipe does around the graph: masters, skips, clipping, accumulation; and that watching a run
// does not change it.
#include "emulation/model/zoo/zoo.h"
#include "emulation/number/round_array.h"
#include "tests/train/small_models.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>

using namespace halfscope;
using namespace halfscope::train;
using namespace halfscope::train::testing;
using ops::DType;
using ops::OpKind;

namespace {

struct Setup {
    model::Graph graph;
    std::vector<Batch> batches;
};

Setup zoo(const char *spec, int steps) {
    Setup setup{model::build_zoo_model(spec, 4), {}};
    model::attach_loss(setup.graph, model::default_loss(setup.graph).loss);
    Normal normal(5);
    for (int step = 0; step < steps; ++step) {
        Batch batch;
        for (model::ValueId id : setup.graph.inputs) {
            const model::Value &value = setup.graph.value(id);
            if (value.dtype == DType::int64) {
                ops::HostTensor integers(DType::int64, value.shape);
                for (auto &each : integers.as<std::int64_t>()) each = static_cast<std::int64_t>(normal.uniform() * 10);
                batch.push_back(std::move(integers));
            } else {
                batch.push_back(tensor(value.shape, [&](std::size_t) { return normal(); }));
            }
        }
        setup.batches.push_back(std::move(batch));
    }
    return setup;
}

/// Bits of every weight, state and running statistic after some steps.
std::vector<std::byte> bits_after(const Setup &setup, const Recipe &chosen, int threads, bool watched,
                                  TrainingSettings settings) {
    const auto backend = ops::make_cpu_backend(threads);
    std::unique_ptr<Twin> twin;
    if (watched) twin = std::make_unique<Twin>(setup.graph, settings, *backend);
    TrainingRun run(setup.graph, chosen, parse_loss_scale(chosen.loss_scale), settings, *backend, twin.get());
    for (const Batch &batch : setup.batches) {
        const StepRecord record = run.step({&batch, 1}, watched, watched);
        CHECK(record.fidelity.empty() == (!watched || !std::isfinite(record.step.gradient_norm)));
        CHECK(record.tensors.empty() == !watched);
    }
    std::vector<std::byte> bits;
    const auto append = [&](const ops::TensorView &view) {
        if (!view.data) return;
        const std::size_t at = bits.size();
        bits.resize(at + view.bytes());
        backend->download(bits.data() + at, view.data, view.bytes());
    };
    for (const Parameter &parameter : run.optimizer().parameters()) {
        append(parameter.stored), append(parameter.value), append(parameter.first.view), append(parameter.second.view);
        append(parameter.compensation.view);
    }
    for (model::ValueId id : run.graph().buffers) append(run.executor().view(id));
    return bits;
}
std::vector<std::byte> bits_after(const Setup &setup, const char *recipe, int threads, bool watched,
                                  const TrainingSettings &settings) {
    return bits_after(setup, recipe_named(recipe), threads, watched, settings);
}

} // namespace

TEST_CASE("the same bits with one thread and two, watched and unwatched") {
    TrainingSettings adam;
    adam.optimizer.kind = OptimizerKind::adamw;
    adam.optimizer.learning_rate = 1e-3;
    adam.seed = 11;
    TrainingSettings sgd;
    sgd.optimizer.learning_rate = 0.05;
    sgd.optimizer.momentum = 0.9;
    sgd.clip_norm = 1;
    const Setup cnn = zoo("cnn:size=12,width=8", 5), gpt = zoo("gpt:layers=2,width=32,heads=2,seq=16,vocab=16", 4);
    for (const char *recipe : {"fp32", "fp16-amp", "bf16-o2", "fp16-pure", "bf16-pure-sr", "bf16-pure-kahan"}) {
        CAPTURE(recipe);
        const auto plain = bits_after(cnn, recipe, 1, false, sgd);
        CHECK(plain == bits_after(cnn, recipe, 2, false, sgd));
        CHECK(plain == bits_after(cnn, recipe, 1, true, sgd));
        const auto decoder = bits_after(gpt, recipe, 1, false, adam);
        CHECK(decoder == bits_after(gpt, recipe, 2, true, adam));
    }
}

TEST_CASE("every 16-bit recipe trains with a matrix unit's accumulation: other bits than a chain's") {
    TrainingSettings settings;
    settings.optimizer.learning_rate = 0.05;
    const Setup cnn = zoo("cnn:size=12,width=8", 3), gpt = zoo("gpt:layers=1,width=32,heads=2,seq=16,vocab=16", 3);
    for (Recipe recipe : built_in_recipes()) {
        if (recipe.policy == Policy::full) continue;
        CAPTURE(recipe.name);
        for (const Setup *setup : {&cnn, &gpt}) {
            recipe.accumulation = ops::Accumulation::fma_chain;
            const auto chain = bits_after(*setup, recipe, 1, false, settings);
            recipe.accumulation = ops::Accumulation::hopper;
            const auto hopper = bits_after(*setup, recipe, 1, false, settings);
            CHECK(hopper == bits_after(*setup, recipe, 2, false, settings));
            if (recipe.name == "fp16-amp") CHECK(hopper != chain);
        }
    }
}

TEST_CASE("o2: stored weights are the rounded masters, norm weights are their own") {
    const Setup cnn = zoo("cnn:size=12,width=8", 3);
    const auto backend = ops::make_cpu_backend(1);
    TrainingSettings settings;
    TrainingRun run(cnn.graph, recipe_named("fp16-o2"), parse_loss_scale("static:128"), settings, *backend, nullptr);
    for (const Batch &batch : cnn.batches) (void)run.step({&batch, 1}, false, false);
    int masters = 0;
    for (const Parameter &parameter : run.optimizer().parameters()) {
        CAPTURE(parameter.name);
        CHECK(parameter.has_master() == (parameter.name.find("bn") == std::string::npos));
        if (!parameter.has_master()) continue;
        ++masters;
        const auto *master = parameter.value.as<float>();
        const auto *stored = parameter.stored.as<std::uint16_t>();
        for (std::int64_t i = 0; i < parameter.value.shape.elements(); ++i)
            REQUIRE(stored[i] == number::round_to_16bit(master[i], number::FormatId::fp16));
    }
    CHECK(masters == 4); // two convolutions, the linear layer's weight and bias
}

TEST_CASE("bf16 accumulation of micro-batches stops where fp32 goes on (G13)") {
    // Every micro-batch has the gradient 0.1 / k * k = 0.1 of a linear loss; 1000 of them make 100, in bf16 32.
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {1, 1});
    const auto w = graph.add_weight("w", "w", tensor({1, 1}, [](std::size_t) { return 0.0; }));
    const auto p = linear(graph, x, w, "p");
    graph.outputs.push_back(p);
    set_loss(graph, graph.add_node({OpKind::reduce_sum, ops::Reduction{}, {}}, {p}, "loss", "sum"));
    TrainingSettings settings;
    settings.optimizer.learning_rate = 1;
    settings.micro_batches = 1024;
    const std::vector<Batch> batches(1024, Batch{tensor({1, 1}, [](std::size_t) { return 0.1; })});
    const auto backend = ops::make_cpu_backend(1);
    const auto summed = [&](DType gradients) {
        Recipe recipe = recipe_named("bf16-o2");
        recipe.gradients = gradients;
        TrainingRun run(graph, recipe, parse_loss_scale("static:1024"), settings, *backend, nullptr);
        (void)run.step(batches, false, false);
        return -doubles_of(*backend, run.optimizer().parameters().front().value).front() * 1024;
    };
    CHECK(summed(DType::bf16) == 32);
    CHECK(summed(DType::fp32) == doctest::Approx(1024 * 0.10009765625)); // 0.1 in bf16
}

TEST_CASE("clipping after unscaling limits the step; before it, the limit applies to scaled gradients") {
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {1, 1});
    const auto w = graph.add_weight("w", "w", tensor({1, 1}, [](std::size_t) { return 0.0; }));
    const auto p = linear(graph, x, w, "p");
    graph.outputs.push_back(p);
    set_loss(graph, graph.add_node({OpKind::reduce_sum, ops::Reduction{}, {}}, {p}, "loss", "sum"));
    const Batch batch{tensor({1, 1}, [](std::size_t) { return 2.0; })};
    const auto backend = ops::make_cpu_backend(1);
    const auto moved = [&](bool before_unscaling) {
        TrainingSettings settings;
        settings.optimizer.learning_rate = 1;
        settings.clip_norm = 1;
        settings.clip_scaled = before_unscaling;
        TrainingRun run(graph, recipe_named("fp16-amp"), parse_loss_scale("static:1024"), settings, *backend, nullptr);
        (void)run.step({&batch, 1}, false, false);
        return -doubles_of(*backend, run.optimizer().parameters().front().value).front();
    };
    CHECK(moved(false) == doctest::Approx(1.0));
    CHECK(moved(true) == doctest::Approx(1.0 / 1024));
}

TEST_CASE("the norm of fp16 gradients overflows in silence (G10): clipping then zeroes the step") {
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {1, 4});
    const auto w = graph.add_weight("w", "w", tensor({1, 4}, [](std::size_t) { return 0.0; }));
    const auto p = linear(graph, x, w, "p");
    graph.outputs.push_back(p);
    set_loss(graph, graph.add_node({OpKind::reduce_sum, ops::Reduction{}, {}}, {p}, "loss", "sum"));
    const Batch batch{tensor({1, 4}, [](std::size_t) { return 40000.0; })}; // norm 80000
    TrainingSettings settings;
    settings.clip_norm = 1;
    const auto backend = ops::make_cpu_backend(1);
    TrainingRun run(graph, recipe_named("fp16-pure"), parse_loss_scale("none"), settings, *backend, nullptr);
    const StepRecord record = run.step({&batch, 1}, false, false);
    CHECK(std::isinf(record.step.gradient_norm));
    for (double value : doubles_of(*backend, run.optimizer().parameters().front().value)) CHECK(value == 0);
}

TEST_CASE("U08: eps is nothing in fp16, so a zero gradient makes NaN; with fp32 masters it does not") {
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {1, 3});
    const auto w =
        graph.add_weight("w", "w", tensor({1, 3}, [](std::size_t i) { return 1.0 - static_cast<double>(i); }));
    const auto p = linear(graph, x, w, "p");
    graph.outputs.push_back(p);
    set_loss(graph, graph.add_node({OpKind::reduce_sum, ops::Reduction{}, {}}, {p}, "loss", "sum"));
    const Batch batch{tensor({1, 3}, [](std::size_t) { return 0.0; })};
    TrainingSettings settings;
    settings.optimizer.kind = OptimizerKind::adam;
    settings.optimizer.learning_rate = 1e-3;
    const auto backend = ops::make_cpu_backend(1);
    for (const char *recipe : {"fp16-pure", "fp16-o2", "bf16-pure"}) {
        const bool broken = std::string_view(recipe) == "fp16-pure";
        CAPTURE(recipe);
        TrainingRun run(graph, recipe_named(recipe), parse_loss_scale("none"), settings, *backend, nullptr);
        (void)run.step({&batch, 1}, false, false);
        for (double value : doubles_of(*backend, run.optimizer().parameters().front().value))
            CHECK(std::isnan(value) == broken);
    }
}

TEST_CASE("frozen weights stay, and a pattern that matches nothing is answered with the nearest name") {
    const Setup mlp = zoo("mlp:in=8,hidden=8", 2);
    TrainingSettings settings;
    settings.freeze = {"weight"};
    const auto backend = ops::make_cpu_backend(1);
    TrainingRun run(mlp.graph, recipe_named("fp16-amp"), parse_loss_scale("none"), settings, *backend, nullptr);
    for (const Parameter &parameter : run.optimizer().parameters())
        CHECK(parameter.name.find("bias") != std::string::npos);
    std::vector<std::vector<std::byte>> before;
    for (model::ValueId id : run.graph().weights) before.push_back(run.executor().download(id).bytes);
    for (const Batch &batch : mlp.batches) (void)run.step({&batch, 1}, false, false);
    for (std::size_t i = 0; i < before.size(); ++i) {
        const model::ValueId id = run.graph().weights[i];
        const bool frozen = run.graph().value(id).name.find("weight") != std::string::npos;
        CHECK((run.executor().download(id).bytes == before[i]) == frozen);
    }
    settings.freeze = {"wieght"};
    CHECK_THROWS_AS(TrainingRun(mlp.graph, recipe_named("fp32"), {}, settings, *backend, nullptr),
                    std::invalid_argument);
}

TEST_CASE("traced statistics describe the tensors they name") {
    const Setup cnn = zoo("cnn:size=12,width=8", 2);
    TrainingSettings settings;
    settings.optimizer.momentum = 0.9;
    const auto backend = ops::make_cpu_backend(2);
    TrainingRun run(cnn.graph, recipe_named("fp16-amp"), parse_loss_scale("static:1024"), settings, *backend, nullptr);
    const StepRecord record = run.step({&cnn.batches[0], 1}, true, false);
    REQUIRE(record.tensors.size() == run.tensors().size());
    std::map<std::string, int> roles;
    for (const trace::TensorStep &step : record.tensors) {
        const trace::TensorInfo &info = run.tensors()[static_cast<std::size_t>(step.tensor)];
        CAPTURE(info.name);
        CHECK(info.id == step.tensor);
        std::int64_t elements = 1;
        for (std::int64_t size : info.shape) elements *= size;
        CHECK(step.statistics.count == static_cast<std::uint64_t>(elements));
        ++roles[info.role];
    }
    for (const char *role :
         {"activation", "weight", "gradient", "weight_gradient", "loss", "optimizer_state", "update"})
        CHECK_MESSAGE(roles[role] > 0, role);
    CHECK(roles["update"] == static_cast<int>(run.optimizer().parameters().size()));
}

TEST_CASE("fidelity of fp32 itself is perfect") {
    const Setup cnn = zoo("cnn:size=12,width=8", 3);
    TrainingSettings settings;
    settings.optimizer.kind = OptimizerKind::adam;
    settings.optimizer.learning_rate = 1e-3;
    const auto backend = ops::make_cpu_backend(1);
    Twin twin(cnn.graph, settings, *backend);
    TrainingRun run(cnn.graph, recipe_named("fp32"), {}, settings, *backend, &twin);
    for (std::size_t step = 0; step < cnn.batches.size(); ++step) {
        // First sampled after a step it has not seen, so that it must take over weights, state and statistics.
        const StepRecord record = run.step({&cnn.batches[step], 1}, false, step > 0);
        if (step == 0) continue;
        CHECK(record.step.loss == record.step.loss_in_fp32);
        REQUIRE(!record.fidelity.empty());
        for (const trace::Fidelity &each : record.fidelity) {
            CHECK(each.cosine == doctest::Approx(1));
            CHECK(each.norm_ratio == 1);
            CHECK(each.moved == 1);
            CHECK(each.gradient_lost == 0);
        }
    }
}
