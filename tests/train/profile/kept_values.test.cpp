// Averages and running statistics from the options to the trace: what is refused, what is evaluated.
#include "emulation/data/synthetic.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/evaluation.h"
#include "emulation/train/profile/training_options.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace halfscope;
using namespace halfscope::train;

namespace {

model::Graph cnn() {
    model::Graph graph = model::build_zoo_model("cnn:size=8,width=8,classes=4", 8, 0);
    model::attach_loss(graph, model::default_loss(graph).loss);
    return graph;
}

/// The same samples with nothing held out.
class WithoutHeldOut : public data::Dataset {
  public:
    explicit WithoutHeldOut(const data::Dataset &whole) : whole_(whole) {}
    [[nodiscard]] std::int64_t size(data::Split split) const override {
        return split == data::Split::training ? whole_.size(split) : 0;
    }
    [[nodiscard]] std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples,
                                                     data::Split split) const override {
        return whole_.batch(samples, split);
    }
    [[nodiscard]] std::string description() const override { return "nothing held out"; }

  private:
    const data::Dataset &whole_;
};

double value_of(const std::vector<trace::Evaluation> &evaluations, const std::string &metric) {
    for (const trace::Evaluation &evaluation : evaluations)
        if (evaluation.metric == metric) return evaluation.value;
    return std::nan("");
}

} // namespace

TEST_CASE("a format for something that is not kept is refused with the option that keeps it") {
    const model::Graph graph = cnn();
    std::vector<std::string> notes;
    const auto refused = [&](const auto &set, const char *part) {
        TrainingOptions options;
        options.optimizer = OptimizerKind::sgd;
        set(options);
        CHECK_THROWS_WITH_AS((void)resolved(options, graph, notes), doctest::Contains(part), std::invalid_argument);
    };
    refused([](auto &o) { o.kept.average = ops::DType::bf16; }, "--ema-decay asks for one");
    refused([](auto &o) { o.kept.all_reduce = ops::DType::bf16; }, "--ranks asks for more than one");
    refused([](auto &o) { o.kept.step_counter = ops::DType::bf16; }, "sgd counts no steps");
    refused([](auto &o) { o.ema_decay = 1; }, "in [0, 1)");
    refused([](auto &o) { o.ranks = 0; }, "from 1 to 4096");
}

TEST_CASE("the finished model is read with its average and its statistics, and as fp32 would have kept them") {
    const model::Graph graph = cnn();
    const auto dataset = data::make_synthetic(demand_of(graph));
    const auto backend = ops::make_cpu_backend(1);
    TrainingSettings settings;
    settings.steps = 12;
    settings.ema_decay = 0.9;
    settings.optimizer.learning_rate = 0.05;
    KeptFormats narrow, wide;
    narrow.average = narrow.running_statistics = ops::DType::bf16;
    const auto evaluated = [&](const KeptFormats &kept, const data::Dataset &data) {
        Twin twin(graph, settings, *backend);
        TrainingRun run(graph, kept.in(recipe_named("bf16-amp")), parse_loss_scale("none"), settings, *backend, &twin);
        data::SampleOrder order(data::Order::shuffled, 0, data.size(data::Split::training));
        for (std::int64_t step = 0; step < settings.steps; ++step) {
            const Batch batch = data.batch(order.take(step * 8, 8), data::Split::training);
            (void)run.step({&batch, 1}, false, false);
        }
        return evaluate(run, data, settings.steps);
    };
    const auto kept = evaluated(narrow, *dataset), exact = evaluated(wide, *dataset);
    CHECK(kept.size() == 6); // loss and accuracy of both models, two exact losses
    CHECK(exact.size() == 4);
    // Training is the same bit for bit: statistics and average are not read by it. What fp32 would have kept is what
    // the other run kept; the shadow of the statistics is made in double and from 1/sqrt(variance).
    CHECK(value_of(kept, "exact_loss") == doctest::Approx(value_of(exact, "loss")).epsilon(1e-4));
    CHECK(value_of(kept, "exact_averaged_loss") == doctest::Approx(value_of(exact, "averaged_loss")).epsilon(1e-4));
    CHECK(value_of(kept, "loss") != value_of(exact, "loss"));
    CHECK(value_of(kept, "averaged_loss") != value_of(exact, "averaged_loss"));

    const auto training = evaluated(narrow, WithoutHeldOut(*dataset));
    CHECK(training.size() == 6);
    CHECK(std::all_of(training.begin(), training.end(),
                      [](const auto &evaluation) { return evaluation.metric.starts_with("training_"); }));
    CHECK(std::isfinite(value_of(training, "training_exact_averaged_loss")));
}
