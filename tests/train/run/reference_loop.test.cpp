// The training step in fp32 against the same training written out as a plain loop in double.
#include "tests/train/small_models.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace halfscope;
using namespace halfscope::train;
using namespace halfscope::train::testing;
using ops::DType;
using ops::OpKind;

namespace {

constexpr std::size_t inputs = 5, hidden = 7, classes = 3, batch = 6;

struct Weights {
    std::vector<double> w1, b1, w2, b2;
    std::vector<std::vector<double> *> all() { return {&w1, &b1, &w2, &b2}; }
};

Weights initial() {
    Normal normal(3);
    Weights w;
    const auto fill = [&](std::vector<double> &values, std::size_t count, double deviation) {
        for (std::size_t i = 0; i < count; ++i)
            values.push_back(static_cast<double>(static_cast<float>(normal() * deviation)));
    };
    fill(w.w1, hidden * inputs, 0.5), fill(w.b1, hidden, 0.1), fill(w.w2, classes * hidden, 0.5),
        fill(w.b2, classes, 0.1);
    return w;
}

model::Graph mlp(Weights &weights) {
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {batch, inputs});
    const auto add = [&](const char *name, const ops::Shape &shape, const std::vector<double> &values) {
        return graph.add_weight(name, name, tensor(shape, [&](std::size_t i) { return values[i]; }));
    };
    const auto w1 = add("w1", {hidden, inputs}, weights.w1), b1 = add("b1", {hidden}, weights.b1),
               w2 = add("w2", {classes, hidden}, weights.w2), b2 = add("b2", {classes}, weights.b2);
    ops::Matmul attributes;
    attributes.transpose_b = true;
    const auto h = graph.add_node({OpKind::matmul, attributes, {}}, {x, w1, b1}, "fc1", "linear");
    const auto r = node(graph, OpKind::relu, {h}, "relu", "relu");
    graph.outputs.push_back(graph.add_node({OpKind::matmul, attributes, {}}, {r, w2, b2}, "fc2", "linear"));
    model::attach_loss(graph, "cross-entropy");
    return graph;
}

struct Sample {
    std::vector<double> x;
    std::vector<std::int64_t> y;
};

Sample sample(int step) {
    Normal normal(100 + static_cast<std::uint64_t>(step));
    Sample s;
    for (std::size_t i = 0; i < batch * inputs; ++i) s.x.push_back(static_cast<double>(static_cast<float>(normal())));
    for (std::size_t i = 0; i < batch; ++i) s.y.push_back(s.x[i * inputs] > 0.5 ? 2 : s.x[i * inputs + 1] > 0 ? 1 : 0);
    return s;
}

Batch to_batch(const Sample &s) {
    Batch made;
    made.push_back(tensor({batch, inputs}, [&](std::size_t i) { return s.x[i]; }));
    ops::HostTensor targets(DType::int64, {batch});
    std::copy(s.y.begin(), s.y.end(), targets.as<std::int64_t>().begin());
    made.push_back(std::move(targets));
    return made;
}

/// Loss and gradients of one batch.
double backward(const Weights &w, const Sample &s, Weights &g) {
    g.w1.assign(w.w1.size(), 0), g.b1.assign(hidden, 0), g.w2.assign(w.w2.size(), 0), g.b2.assign(classes, 0);
    double loss = 0;
    for (std::size_t n = 0; n < batch; ++n) {
        double h[hidden], z[classes], p[classes], sum = 0;
        for (std::size_t j = 0; j < hidden; ++j) {
            h[j] = w.b1[j];
            for (std::size_t i = 0; i < inputs; ++i) h[j] += w.w1[j * inputs + i] * s.x[n * inputs + i];
            h[j] = std::max(h[j], 0.0);
        }
        for (std::size_t c = 0; c < classes; ++c) {
            z[c] = w.b2[c];
            for (std::size_t j = 0; j < hidden; ++j) z[c] += w.w2[c * hidden + j] * h[j];
            sum += std::exp(z[c]);
        }
        const auto y = static_cast<std::size_t>(s.y[n]);
        loss += (std::log(sum) - z[y]) / batch;
        for (std::size_t c = 0; c < classes; ++c) p[c] = (std::exp(z[c]) / sum - (c == y ? 1 : 0)) / batch;
        for (std::size_t c = 0; c < classes; ++c) {
            g.b2[c] += p[c];
            for (std::size_t j = 0; j < hidden; ++j) g.w2[c * hidden + j] += p[c] * h[j];
        }
        for (std::size_t j = 0; j < hidden; ++j) {
            if (h[j] <= 0) continue;
            double dh = 0;
            for (std::size_t c = 0; c < classes; ++c) dh += p[c] * w.w2[c * hidden + j];
            g.b1[j] += dh;
            for (std::size_t i = 0; i < inputs; ++i) g.w1[j * inputs + i] += dh * s.x[n * inputs + i];
        }
    }
    return loss;
}

double clip(Weights &g, double limit) {
    double squares = 0;
    for (const auto *values : g.all())
        for (double v : *values) squares += v * v;
    const double norm = std::sqrt(squares), factor = std::min(1.0, limit / (norm + 1e-6));
    for (auto *values : g.all())
        for (double &v : *values) v *= factor;
    return norm;
}

/// PyTorch's update rules, from their documentation.
class PlainOptimizer {
  public:
    explicit PlainOptimizer(const OptimizerSettings &settings) : s_(settings) {}
    void step(Weights &w, Weights &g, double lr) {
        ++count_;
        for (std::size_t k = 0; k < 4; ++k) {
            auto &values = *w.all()[k];
            m_[k].resize(values.size()), v_[k].resize(values.size());
            for (std::size_t i = 0; i < values.size(); ++i) update(values[i], (*g.all()[k])[i], m_[k][i], v_[k][i], lr);
        }
    }

