// LSTM, GRU and RNN, written out over their steps. The number of steps is the sequence's, which is static.
//
// Order and rounding points, all under the policy of PyTorch's cells ("lstm_cell", ...), so autocast computes them in
// 16 bits as it does there: the products of the inputs with W for all steps at once, with their bias; then a step at a
// time the product of the hidden state with R, with its bias, one ROUNDING each, and every elementwise operation below
// ROUNDED to the storage format. A fused kernel keeps a step's gates in fp32 and rounds the hidden and the cell state
// alone: it errs less by a few roundings a step.
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

ops::Operation plain(OpKind kind) { return {kind, {}, {}}; }

/// What the three operators share: operands X, W, R, B, sequence_lens, initial_h (, initial_c, P), results Y, Y_h
/// (, Y_c).
class Recurrence {
  public:
    Recurrence(NodeContext &node, std::int64_t gates, std::string policy)
        : node_(node), gates_(gates), policy_(std::move(policy)) {
        x_ = node.in(0);
        w_ = node.in(1);
        r_ = node.in(2);
        if (!node.floating(x_)) throw Unsupported("integer operands");
        if (node.rank(x_) != 3 || node.rank(w_) != 3 || node.rank(r_) != 3)
            throw std::runtime_error("its X, W and R must have three axes");
        batch_first_ = node.node.integer("layout", 0) != 0;
        if (batch_first_) x_ = node.transpose(x_, {1, 0, 2});
        directions_ = node.shape(w_)[0];
        hidden_ = node.shape(r_)[2];
        steps_ = node.shape(x_)[0];
        batch_ = node.shape(x_)[1];
        const std::int64_t rows = gates_ * hidden_;
        const Shape input{directions_, rows, node.shape(x_)[2]}, recurrent{directions_, rows, hidden_};
        if (node.shape(w_) != input || node.shape(r_) != recurrent)
            throw std::runtime_error("the shapes of its X, W and R do not fit each other");
        if (steps_ == 0) throw Unsupported("a sequence of no steps");
        check_attributes();
    }

    struct Direction {
        ValueId from_input; ///< [steps, batch, gates * hidden]: X W^T + Wb
        ValueId r, bias;    ///< [gates * hidden, hidden]; [gates * hidden] or none
        ValueId h, c;       ///< states before the first step; c is none where there is no cell
        ValueId peephole;   ///< [3 * hidden] or none
    };

    /// `step` makes the next h and c in place from the step's row of from_input [batch, gates * hidden].
    template <typename Step> void run(const Step &step) {
        const std::string direction = node_.node.text("direction", "forward");
        std::vector<ValueId> ys, last_h, last_c;
        for (std::int64_t d = 0; d < directions_; ++d) {
            Direction state = make(d);
            const bool backward = direction == "reverse" || d == 1;
            std::vector<ValueId> outputs(static_cast<std::size_t>(steps_));
            for (std::int64_t t = 0; t < steps_; ++t) {
                const std::int64_t at = backward ? steps_ - 1 - t : t;
                const ValueId row = node_.reshape(part(state.from_input, 0, at, at + 1), {batch_, gates_ * hidden_});
                step(state, row);
                outputs[static_cast<std::size_t>(at)] = node_.reshape(state.h, y_shape(1));
            }
            ys.push_back(joined(outputs, batch_first_ ? 1 : 0));
            last_h.push_back(node_.reshape(state.h, state_shape()));
            if (state.c != none) last_c.push_back(node_.reshape(state.c, state_shape()));
        }
        node_.bind(0, joined(ys, batch_first_ ? 2 : 1));
        node_.bind(1, joined(last_h, batch_first_ ? 1 : 0));
        if (!last_c.empty()) node_.bind(2, joined(last_c, batch_first_ ? 1 : 0));
    }

