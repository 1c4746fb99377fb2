#include "emulation/train/profile/evaluation.h"

#include "emulation/train/lowering/lower.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

namespace halfscope::train {
namespace {

using model::ValueId;

struct Classification {
    ValueId scores = model::none, targets = model::none;
};

Classification classification_of(const model::Graph &graph) {
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node)
        if (node->operation.kind == ops::OpKind::nll_loss) return {node->inputs[0], node->inputs[1]};
    return {};
}

/// Targets [n, rest], scores [n, classes, rest].
std::pair<std::int64_t, std::int64_t> count_right(const std::vector<double> &scores, const ops::Shape &shape,
                                                  std::span<const std::int64_t> targets) {
    const std::int64_t classes = shape[1], rest = shape.elements() / std::max<std::int64_t>(1, shape[0] * classes);
    std::int64_t right = 0, counted = 0;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (targets[i] < 0 || targets[i] >= classes) continue; // ignored
        ++counted;
        const auto index = static_cast<std::int64_t>(i);
        const std::int64_t first = index / rest * classes * rest + index % rest;
        std::int64_t best = 0;
        for (std::int64_t c = 1; c < classes; ++c)
            if (scores[static_cast<std::size_t>(first + c * rest)] >
                scores[static_cast<std::size_t>(first + best * rest)])
                best = c;
        right += best == targets[i];
    }
    return {right, counted};
}

/// The graph in which batch norms read running statistics in fp32.
model::Graph with_wide_statistics(model::Graph graph, const ExactRunningStatistics &statistics) {
    for (const ExactStatistics &norm : statistics.norms())
        for (const ValueId id : {norm.mean, norm.variance}) {
            model::Value &value = graph.value(id);
            value.dtype = ops::DType::fp32;
            if (value.data) value.data = converted(*value.data, value.dtype);
        }
    return graph;
}

/// One reading of a trained model on a part of the data.
class Reading {
  public:
    Reading(const model::Graph &graph, TrainingRun &run)
        : graph_(graph),
          classes_(classification_of(graph)),
          backend_(run.executor().backend()),
          executor_(graph, backend_, wanted()) {
        for (const auto *ids : {&graph.weights, &graph.buffers})
            for (ValueId id : *ids) put(run.executor().view(id), id);
    }

    void put(const ops::TensorView &from, ValueId id) {
        ops::Operation copy;
        copy.kind = ops::OpKind::cast;
        const ops::TensorView to = executor_.view(id);
        backend_.run(copy, {&from, 1}, {&to, 1});
    }
    void put(const std::vector<double> &values, ValueId id) {
        ops::HostTensor tensor(ops::DType::fp32, graph_.value(id).shape);
        std::transform(values.begin(), values.end(), tensor.as<float>().begin(),
                       [](double value) { return static_cast<float>(value); });
        executor_.upload(id, tensor);
    }

    /// The first `batches` batches of the split; false when it was stopped.
    bool read(const data::Dataset &dataset, data::Split split, std::int64_t batch, std::int64_t batches,
              const std::atomic<bool> *stop) {
        for (std::int64_t i = 0; i < batches; ++i) {
            if (stop && *stop) return false;
            std::vector<std::int64_t> samples(static_cast<std::size_t>(batch));
            std::iota(samples.begin(), samples.end(), i * batch);
            const auto tensors = dataset.batch(samples, split);
            for (std::size_t k = 0; k < graph_.inputs.size(); ++k) executor_.upload(graph_.inputs[k], tensors[k]);
            executor_.run(0, 0);
            loss_ += executor_.scalar(graph_.loss) / static_cast<double>(batches);
            if (classes_.scores == model::none) continue;
            const ops::HostTensor targets = executor_.download(classes_.targets);
            const auto [r, c] = count_right(doubles_of(backend_, executor_.view(classes_.scores)),
                                            graph_.value(classes_.scores).shape, targets.as<std::int64_t>());
            right_ += r, counted_ += c;
        }
        return true;
    }

    [[nodiscard]] double loss() const { return loss_; }
    [[nodiscard]] std::optional<double> accuracy() const {
        if (counted_ == 0) return std::nullopt;
        return static_cast<double>(right_) / static_cast<double>(counted_);
    }

  private:
    [[nodiscard]] std::vector<ValueId> wanted() const {
        std::vector<ValueId> values{graph_.loss};
        if (classes_.scores != model::none) values.insert(values.end(), {classes_.scores, classes_.targets});
        return values;
    }

    const model::Graph &graph_;
    Classification classes_;
    ops::Backend &backend_;
    Executor executor_;
    double loss_ = 0;
    std::int64_t right_ = 0, counted_ = 0;
};

/// Which of the model's weights and statistics a reading takes.
struct Variant {
    const char *prefix; ///< of the metric's name
    bool averaged = false, exact = false;
};

std::vector<Variant> variants_of(const TrainingRun &run) {
    std::vector<Variant> variants{{""}};
    const bool exact_statistics = !run.exact_statistics().norms().empty();
    if (exact_statistics) variants.push_back({"exact_", false, true});
    if (!run.average()) return variants;
    variants.push_back({"averaged_", true});
    if (exact_statistics || run.average()->watched()) variants.push_back({"exact_averaged_", true, true});
    return variants;
}

} // namespace

std::vector<trace::Evaluation> evaluate(TrainingRun &run, const data::Dataset &dataset, std::int64_t step,
                                        const std::atomic<bool> *stop) {
    const model::Graph graph = inference_form(run.lowered());
    const std::int64_t batch = std::max<std::int64_t>(
        1, graph.value(graph.inputs.front()).shape.rank() > 0 ? graph.value(graph.inputs.front()).shape[0] : 1);
    const auto batches_in = [&](data::Split split) {
        return std::min(dataset.size(split), most_evaluated_samples) / batch;
    };
    data::Split split = data::Split::held_out;
    if (batches_in(split) == 0) {
        // Running statistics and averages are read here or nowhere.
        const bool updates = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const model::Node &node) {
            return node.operation.kind == ops::OpKind::batch_norm_inference;
        });
        if (!updates && !run.average()) return {};
        split = data::Split::training;
    }
    const model::Graph wide = with_wide_statistics(graph, run.exact_statistics());

    std::vector<trace::Evaluation> evaluations;
    for (const Variant &variant : variants_of(run)) {
        Reading reading(variant.exact ? wide : graph, run);
        if (variant.averaged)
            for (const AveragedWeight &average : run.average()->weights())
                reading.put(variant.exact && run.average()->watched() ? average.exact.view : average.kept.view,
                            average.weight);
        if (variant.exact)
            for (const ExactStatistics &norm : run.exact_statistics().norms()) {
                reading.put(norm.exact_mean, norm.mean);
                reading.put(norm.exact_variance, norm.variance);
            }
        if (!reading.read(dataset, split, batch, batches_in(split), stop)) return {};
        const std::string prefix = (split == data::Split::training ? "training_" : "") + std::string(variant.prefix);
        evaluations.push_back({step, prefix + "loss", reading.loss()});
        if (const auto accuracy = reading.accuracy(); accuracy && !variant.exact)
            evaluations.push_back({step, prefix + "accuracy", *accuracy});
    }
    return evaluations;
}

} // namespace halfscope::train