  private:
    void update(double &w, double g, double &m, double &v, double lr) const {
        if (s_.kind == OptimizerKind::adamw)
            w -= lr * s_.weight_decay * w;
        else
            g += s_.weight_decay * w;
        if (s_.kind == OptimizerKind::sgd) {
            if (s_.momentum != 0) m = count_ == 1 ? g : s_.momentum * m + g;
            w -= lr * (s_.momentum == 0 ? g : s_.nesterov ? g + s_.momentum * m : m);
            return;
        }
        m = s_.beta1 * m + (1 - s_.beta1) * g;
        v = s_.beta2 * v + (1 - s_.beta2) * g * g;
        w -= lr * (m / (1 - std::pow(s_.beta1, count_))) /
             (std::sqrt(v / (1 - std::pow(s_.beta2, count_))) + s_.epsilon);
    }
    OptimizerSettings s_;
    int count_ = 0;
    std::vector<double> m_[4], v_[4];
};

/// First-order bound on how far fp32 drifts from exact arithmetic in `steps` steps. One pass rounds each gradient at
/// most once per product and sum on its way (batch * (inputs + hidden + classes), twice, forward and backward) and the
/// update some 16 times, each by 2^-24 of magnitudes that stay below `magnitude`; errors of earlier steps add up, and
/// Adam's division by sqrt(v) turns relative errors of small gradients into errors of a step, so the rate multiplies
/// all of them.
double drift_bound(int steps, double magnitude) {
    const double roundings = 2.0 * batch * (inputs + hidden + classes) + 16;
    return steps * roundings * std::ldexp(1.0, -24) * magnitude;
}

void compare(TrainingSettings settings, const char *what) {
    CAPTURE(what);
    constexpr int steps = 60;
    settings.steps = steps;
    Weights weights = initial();
    const model::Graph graph = mlp(weights);
    const auto backend = ops::make_cpu_backend(1);
    TrainingRun run(graph, recipe_named("fp32"), parse_loss_scale("none"), settings, *backend, nullptr);
    PlainOptimizer optimizer(settings.optimizer);
    double first = 0, last = 0;
    for (int step = 0; step < steps; ++step) {
        Weights gradient;
        double loss = 0;
        std::vector<Batch> batches;
        for (int micro = 0; micro < settings.micro_batches; ++micro) {
            const Sample s = sample(step * settings.micro_batches + micro);
            Weights part;
            loss += backward(weights, s, part) / settings.micro_batches;
            for (std::size_t k = 0; k < 4; ++k) {
                auto &sum = *gradient.all()[k];
                sum.resize(part.all()[k]->size());
                for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += (*part.all()[k])[i] / settings.micro_batches;
            }
            batches.push_back(to_batch(s));
        }
        double norm = 0;
        if (settings.clip_norm > 0) norm = clip(gradient, settings.clip_norm);
        optimizer.step(weights, gradient, learning_rate_at(settings, step));
        const StepRecord record = run.step(batches, false, false);
        CHECK(std::abs(record.step.loss - loss) < drift_bound(step + 1, 4));
        if (settings.clip_norm > 0) CHECK(std::abs(record.step.gradient_norm - norm) < drift_bound(step + 1, 4));
        (step == 0 ? first : last) = loss;
    }
    CHECK(last < first); // it learns
    const auto &parameters = run.optimizer().parameters();
    REQUIRE(parameters.size() == 4);
    for (std::size_t k = 0; k < 4; ++k) {
        const auto ours = doubles_of(*backend, parameters[k].value);
        for (std::size_t i = 0; i < ours.size(); ++i)
            CHECK(std::abs(ours[i] - (*weights.all()[k])[i]) < drift_bound(steps, 2));
    }
}

TrainingSettings with(OptimizerKind kind, double learning_rate) {
    TrainingSettings settings;
    settings.optimizer.kind = kind;
    settings.optimizer.learning_rate = learning_rate;
    return settings;
}

} // namespace

TEST_CASE("fp32 training follows the same training in double") {
    TrainingSettings settings = with(OptimizerKind::sgd, 0.1);
    compare(settings, "sgd");
    settings.optimizer.momentum = 0.9;
    settings.optimizer.weight_decay = 0.01;
    compare(settings, "sgd with momentum and weight decay");
    settings.optimizer.nesterov = true;
    settings.warmup = 10;
    settings.cosine = true;
    compare(settings, "nesterov, warm-up and cosine");
    settings = with(OptimizerKind::adam, 0.01);
    settings.optimizer.weight_decay = 0.01;
    compare(settings, "adam");
    settings = with(OptimizerKind::adamw, 0.01);
    settings.optimizer.weight_decay = 0.1;
    compare(settings, "adamw");
    settings = with(OptimizerKind::sgd, 0.2);
    settings.clip_norm = 0.1;
    compare(settings, "clipped");
    settings = with(OptimizerKind::sgd, 0.1);
    settings.micro_batches = 3;
    compare(settings, "three accumulated batches");
}

TEST_CASE("the schedule: linear warm-up, then cosine to zero") {
    TrainingSettings settings = with(OptimizerKind::sgd, 1.0);
    settings.steps = 14;
    settings.warmup = 4;
    settings.cosine = true;
    const double expected[] = {0.25, 0.5, 0.75, 1.0, 1.0};
    for (std::int64_t step = 0; step < 5; ++step)
        CHECK(learning_rate_at(settings, step) == doctest::Approx(expected[step]));
    CHECK(learning_rate_at(settings, 9) == doctest::Approx(0.5));
    CHECK(learning_rate_at(settings, 14) == doctest::Approx(0.0));
}
