// LSTM, GRU and RNN against the operators' own definitions, computed element by element in double.
#include "tests/model/onnx/model_builder.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace halfscope;
using namespace halfscope::tests;

namespace {

constexpr std::int64_t steps = 3, batch = 2, inputs = 4, hidden = 5;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// The weights of one direction, as ONNX lays them out.
struct Weights {
    std::int64_t gates;
    std::vector<float> w, r, b, peephole;

    /// Row of gate g, unit j: W x + Wb, or R h + Rb.
    [[nodiscard]] double from_input(std::int64_t g, std::int64_t j, const std::vector<double> &x) const {
        return product(w, b, 0, g * hidden + j, x);
    }
    [[nodiscard]] double from_state(std::int64_t g, std::int64_t j, const std::vector<double> &h) const {
        return product(r, b, gates * hidden, g * hidden + j, h);
    }

  private:
    static double product(const std::vector<float> &matrix, const std::vector<float> &bias, std::int64_t offset,
                          std::int64_t row, const std::vector<double> &x) {
        double sum = double{bias[static_cast<std::size_t>(offset + row)]};
        for (std::size_t k = 0; k < x.size(); ++k)
            sum += double{matrix[static_cast<std::size_t>(row) * x.size() + k]} * x[k];
        return sum;
    }
};

using Step = void (*)(const Weights &, const std::vector<double> &x, std::vector<double> &h, std::vector<double> &c);

void lstm(const Weights &w, const std::vector<double> &x, std::vector<double> &h, std::vector<double> &c) {
    const std::vector<double> before = h;
    for (std::int64_t j = 0; j < hidden; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const auto gate = [&](std::int64_t g) { return w.from_input(g, j, x) + w.from_state(g, j, before); };
        const auto peek = [&](std::int64_t g, double cell) {
            return w.peephole.empty() ? 0 : double{w.peephole[static_cast<std::size_t>(g * hidden + j)]} * cell;
        };
        const double in = sigmoid(gate(0) + peek(0, c[at])), forget = sigmoid(gate(2) + peek(2, c[at]));
        c[at] = forget * c[at] + in * std::tanh(gate(3));
        h[at] = sigmoid(gate(1) + peek(1, c[at])) * std::tanh(c[at]);
    }
}

template <bool reset_after>
void gru(const Weights &w, const std::vector<double> &x, std::vector<double> &h, std::vector<double> & /*c*/) {
    const std::vector<double> before = h;
    std::vector<double> reset(hidden), held(hidden);
    for (std::int64_t j = 0; j < hidden; ++j) {
        reset[static_cast<std::size_t>(j)] = sigmoid(w.from_input(1, j, x) + w.from_state(1, j, before));
        held[static_cast<std::size_t>(j)] = reset[static_cast<std::size_t>(j)] * before[static_cast<std::size_t>(j)];
    }
    for (std::int64_t j = 0; j < hidden; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const double update = sigmoid(w.from_input(0, j, x) + w.from_state(0, j, before));
        const double recurrent = reset_after ? reset[at] * w.from_state(2, j, before) : w.from_state(2, j, held);
        h[at] = (1 - update) * std::tanh(w.from_input(2, j, x) + recurrent) + update * before[at];
    }
}

void rnn(const Weights &w, const std::vector<double> &x, std::vector<double> &h, std::vector<double> & /*c*/) {
    const std::vector<double> before = h;
    for (std::int64_t j = 0; j < hidden; ++j)
        h[static_cast<std::size_t>(j)] = std::tanh(w.from_input(0, j, x) + w.from_state(0, j, before));
}

struct Setting {
    std::string op;
    std::int64_t gates;
    Step step;
    std::string direction = "forward";
    bool batch_first = false, initial = false, peepholes = false;
    std::vector<Attribute> more = {};
};

std::vector<float> part(const std::vector<float> &all, std::int64_t d, std::int64_t size) {
    return {all.begin() + d * size, all.begin() + (d + 1) * size};
}

/// Runs the operator and its definition; returns the largest difference over Y, Y_h and Y_c.
double largest_difference(const Setting &s) {
    const std::int64_t directions = s.direction == "bidirectional" ? 2 : 1, rows = s.gates * hidden;
    const std::vector<std::int64_t> x_shape = s.batch_first ? std::vector<std::int64_t>{batch, steps, inputs}
                                                            : std::vector<std::int64_t>{steps, batch, inputs};
    const std::vector<std::int64_t> state_shape = s.batch_first ? std::vector<std::int64_t>{batch, directions, hidden}
                                                                : std::vector<std::int64_t>{directions, batch, hidden};
    const auto w = varied(static_cast<std::size_t>(directions * rows * inputs), 0.9F);
    const auto r = varied(static_cast<std::size_t>(directions * rows * hidden), 0.7F);
    const auto b = varied(static_cast<std::size_t>(directions * 2 * rows), 0.3F);
    const auto p = varied(static_cast<std::size_t>(directions * 3 * hidden), 0.5F);
    const auto h0 = varied(static_cast<std::size_t>(directions * batch * hidden), 0.8F);
    const auto c0 = varied(static_cast<std::size_t>(directions * batch * hidden), 0.6F);
    const auto x = varied(static_cast<std::size_t>(steps * batch * inputs), 1.5F);

    ModelBuilder model(14);
    model.input("x", x_shape).floats("w", {directions, rows, inputs}, w).floats("r", {directions, rows, hidden}, r);
    model.floats("b", {directions, 2 * rows}, b);
    std::vector<std::string> operands{"x", "w", "r", "b", ""};
    if (s.initial) {
        model.floats("h0", state_shape, h0);
        operands.push_back("h0");
    } else if (s.peepholes) {
        operands.emplace_back();
    }
    const bool cell = s.op == "LSTM";
    if (cell && s.initial) {
        model.floats("c0", state_shape, c0);
        operands.push_back("c0");
    } else if (s.peepholes) {
        operands.emplace_back();
    }
    if (s.peepholes) {
        model.floats("p", {directions, 3 * hidden}, p);
        operands.push_back("p");
    }
    std::vector<std::string> results{"y", "h"};
    if (cell) results.push_back("c");
    std::vector<Attribute> attributes = s.more;
    attributes.emplace_back("hidden_size", hidden);
    attributes.emplace_back("direction", s.direction.c_str());
    attributes.emplace_back("layout", s.batch_first ? 1 : 0);
    model.node(s.op, operands, results, attributes);
    for (const std::string &result : results) model.output(result);
    const auto imported = model.import();
    const std::map<std::string, std::vector<double>> feeds{{"x", std::vector<double>(x.begin(), x.end())}};

    const auto index = [](std::initializer_list<std::pair<std::int64_t, std::int64_t>> position_of_size) {
        std::int64_t at = 0;
        for (const auto &[position, size] : position_of_size) at = at * size + position;
        return static_cast<std::size_t>(at);
    };
    std::vector<double> y(static_cast<std::size_t>(steps * directions * batch * hidden)),
        last_h(static_cast<std::size_t>(directions * batch * hidden)), last_c = last_h;
    for (std::int64_t d = 0; d < directions; ++d) {
        const Weights weights{s.gates, part(w, d, rows * inputs), part(r, d, rows * hidden), part(b, d, 2 * rows),
                              s.peepholes ? part(p, d, 3 * hidden) : std::vector<float>{}};
        const bool backward = s.direction == "reverse" || d == 1;
        for (std::int64_t n = 0; n < batch; ++n) {
            const auto state = [&](std::int64_t j) {
                return s.batch_first ? index({{n, batch}, {d, directions}, {j, hidden}})
                                     : index({{d, directions}, {n, batch}, {j, hidden}});
            };
            std::vector<double> h(hidden), c(hidden);
            for (std::int64_t j = 0; j < hidden && s.initial; ++j) {
                h[static_cast<std::size_t>(j)] = double{h0[state(j)]};
                c[static_cast<std::size_t>(j)] = double{c0[state(j)]};
            }
            for (std::int64_t i = 0; i < steps; ++i) {
                const std::int64_t t = backward ? steps - 1 - i : i;
                std::vector<double> now(inputs);
                for (std::int64_t k = 0; k < inputs; ++k)
                    now[static_cast<std::size_t>(k)] =
                        double{x[s.batch_first ? index({{n, batch}, {t, steps}, {k, inputs}})
                                               : index({{t, steps}, {n, batch}, {k, inputs}})]};
                s.step(weights, now, h, c);
                for (std::int64_t j = 0; j < hidden; ++j)
                    y[s.batch_first ? index({{n, batch}, {t, steps}, {d, directions}, {j, hidden}})
                                    : index({{t, steps}, {d, directions}, {n, batch}, {j, hidden}})] =
                        h[static_cast<std::size_t>(j)];
            }
            for (std::int64_t j = 0; j < hidden; ++j) {
                last_h[state(j)] = h[static_cast<std::size_t>(j)];
                last_c[state(j)] = c[static_cast<std::size_t>(j)];
            }
        }
    }

    double largest = 0;
    for (std::size_t output = 0; output < results.size(); ++output) {
        const auto made = run(imported.graph, feeds, output);
        const auto &wanted = output == 0 ? y : output == 1 ? last_h : last_c;
        REQUIRE(made.size() == wanted.size());
        for (std::size_t i = 0; i < made.size(); ++i) largest = std::max(largest, std::abs(made[i] - wanted[i]));
    }
    return largest;
}

/// All values are below 8 in magnitude: a dozen fp32 roundings a gate, over the steps, with slopes of at most 1.
double rounding_bound() { return steps * 12 * 8 * 0x1p-24; }

/// The message of an operator with these attributes and, maybe, sequence lengths.
std::string refusal(const std::vector<Attribute> &attributes, std::int64_t directions = 1,
                    const std::vector<std::int64_t> &lengths = {}) {
    ModelBuilder model(14);
    model.input("x", {steps, batch, inputs}).weight("w", {directions, 4 * hidden, inputs});
    model.weight("r", {directions, 4 * hidden, hidden});
    std::vector<std::string> operands{"x", "w", "r"};
    if (!lengths.empty()) {
        model.integers("lengths", lengths);
        operands.insert(operands.end(), {"", "lengths"});
    }
    model.node("LSTM", operands, {"y"}, attributes, "/l/LSTM").output("y");
    return model.error();
}

} // namespace

