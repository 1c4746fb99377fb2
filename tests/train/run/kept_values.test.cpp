// What a step keeps adding to, in formats of its own: sums of gradients, averages of weights, the step counter, running
// statistics. The oracle is scalar arithmetic in double, rounded by number::round after every operation that stores.
#include "emulation/model/zoo/module_builder.h"
#include "emulation/number/round_array.h"
#include "emulation/train/recipe/kept_formats.h"
#include "tests/train/small_models.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace halfscope;
using namespace halfscope::train;
using namespace halfscope::train::testing;
using ops::DType;

namespace {

double rounded(double value, DType format) {
    if (!ops::is_16bit(format)) return static_cast<double>(static_cast<float>(value));
    const number::FormatId id = ops::format_id(format);
    return static_cast<double>(number::widen_16bit(number::round_to_16bit(static_cast<float>(value), id), id));
}

/// Sums `gradients`, rank by rank, as the batches of one step bring them.
GradientSum summed(ops::Backend &backend, const std::vector<double> &gradients, int micro_batches, const Recipe &recipe,
                   bool exactly = true) {
    TrainingSettings settings;
    settings.micro_batches = micro_batches;
    settings.ranks = static_cast<int>(gradients.size()) / micro_batches;
    float value = 0;
    const ops::TensorView raw{&value, DType::fp32, {1}};
    std::optional<GradientSum> sum = GradientSum::wanted(backend, raw, raw, recipe, settings);
    REQUIRE(sum);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
        value = static_cast<float>(gradients[i]);
        sum->add(raw, static_cast<int>(i), exactly, false);
    }
    return std::move(*sum);
}

double value_of(ops::Backend &backend, const GradientSum &sum) { return doubles_of(backend, sum.result()).front(); }

Recipe with(DType gradients, DType all_reduce, ReduceOrder order = ReduceOrder::sum_first) {
    KeptFormats kept;
    kept.gradients = gradients;
    kept.all_reduce = all_reduce;
    kept.all_reduce_order = order;
    return kept.in(recipe_named("bf16-amp"));
}

/// y = w x, loss the mean of y: the gradient of w is the mean of x.
model::Graph linear_loss(double start) {
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {1, 2});
    const auto w =
        graph.add_weight("fc.weight", "fc", tensor({1, 2}, [&](std::size_t i) { return start + 0.3 * double(i); }));
    const auto p = linear(graph, x, w, "fc");
    graph.outputs.push_back(p);
    set_loss(graph, graph.add_node({ops::OpKind::reduce_sum, ops::Reduction{}, {}}, {p}, "loss", "sum"));
    return graph;
}

} // namespace

TEST_CASE("a rank's sum and the sum over ranks round after every addition, in the stated order") {
    const auto backend = ops::make_cpu_backend(1);
    Normal normal(3);
    for (const DType sum : {DType::fp32, DType::fp16, DType::bf16})
        for (const DType wire : {DType::fp32, DType::fp16, DType::bf16})
            for (const ReduceOrder order : {ReduceOrder::sum_first, ReduceOrder::divide_first})
                for (const auto &[ranks, micro] : {std::pair(1, 5), std::pair(3, 1), std::pair(6, 4)}) {
                    std::vector<double> gradients;
                    for (int i = 0; i < ranks * micro; ++i)
                        gradients.push_back(static_cast<double>(static_cast<float>(normal())));
                    const Recipe recipe = with(sum, wire, order);
                    const double part = static_cast<double>(static_cast<float>(1.0 / ranks));
                    double reduced = 0;
                    for (int rank = 0; rank < ranks; ++rank) {
                        double mine = 0;
                        for (int i = 0; i < micro; ++i) {
                            const double raw = gradients[static_cast<std::size_t>(rank * micro + i)];
                            mine = rounded(i == 0 ? raw : mine + raw, sum);
                        }
                        double term = ranks > 1 ? rounded(mine, wire) : mine;
                        if (ranks > 1 && order == ReduceOrder::divide_first) term = rounded(term * part, wire);
                        reduced = rank == 0 ? term : rounded(reduced + term, wire);
                    }
                    if (ranks > 1 && order == ReduceOrder::sum_first) reduced = rounded(reduced * part, wire);
                    if (ranks == 1 || micro > 1 || ops::is_16bit(sum)) {
                        CAPTURE(ranks);
                        CHECK(value_of(*backend, summed(*backend, gradients, micro, recipe)) == reduced);
                    }
                }
}