    ValueId apply(OpKind kind, std::vector<ValueId> from) {
        return node_.emit(plain(kind), std::move(from), {policy_});
    }
    ValueId add(ValueId a, ValueId b) { return apply(OpKind::add, {a, b}); }
    ValueId multiply(ValueId a, ValueId b) { return apply(OpKind::multiply, {a, b}); }
    ValueId sigmoid(ValueId x) { return apply(OpKind::sigmoid, {x}); }
    ValueId tanh(ValueId x) { return apply(OpKind::tanh, {x}); }
    /// x w^T + bias; `bias` may be none.
    ValueId linear(ValueId x, ValueId w, ValueId bias) {
        ops::Matmul product;
        product.transpose_b = true;
        std::vector<ValueId> from{x, w};
        if (bias != none) from.push_back(bias);
        return node_.emit({OpKind::matmul, product, {}}, std::move(from), {policy_});
    }
    /// The g-th of the gates along the last axis.
    ValueId gate(ValueId x, std::int64_t g) { return part(x, node_.rank(x) - 1, g * hidden_, (g + 1) * hidden_); }
    /// Gates [first, last) of rows of a weight or bias.
    ValueId rows(ValueId w, std::int64_t first, std::int64_t last) {
        return w == none ? none : part(w, 0, first * hidden_, last * hidden_);
    }

  private:
    void check_attributes() const {
        const std::string direction = node_.node.text("direction", "forward");
        const bool both = direction == "bidirectional";
        if (!both && direction != "forward" && direction != "reverse")
            throw std::runtime_error(fmt::format("it has the direction '{}'", direction));
        if (directions_ != (both ? 2 : 1))
            throw std::runtime_error(
                fmt::format("its W has {} directions and its direction is '{}'", directions_, direction));
        if (node_.node.attributes.contains("clip")) throw Unsupported("the attribute 'clip'");
        if (node_.node.integer("input_forget", 0) != 0) throw Unsupported("the attribute 'input_forget'");
        if (!node_.has(4)) return;
        for (const std::int64_t length : node_.integers(4, "its sequence lengths"))
            if (length != steps_) throw Unsupported("sequences of different lengths");
    }

    Direction make(std::int64_t d) {
        const std::int64_t rows_of_gates = gates_ * hidden_;
        const auto of = [&](ValueId operand, const Shape &to) {
            return node_.reshape(directions_ == 1 ? operand : part(operand, 0, d, d + 1), to);
        };
        const auto optional = [&](std::size_t index, std::int64_t length) {
            return node_.has(index) ? of(node_.in(index), {length}) : none;
        };
        const ValueId biases = optional(3, 2 * rows_of_gates);
        Direction made{};
        made.from_input = linear(x_, of(w_, {rows_of_gates, node_.shape(x_)[2]}),
                                 biases == none ? none : part(biases, 0, 0, rows_of_gates));
        // A slice of all of it, under the cell's policy: what it is cast to is cast once, not once a step.
        made.r = part(of(r_, {rows_of_gates, hidden_}), 0, 0, rows_of_gates);
        made.bias = biases == none ? none : part(biases, 0, rows_of_gates, 2 * rows_of_gates);
        made.h = initial(5, d);
        made.c = gates_ == 4 ? initial(6, d) : none;
        made.peephole = gates_ == 4 ? optional(7, 3 * hidden_) : none;
        return made;
    }

    ValueId initial(std::size_t index, std::int64_t d) {
        const Shape to{batch_, hidden_};
        if (!node_.has(index)) return node_.draft.add_constant(ops::HostTensor(ops::DType::fp32, to));
        ValueId state = node_.in(index);
        if (node_.rank(state) != 3) throw std::runtime_error("its initial states must have three axes");
        if (directions_ > 1) state = part(state, batch_first_ ? 1 : 0, d, d + 1);
        return node_.reshape(state, to);
    }

    [[nodiscard]] Shape y_shape(std::int64_t steps) const {
        return batch_first_ ? Shape{batch_, steps, 1, hidden_} : Shape{steps, 1, batch_, hidden_};
    }
    [[nodiscard]] Shape state_shape() const {
        return batch_first_ ? Shape{batch_, 1, hidden_} : Shape{1, batch_, hidden_};
    }

    ValueId joined(const std::vector<ValueId> &parts, int axis) {
        if (parts.size() == 1) return parts.front();
        return node_.emit({OpKind::concat, ops::Axis{axis}, {}}, parts, {policy_});
    }

    ValueId part(ValueId x, int axis, std::int64_t first, std::int64_t last) {
        ops::Slice slice;
        for (int i = 0; i < node_.rank(x); ++i) {
            slice.starts.push_back(i == axis ? first : 0);
            slice.ends.push_back(i == axis ? last : node_.shape(x)[i]);
            slice.steps.push_back(1);
        }
        return node_.emit({OpKind::slice, std::move(slice), {}}, {x}, {policy_});
    }

