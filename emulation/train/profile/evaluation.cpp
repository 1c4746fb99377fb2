#include "emulation/train/profile/evaluation.h"

#include "emulation/number/round_array.h"
#include "emulation/train/lowering/lower.h"

#include <algorithm>
#include <numeric>

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

} // namespace

std::vector<trace::Evaluation> evaluate(TrainingRun &run, const data::Dataset &dataset, std::int64_t step,
                                        const std::atomic<bool> *stop) {
    const model::Graph graph = inference_form(run.lowered());
    const std::int64_t batch = std::max<std::int64_t>(
        1, graph.value(graph.inputs.front()).shape.rank() > 0 ? graph.value(graph.inputs.front()).shape[0] : 1);
    const std::int64_t available = std::min(dataset.size(data::Split::held_out), most_evaluated_samples);
    const std::int64_t batches = available / batch;
    if (batches == 0) return {};

    const Classification classes = classification_of(graph);
    std::vector<ValueId> wanted{graph.loss};
    if (classes.scores != model::none) wanted.insert(wanted.end(), {classes.scores, classes.targets});
    Executor &trained = run.executor();
    ops::Backend &backend = trained.backend();
    Executor executor(graph, backend, wanted);
    ops::Operation copy;
    copy.kind = ops::OpKind::cast;
    for (const auto *ids : {&graph.weights, &graph.buffers})
        for (ValueId id : *ids) {
            const ops::TensorView from = trained.view(id), to = executor.view(id);
            backend.run(copy, {&from, 1}, {&to, 1});
        }

    double loss = 0;
    std::int64_t right = 0, counted = 0;
    for (std::int64_t i = 0; i < batches; ++i) {
        if (stop && *stop) return {};
        std::vector<std::int64_t> samples(static_cast<std::size_t>(batch));
        std::iota(samples.begin(), samples.end(), i * batch);
        const auto tensors = dataset.batch(samples, data::Split::held_out);
        for (std::size_t k = 0; k < graph.inputs.size(); ++k) executor.upload(graph.inputs[k], tensors[k]);
        executor.run(0, 0);
        loss += executor.scalar(graph.loss) / static_cast<double>(batches);
        if (classes.scores == model::none) continue;
        const ops::HostTensor targets = executor.download(classes.targets);
        const auto [r, c] = count_right(doubles_of(backend, executor.view(classes.scores)),
                                        graph.value(classes.scores).shape, targets.as<std::int64_t>());
        right += r, counted += c;
    }
    std::vector<trace::Evaluation> evaluations{{step, "loss", loss}};
    if (counted > 0)
        evaluations.push_back({step, "accuracy", static_cast<double>(right) / static_cast<double>(counted)});
    return evaluations;
}

} // namespace halfscope::train
