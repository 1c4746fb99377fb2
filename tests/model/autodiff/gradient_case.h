// One graph whose gradients are checked in fp64 against central differences of its loss.
#pragma once

#include "emulation/model/autodiff/differentiate.h"
#include "emulation/model/graph.h"
#include "tests/model/autodiff/central_difference.h"
#include "tests/model/interpreter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace halfscope::tests {

using model::Graph;
using model::ValueId;
using ops::OpKind;
using ops::Shape;

/// A trained fp64 operand, drawn uniformly from [low, high), kept `margin` away from the points in `kinks`, where the
/// derivative jumps.
struct Trained {
    Shape shape;
    double low = -1, high = 1;
    std::vector<double> kinks{};
    bool distinct = false; ///< evenly spaced in random order: for operations that choose among elements
};

using Build = std::function<ValueId(Graph &, const std::vector<ValueId> &)>;

struct GradientCase {
    std::string name;
    std::vector<Trained> operands;
    Build build;           ///< gives the value whose weighted sum is the loss
    bool constant = false; ///< the gradient is zero by definition
};

std::vector<GradientCase> unary_cases();
std::vector<GradientCase> binary_cases();
std::vector<GradientCase> reduction_cases();
std::vector<GradientCase> product_cases();
std::vector<GradientCase> normalization_cases();
std::vector<GradientCase> loss_cases();
std::vector<GradientCase> movement_cases();

/// A small linear congruential generator (Knuth's MMIX constants): the tests' data owes nothing to the product.
class Draws {
  public:
    double operator()(double low, double high) {
        state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
        return low + (high - low) * static_cast<double>(state_ >> 11) * 0x1p-53;
    }

  private:
    std::uint64_t state_ = 2024;
};

inline constexpr double step = 0x1p-8;

inline ops::HostTensor draw(const Trained &trained, Draws &draws) {
    constexpr double margin = 4 * step;
    ops::HostTensor tensor(ops::DType::fp64, trained.shape);
    const auto values = tensor.as<double>();
    if (trained.distinct) {
        const double spacing = (trained.high - trained.low) / static_cast<double>(values.size());
        REQUIRE(spacing > 2 * step); // moving one element by the step must not change who is chosen
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = trained.low + spacing * static_cast<double>(i);
            std::swap(values[i], values[static_cast<std::size_t>(draws(0, static_cast<double>(i + 1)))]);
        }
        return tensor;
    }
    for (double &x : values) {
        x = draws(trained.low, trained.high);
        for (double kink : trained.kinks)
            if (std::abs(x - kink) < margin) x = kink + std::copysign(margin, x - kink);
    }
    return tensor;
}

struct CheckedGraph {
    Graph graph;
    std::vector<ValueId> weights;
    double weight_of_output = 0; ///< sum of the magnitudes of the factors that make the loss
};

/// loss = sum(y * factors), factors drawn from [0.5, 1.5) with either sign.
inline CheckedGraph build(const GradientCase &gradient_case) {
    Draws draws;
    CheckedGraph checked;
    Graph &graph = checked.graph;
    for (const Trained &trained : gradient_case.operands)
        checked.weights.push_back(graph.add_weight("w", "w", draw(trained, draws)));
    const ValueId y = gradient_case.build(graph, checked.weights);
    ops::HostTensor factors(ops::DType::fp64, graph.value(y).shape);
    for (double &factor : factors.as<double>()) {
        factor = draws(-1, 1);
        factor += std::copysign(0.5, factor);
        checked.weight_of_output += std::abs(factor);
    }
    const ValueId product =
        graph.add_node({OpKind::multiply, {}, {}}, {y, graph.add_constant(std::move(factors))}, "product", "mul");
    graph.loss = graph.add_node({OpKind::reduce_sum, {}, {}}, {product}, "loss", "sum");
    return checked;
}

inline void check_gradients(const GradientCase &gradient_case) {
    CAPTURE(gradient_case.name);
    CheckedGraph checked = build(gradient_case);
    Graph &graph = checked.graph;
    model::differentiate(graph);
    Interpreter machine(graph);
    machine.set_loss_scale(1);
    machine.run();

    // Every value is a chain of at most as many roundings as the largest tensor has elements, in each node.
    double largest = 1, elements = 1;
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const auto id = static_cast<ValueId>(i);
        if (graph.value(id).dtype != ops::DType::fp64 || graph.value(id).role == model::Role::gradient) continue;
        elements = std::max(elements, static_cast<double>(graph.value(id).shape.elements()));
        for (double x : machine[id].as<double>())
            if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    }
    const double depth = elements * static_cast<double>(graph.nodes.size());
    const double noise = evaluation_noise(depth, largest * checked.weight_of_output);

    for (std::size_t w = 0; w < checked.weights.size(); ++w) {
        CAPTURE(w);
        const ValueId weight = checked.weights[w], gradient = graph.weight_gradients[w];
        REQUIRE(gradient != model::none);
        CHECK(graph.value(gradient).shape == graph.value(weight).shape);
        CHECK(graph.value(gradient).role == model::Role::weight_gradient);
        const std::vector<double> found(machine[gradient].as<double>().begin(), machine[gradient].as<double>().end());
        double steepest = 0, error_there = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const double x = machine[weight].as<double>()[i];
            const Difference expected = central_difference(
                [&](double offset) {
                    machine[weight].as<double>()[i] = x + offset;
                    machine.run(false);
                    return machine.at(graph.loss, 0);
                },
                step, noise);
            machine[weight].as<double>()[i] = x;
            CAPTURE(i);
            CAPTURE(found[i]);
            CAPTURE(expected.slope);
            CHECK(std::abs(found[i] - expected.slope) <= expected.error + noise);
            if (std::abs(expected.slope) > steepest) steepest = std::abs(expected.slope), error_there = expected.error;
        }
        // The check must be able to see a wrong factor: somewhere the slope stands far above its error.
        if (!gradient_case.constant) CHECK(steepest > 1000 * (error_there + noise));
    }
}

inline void check_all(const std::vector<GradientCase> &cases) {
    for (const GradientCase &gradient_case : cases) check_gradients(gradient_case);
}

// Short forms for building cases.
inline ops::Operation op(OpKind kind) { return {kind, {}, {}}; }
inline ops::Operation op(OpKind kind, double alpha, double beta = 0) { return {kind, ops::Scalars{alpha, beta}, {}}; }
inline ops::Operation along(OpKind kind, int axis) { return {kind, ops::Axis{axis}, {}}; }
inline ValueId add(Graph &graph, ops::Operation operation, std::vector<ValueId> operands,
                   std::optional<Shape> shape = {}) {
    return graph.add_node(std::move(operation), std::move(operands), "", "", {}, shape);
}
/// The operation applied to all operands.
inline Build apply(ops::Operation operation, std::optional<Shape> shape = {}) {
    return [=](Graph &graph, const std::vector<ValueId> &w) { return add(graph, operation, w, shape); };
}
inline ValueId int64_constant(Graph &graph, const Shape &shape, std::initializer_list<std::int64_t> values) {
    ops::HostTensor tensor(ops::DType::int64, shape);
    std::copy(values.begin(), values.end(), tensor.as<std::int64_t>().begin());
    return graph.add_constant(std::move(tensor));
}

} // namespace halfscope::tests