    NodeContext &node_;
    std::int64_t gates_;
    std::string policy_;
    ValueId x_ = none, w_ = none, r_ = none;
    std::int64_t directions_ = 0, hidden_ = 0, steps_ = 0, batch_ = 0;
    bool batch_first_ = false;
};

/// Throws unless the activations are left out or repeat `usual`, in any case of letters.
void require_activations(const NodeContext &node, std::vector<std::string> usual) {
    std::vector<std::string> stated = node.node.texts("activations");
    for (std::vector<std::string> *names : {&stated, &usual})
        for (std::string &name : *names)
            std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    for (std::size_t i = 0; i < stated.size(); ++i)
        if (stated[i] != usual[i % usual.size()]) throw Unsupported(fmt::format("the activation {}", stated[i]));
}

/// Gates in the order input, output, forget, cell.
void lstm(NodeContext &node) {
    require_activations(node, {"Sigmoid", "Tanh", "Tanh"});
    Recurrence cell(node, 4, "lstm_cell");
    cell.run([&](Recurrence::Direction &state, ValueId row) {
        const ValueId gates = cell.add(row, cell.linear(state.h, state.r, state.bias));
        const auto peeking = [&](ValueId gate, std::int64_t which, ValueId c) {
            if (state.peephole == none) return gate;
            return cell.add(gate, cell.multiply(cell.rows(state.peephole, which, which + 1), c));
        };
        const ValueId in = cell.sigmoid(peeking(cell.gate(gates, 0), 0, state.c));
        const ValueId forget = cell.sigmoid(peeking(cell.gate(gates, 2), 2, state.c));
        const ValueId candidate = cell.tanh(cell.gate(gates, 3));
        state.c = cell.add(cell.multiply(forget, state.c), cell.multiply(in, candidate));
        const ValueId out = cell.sigmoid(peeking(cell.gate(gates, 1), 1, state.c));
        state.h = cell.multiply(out, cell.tanh(state.c));
    });
}

/// Gates in the order update, reset, hidden; the next state is n + z (h - n).
void gru(NodeContext &node) {
    require_activations(node, {"Sigmoid", "Tanh"});
    const bool reset_after = node.node.integer("linear_before_reset", 0) != 0;
    Recurrence cell(node, 3, "gru_cell");
    cell.run([&](Recurrence::Direction &state, ValueId row) {
        const ValueId zr = reset_after ? cell.linear(state.h, state.r, state.bias)
                                       : cell.linear(state.h, cell.rows(state.r, 0, 2), cell.rows(state.bias, 0, 2));
        const ValueId update = cell.sigmoid(cell.add(cell.gate(row, 0), cell.gate(zr, 0)));
        const ValueId reset = cell.sigmoid(cell.add(cell.gate(row, 1), cell.gate(zr, 1)));
        const ValueId recurrent = reset_after ? cell.multiply(reset, cell.gate(zr, 2))
                                              : cell.linear(cell.multiply(reset, state.h), cell.rows(state.r, 2, 3),
                                                            cell.rows(state.bias, 2, 3));
        const ValueId next = cell.tanh(cell.add(cell.gate(row, 2), recurrent));
        state.h = cell.add(next, cell.multiply(update, cell.apply(OpKind::subtract, {state.h, next})));
    });
}

void rnn(NodeContext &node) {
    std::vector<std::string> activations = node.node.texts("activations");
    const bool relu = !activations.empty() && (activations.front() == "Relu" || activations.front() == "relu");
    require_activations(node, {relu ? "Relu" : "Tanh"});
    Recurrence cell(node, 1, relu ? "rnn_relu_cell" : "rnn_tanh_cell");
    cell.run([&](Recurrence::Direction &state, ValueId row) {
        const ValueId sum = cell.add(row, cell.linear(state.h, state.r, state.bias));
        state.h = cell.apply(relu ? OpKind::relu : OpKind::tanh, {sum});
    });
}

} // namespace

void add_recurrent_rules(RuleTable &table) {
    table["LSTM"] = lstm;
    table["GRU"] = gru;
    table["RNN"] = rnn;
}

} // namespace halfscope::model::importing
