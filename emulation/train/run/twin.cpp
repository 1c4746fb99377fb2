#include "emulation/train/run/twin.h"

#include "emulation/model/autodiff/differentiate.h"
#include "emulation/train/lowering/lower.h"
#include "emulation/train/run/trained_weights.h"

#include <cmath>
#include <limits>

namespace halfscope::train {
namespace {

model::Graph differentiated(const model::Graph &forward, const TrainingSettings &settings) {
    model::Graph graph = lower(forward, recipe_named("fp32"));
    model::differentiate(graph, trained_weights(graph, settings.freeze));
    return graph;
}

/// Sums of one comparison of a (the recipe's) with b (fp32's), in index order.
struct Comparison {
    double dot = 0, squares = 0, reference_squares = 0;
    std::int64_t reference_nonzero = 0, both_nonzero = 0;

    void add(double a, double b) {
        dot += a * b;
        squares += a * a;
        reference_squares += b * b;
        reference_nonzero += b != 0;
        both_nonzero += b != 0 && a != 0;
    }
    [[nodiscard]] double cosine() const {
        if (squares == 0 || reference_squares == 0) return std::numeric_limits<double>::quiet_NaN();
        return dot / std::sqrt(squares) / std::sqrt(reference_squares);
    }
    [[nodiscard]] double norm_ratio() const {
        if (reference_squares == 0) return std::numeric_limits<double>::quiet_NaN();
        return std::sqrt(squares) / std::sqrt(reference_squares);
    }
    /// Share of the elements that fp32 has non-zero which are non-zero here too; 1 when there is none.
    [[nodiscard]] double kept() const {
        return reference_nonzero == 0 ? 1 : static_cast<double>(both_nonzero) / static_cast<double>(reference_nonzero);
    }
};

} // namespace

Twin::Twin(const model::Graph &forward, const TrainingSettings &settings, ops::Backend &backend)
    : settings_(settings),
      graph_(differentiated(forward, settings)),
      executor_(graph_, backend,
                [&] {
                    auto wanted = graph_.weight_gradients;
                    wanted.push_back(graph_.loss);
                    return wanted;
                }()),
      optimizer_(executor_, recipe_named("fp32"), settings_) {
    executor_.set_loss_scale(1.0f / static_cast<float>(settings_.micro_batches));
}

void Twin::load(const Optimizer &recipe, std::int64_t count) {
    optimizer_.load(recipe, count);
    before_.clear();
    for (const Parameter &parameter : optimizer_.parameters())
        before_.push_back(doubles_of(executor_.backend(), parameter.value));
}

double Twin::step(std::span<const Batch> batches, double learning_rate, std::int64_t count, std::uint32_t first_key) {
    double loss = 0;
    for (std::size_t micro = 0; micro < batches.size(); ++micro) {
        for (std::size_t i = 0; i < graph_.inputs.size(); ++i) executor_.upload(graph_.inputs[i], batches[micro][i]);
        executor_.run(settings_.seed, first_key + static_cast<std::uint32_t>(micro));
        loss += executor_.scalar(graph_.loss) / static_cast<double>(batches.size());
        optimizer_.accumulate(micro, false, false);
    }
    (void)optimizer_.unscale(1);
    if (settings_.clip_norm > 0) optimizer_.multiply(clip_factor(optimizer_.norm(false), settings_.clip_norm), false);
    optimizer_.apply(learning_rate, count, first_key, false);
    return loss;
}

void Twin::measure(const Batch &batch, std::uint32_t key) {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) executor_.upload(graph_.inputs[i], batch[i]);
    executor_.clear_statistics();
    executor_.run(settings_.seed, key, Measure::all);
}

std::vector<trace::Fidelity> Twin::compare(const Optimizer &recipe, std::span<const std::vector<double>> before,
                                           std::int64_t step) const {
    std::vector<trace::Fidelity> records;
    ops::Backend &backend = executor_.backend();
    for (std::size_t i = 0; i < recipe.parameters().size(); ++i) {
        const Parameter &theirs = recipe.parameters()[i], &mine = optimizer_.parameters()[i];
        const auto after = doubles_of(backend, theirs.value), after32 = doubles_of(backend, mine.value);
        const auto gradient = doubles_of(backend, theirs.gradient), gradient32 = doubles_of(backend, mine.gradient);
        Comparison update, slope;
        for (std::size_t k = 0; k < after.size(); ++k) {
            update.add(after[k] - before[i][k], after32[k] - before_[i][k]);
            slope.add(gradient[k], gradient32[k]);
        }
        trace::Fidelity record;
        record.step = step;
        record.layer = theirs.layer;
        record.weight = theirs.name;
        record.elements = static_cast<std::int64_t>(after.size());
        record.cosine = update.cosine();
        record.norm_ratio = update.norm_ratio();
        record.moved = update.kept();
        record.reference_moved =
            static_cast<double>(update.reference_nonzero) / static_cast<double>(std::max<std::size_t>(1, after.size()));
        record.gradient_cosine = slope.cosine();
        record.gradient_norm_ratio = slope.norm_ratio();
        record.gradient_lost = 1 - slope.kept();
        record.update_dot = update.dot;
        record.update_squares = update.squares;
        record.reference_squares = update.reference_squares;
        records.push_back(std::move(record));
    }
    return records;
}

} // namespace halfscope::train