TEST_CASE("256 + 1 is 256 in bf16: the sum of 1024 ones retains a quarter, and says so") {
    const auto backend = ops::make_cpu_backend(1);
    const GradientSum ones = summed(*backend, std::vector<double>(1024, 1.0), 1024, with(DType::bf16, DType::bf16));
    CHECK(value_of(*backend, ones) == 256);
    const auto drift = ones.drift();
    REQUIRE(drift);
    CHECK(drift->retained == 0.25);
    CHECK(drift->distance == 0.75);
    CHECK(drift->terms == 1024);
    CHECK(drift->format == "bf16");
    CHECK_FALSE(summed(*backend, {1, 1}, 2, with(DType::fp32, DType::fp32)).drift());
    CHECK_FALSE(summed(*backend, {1, 1}, 2, with(DType::bf16, DType::bf16), false).drift());
    // Over ranks: 32 of 4096 pass 65504 before they are divided, and not after.
    CHECK(std::isinf(
        value_of(*backend, summed(*backend, std::vector<double>(32, 4096.0), 1, with(DType::fp32, DType::fp16)))));
    CHECK(value_of(*backend, summed(*backend, std::vector<double>(32, 4096.0), 1,
                                    with(DType::fp32, DType::fp16, ReduceOrder::divide_first))) == 4096);
}

TEST_CASE("ranks train as one rank that adds up as many micro-batches, when everything is fp32 and powers of two") {
    const auto backend = ops::make_cpu_backend(1);
    const auto trained = [&](int micro, int ranks) {
        TrainingSettings settings;
        settings.micro_batches = micro;
        settings.ranks = ranks;
        settings.optimizer.learning_rate = 0.25;
        TrainingRun run(linear_loss(1), recipe_named("fp32"), parse_loss_scale("none"), settings, *backend, nullptr);
        std::vector<Batch> batches;
        for (int i = 0; i < 8; ++i)
            batches.push_back({tensor({1, 2}, [&](std::size_t k) { return i - 2.0 * static_cast<double>(k); })});
        const StepRecord record = run.step(batches, true, false);
        CHECK(record.tensors.size() == run.tensors().size());
        return doubles_of(*backend, run.optimizer().parameters().front().value);
    };
    const auto one = trained(8, 1);
    CHECK(one == trained(1, 8));
    CHECK(one == trained(2, 4));
    CHECK(one.front() == 1 - 0.25 * 3.5); // the mean of 0..7
}

TEST_CASE("an infinite sum of finite gradients is an event that names the sum") {
    const auto backend = ops::make_cpu_backend(1);
    TrainingSettings settings;
    settings.ranks = 4;
    KeptFormats kept;
    kept.all_reduce = DType::fp16;
    TrainingRun run(linear_loss(1), kept.in(recipe_named("fp16-amp")), parse_loss_scale("static:16384"), settings,
                    *backend, nullptr);
    const std::vector<Batch> batches(4, {tensor({1, 2}, [](std::size_t) { return 3.0; })});
    const StepRecord record = run.step(batches, true, false);
    CHECK(record.step.skipped);
    REQUIRE(record.events.size() == 1);
    const trace::Event &event = record.events.front();
    CHECK(event.operation == "all_reduce");
    CHECK(event.layer == "fc");
    CHECK(run.tensors().at(static_cast<std::size_t>(event.tensor)).name == "fc.weight.grad.all_reduce");
    for (const trace::TensorStep &tensor : record.tensors)
        if (tensor.tensor == event.tensor) CHECK(tensor.statistics.overflows > 0);
}

