#include "emulation/train/run/exact_statistics.h"

#include "emulation/train/run/tensor_values.h"

#include <cmath>
#include <string>

namespace halfscope::train {
namespace {

using model::ValueId;

/// Positions among a batch norm's operands and results (ops/operation.h).
constexpr std::size_t running_mean = 3, running_variance = 4, batch_mean = 1, batch_rstd = 2;

bool is_followed(const model::Graph &graph, const model::Node &node) {
    return node.operation.kind == ops::OpKind::batch_norm_training && node.phase == model::Phase::forward &&
           ops::is_16bit(graph.value(node.inputs[running_mean]).dtype);
}

std::vector<double> values_of(const Executor &executor, ValueId id) {
    return doubles_of(executor.backend(), executor.view(id));
}

} // namespace

std::vector<ValueId> ExactRunningStatistics::wanted(const model::Graph &graph, bool watched) {
    std::vector<ValueId> values;
    if (!watched) return values;
    for (const model::Node &node : graph.nodes)
        if (is_followed(graph, node)) values.insert(values.end(), {node.outputs[batch_mean], node.outputs[batch_rstd]});
    return values;
}

ExactRunningStatistics::ExactRunningStatistics(const model::Graph &graph, const Executor &executor, bool watched) {
    if (!watched) return;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const model::Node &node = graph.nodes[i];
        if (!is_followed(graph, node)) continue;
        ExactStatistics norm;
        norm.node = static_cast<model::NodeId>(i);
        norm.mean = node.inputs[running_mean];
        norm.variance = node.inputs[running_variance];
        norm.exact_mean = values_of(executor, norm.mean);
        norm.exact_variance = values_of(executor, norm.variance);
        starts_.emplace_back(norm.exact_mean, norm.exact_variance);
        norms_.push_back(std::move(norm));
    }
}

void ExactRunningStatistics::add(const Executor &executor) {
    ++batches_;
    for (ExactStatistics &norm : norms_) {
        const model::Node &node = executor.graph().node(norm.node);
        const auto &attributes = node.operation.get<ops::Normalization>();
        const std::vector<double> mean = values_of(executor, node.outputs[batch_mean]);
        const std::vector<double> rstd = values_of(executor, node.outputs[batch_rstd]);
        const auto channels = static_cast<std::int64_t>(mean.size());
        const std::int64_t samples = executor.graph().value(node.inputs[0]).shape.elements() / channels;
        const auto n = static_cast<double>(samples);
        for (std::size_t c = 0; c < mean.size(); ++c) {
            const double biased = 1 / (rstd[c] * rstd[c]) - attributes.epsilon, unbiased = biased * n / (n - 1);
            norm.exact_mean[c] += attributes.momentum * (mean[c] - norm.exact_mean[c]);
            norm.exact_variance[c] += attributes.momentum * (unbiased - norm.exact_variance[c]);
        }
    }
}

std::vector<trace::Drift> ExactRunningStatistics::drifts(const Executor &executor) const {
    std::vector<trace::Drift> drifts;
    for (std::size_t i = 0; i < norms_.size(); ++i) {
        const ExactStatistics &norm = norms_[i];
        const auto &attributes = executor.graph().node(norm.node).operation.get<ops::Normalization>();
        const std::vector<double> mean = values_of(executor, norm.mean), variance = values_of(executor, norm.variance);
        double mean_error = 0, variance_error = 0;
        for (std::size_t c = 0; c < mean.size(); ++c) {
            const double exact = norm.exact_variance[c] + attributes.epsilon, off = mean[c] - norm.exact_mean[c];
            const double ratio = (variance[c] + attributes.epsilon) / exact - 1;
            mean_error += off * off / exact;
            variance_error += ratio * ratio;
        }
        const auto add = [&](ValueId buffer, trace::Drift drift, double squares) {
            const model::Value &value = executor.graph().value(buffer);
            drift.kind = "running_statistics";
            drift.name = value.name;
            drift.layer = executor.graph().value(executor.graph().node(norm.node).outputs.front()).layer;
            drift.format = std::string(ops::name_of(value.dtype));
            drift.terms = batches_;
            drift.distance = std::sqrt(squares / static_cast<double>(mean.size()));
            drifts.push_back(std::move(drift));
        };
        const auto &[mean_start, variance_start] = starts_[i];
        add(norm.mean, drift_between(minus(mean, mean_start), minus(norm.exact_mean, mean_start)), mean_error);
        add(norm.variance, drift_between(minus(variance, variance_start), minus(norm.exact_variance, variance_start)),
            variance_error);
    }
    return drifts;
}

} // namespace halfscope::train