TEST_CASE("onnx: LSTM, GRU and RNN in every direction and layout are what their definitions say") {
    for (const char *direction : {"forward", "reverse", "bidirectional"})
        for (const bool batch_first : {false, true})
            for (const bool initial : {false, true}) {
                CAPTURE(direction);
                CAPTURE(batch_first);
                CAPTURE(initial);
                CHECK(largest_difference({"LSTM", 4, lstm, direction, batch_first, initial}) <= rounding_bound());
                CHECK(largest_difference({"LSTM", 4, lstm, direction, batch_first, initial, true}) <= rounding_bound());
                CHECK(largest_difference({"GRU", 3, gru<false>, direction, batch_first, initial}) <= rounding_bound());
                CHECK(largest_difference({"GRU",
                                          3,
                                          gru<true>,
                                          direction,
                                          batch_first,
                                          initial,
                                          false,
                                          {Attribute("linear_before_reset", 1)}}) <= rounding_bound());
                CHECK(largest_difference({"RNN", 1, rnn, direction, batch_first, initial}) <= rounding_bound());
            }
}

TEST_CASE("onnx: recurrent forms that are not supported are refused by name") {
    CHECK(refusal({}) == "");
    CHECK(refusal({}, 1, {steps, steps}) == "");
    CHECK(has(refusal({}, 1, {steps, 1}), "LSTM (node /l/LSTM): sequences of different lengths"));
    CHECK(has(refusal({Attribute("clip", 3.0F)}), "the attribute 'clip'"));
    CHECK(has(refusal({Attribute("input_forget", 1)}), "the attribute 'input_forget'"));
    CHECK(has(refusal({Attribute("direction", "bidirectional")}), "1 directions"));
    CHECK(has(refusal({Attribute("direction", "sideways")}), "the direction 'sideways'"));
    CHECK(has(refusal({Attribute("activations", std::vector<std::string>{"Sigmoid", "HardSigmoid", "Tanh"})}),
              "the activation hardsigmoid"));
}