TEST_CASE("the average of the weights is torch.lerp in its format, and its drift is measured from the start") {
    const auto backend = ops::make_cpu_backend(1);
    for (const DType format : {DType::fp32, DType::bf16, DType::fp16}) {
        TrainingSettings settings;
        settings.ema_decay = 0.99;
        settings.optimizer.learning_rate = 0.125;
        settings.steps = 50;
        KeptFormats kept;
        kept.average = format;
        const model::Graph graph = linear_loss(1);
        Twin twin(graph, settings, *backend);
        TrainingRun run(graph, kept.in(recipe_named("bf16-amp")), parse_loss_scale("none"), settings, *backend, &twin);
        const std::vector<double> start = doubles_of(*backend, run.optimizer().parameters().front().value);
        std::vector<double> average{rounded(start[0], format), rounded(start[1], format)}, exact = start;
        const Batch batch{tensor({1, 2}, [](std::size_t i) { return i ? -1.0 : 0.5; })};
        StepRecord last;
        for (int i = 0; i < 50; ++i) {
            last = run.step({&batch, 1}, false, false);
            const std::vector<double> weights = doubles_of(*backend, run.optimizer().parameters().front().value);
            const auto share = static_cast<double>(static_cast<float>(1 - 0.99));
            for (std::size_t k = 0; k < 2; ++k) {
                // fma in fp32: the product and sum of fp32 numbers are exact enough in double to round once.
                const auto difference = static_cast<double>(static_cast<float>(average[k] - weights[k]));
                average[k] = rounded(average[k] - share * difference, format);
                const auto beside = static_cast<double>(static_cast<float>(exact[k] - weights[k]));
                exact[k] = static_cast<double>(static_cast<float>(exact[k] - share * beside));
            }
        }
        REQUIRE(run.average());
        CHECK(doubles_of(*backend, run.average()->weights().front().kept.view) == average);
        CHECK(run.average()->watched() == ops::is_16bit(format));
        REQUIRE(last.drifts.size() == (ops::is_16bit(format) ? 1 : 0));
        if (last.drifts.empty()) continue;
        const trace::Drift &drift = last.drifts.front();
        CHECK(drift.kind == "average");
        CHECK(drift.layer == "fc");
        CHECK(drift.terms == 50);
        double dot = 0, squares = 0;
        for (std::size_t k = 0; k < 2; ++k) {
            dot += (average[k] - rounded(start[k], format)) * (exact[k] - start[k]);
            squares += (exact[k] - start[k]) * (exact[k] - start[k]);
        }
        CHECK(drift.retained == doctest::Approx(dot / squares).epsilon(1e-12));
    }
}

TEST_CASE("a counter in 16 bits stops where adding 1 and rounding stops") {
    for (const DType format : {DType::fp16, DType::bf16}) {
        double count = 0;
        for (std::int64_t steps = 1; steps <= 5000; ++steps) {
            count = rounded(count + 1, format);
            REQUIRE(static_cast<double>(counted(steps, format)) == count);
        }
    }
    CHECK(counted(5000, DType::fp32) == 5000);
    CHECK(counted((std::int64_t{1} << 24) + 5, DType::fp32) == std::int64_t{1} << 24);
}

TEST_CASE("Adam's steps stay as short as the bias correction that stopped with its counter") {
    const auto backend = ops::make_cpu_backend(1);
    const auto last_step = [&](DType format) {
        TrainingSettings settings;
        settings.optimizer.kind = OptimizerKind::adam;
        settings.optimizer.learning_rate = 1.0 / 1024;
        KeptFormats kept;
        kept.step_counter = format;
        TrainingRun run(linear_loss(1), kept.in(recipe_named("bf16-amp")), parse_loss_scale("none"), settings, *backend,
                        nullptr);
        const Batch batch{tensor({1, 2}, [](std::size_t) { return 1.0; })};
        double before = 0, after = 0;
        for (int i = 0; i < 1000; ++i) {
            before = after;
            (void)run.step({&batch, 1}, false, false);
            after = doubles_of(*backend, run.optimizer().parameters().front().value).front();
        }
        return before - after;
    };
    // m = 1 and v = 1 - 0.999^1000 for a constant gradient of 1: exactly counted, every step is the learning rate.
    const double ratio = last_step(DType::bf16) / last_step(DType::fp32);
    const double expected = std::sqrt((1 - std::pow(0.999, 256)) / (1 - std::pow(0.999, 1000)));
    CHECK(ratio == doctest::Approx(expected).epsilon(1e-3)); // weights near 0.1 move on a grid of 2^-28
}

TEST_CASE("running statistics in 16 bits: the shadow is what an fp32 run of the same batches keeps") {
    const auto backend = ops::make_cpu_backend(1);
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {8, 3});
    model::zoo::ModuleBuilder builder(graph, 0);
    const auto y = builder.batch_norm(x, "norm");
    graph.outputs.push_back(y);
    set_loss(graph, graph.add_node({ops::OpKind::reduce_sum, ops::Reduction{}, {}}, {y}, "loss", "sum"));
    TrainingSettings settings;
    settings.optimizer.learning_rate = 0; // the statistics depend on the input alone
    settings.steps = 60;
    KeptFormats narrow;
    narrow.running_statistics = DType::bf16;
    Twin twin(graph, settings, *backend);
    TrainingRun wide(graph, recipe_named("fp32"), parse_loss_scale("none"), settings, *backend, nullptr);
    TrainingRun run(graph, narrow.in(recipe_named("bf16-amp")), parse_loss_scale("none"), settings, *backend, &twin);
    Normal normal(9);
    StepRecord last;
    for (int i = 0; i < 60; ++i) {
        const Batch batch{tensor({8, 3}, [&](std::size_t k) { return 50.0 * static_cast<double>(k % 3) + normal(); })};
        (void)wide.step({&batch, 1}, false, false);
        last = run.step({&batch, 1}, false, false);
    }
    REQUIRE(run.exact_statistics().norms().size() == 1);
    const ExactStatistics &exact = run.exact_statistics().norms().front();
    const auto mean = doubles_of(*backend, wide.executor().view(wide.graph().buffers.at(0)));
    const auto variance = doubles_of(*backend, wide.executor().view(wide.graph().buffers.at(1)));
    for (std::size_t c = 0; c < 3; ++c) {
        // fp32 adds 60 rounding errors of 2^-24; the variance is got back from 1/sqrt of it plus epsilon.
        CHECK(exact.exact_mean[c] == doctest::Approx(mean[c]).epsilon(60 * 0x1p-24));
        CHECK(exact.exact_variance[c] == doctest::Approx(variance[c]).epsilon(60 * 0x1p-22));
    }
    REQUIRE(last.drifts.size() == 2);
    CHECK(last.drifts[0].kind == "running_statistics");
    CHECK(last.drifts[0].layer == "norm");
    CHECK(last.drifts[0].terms == 60);
    double squares = 0;
    const auto kept = doubles_of(*backend, run.executor().view(exact.mean));
    for (std::size_t c = 0; c < 3; ++c)
        squares += std::pow(kept[c] - exact.exact_mean[c], 2) / (exact.exact_variance[c] + 1e-5);
    CHECK(last.drifts[0].distance == doctest::Approx(std::sqrt(squares / 3)).epsilon(1e-9));
    CHECK(last.drifts[0].distance > 0.5); // 100 stops short of 98.5: a deviation and a half in one channel of three
    for (const model::ValueId id : run.graph().buffers) CHECK(run.graph().value(id).dtype == DType::bf16);
}
