// Short names for what the cases' networks are built of.
#pragma once

#include "emulation/model/zoo/module_builder.h"
#include "tests/hazards/samples.h"

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace halfscope::hazards {

using model::ValueId;
using ops::OpKind;
using ops::Shape;

[[nodiscard]] ops::HostTensor tensor(const Shape &shape, const std::function<double(std::size_t)> &value);

class Network {
  public:
    explicit Network(std::uint64_t seed) : builder_(graph_, seed), draw_(seed + 77) {}

    /// The finished graph.
    model::Graph take() { return std::move(graph_); }
    model::Graph &graph() { return graph_; }
    model::zoo::ModuleBuilder &modules() { return builder_; }
    Draw &draw() { return draw_; } ///< for weights; seeded as the network is

    ValueId input(const std::string &name, const Shape &shape) {
        return graph_.add_input(name, ops::DType::fp32, shape);
    }
    ValueId integers(const std::string &name, const Shape &shape, bool target = false);
    ValueId target(const std::string &name, const Shape &shape);

    /// y = x W^T, W [out, in] ~ N(0, deviation); `bias` adds one that starts at 0.
    ValueId linear(ValueId x, const std::string &name, std::int64_t out, double deviation, bool bias = false);
    ValueId weight(const std::string &name, const Shape &shape, const std::function<double(std::size_t)> &value);
    ValueId constant(const std::string &name, const Shape &shape, const std::function<double(std::size_t)> &value);
    /// x W^T with a weight or constant [out, in].
    ValueId product(ValueId x, ValueId w, const std::string &name);
    /// op(a) @ op(b).
    ValueId matmul(ValueId a, ValueId b, const std::string &name, bool transpose_b = false);

    ValueId apply(OpKind kind, std::vector<ValueId> operands, const std::string &name, const std::string &policy);
    ValueId relu(ValueId x, const std::string &name) { return apply(OpKind::relu, {x}, name, "relu"); }
    ValueId add(ValueId a, ValueId b, const std::string &name) { return apply(OpKind::add, {a, b}, name, "add"); }
    ValueId multiply(ValueId a, ValueId b, const std::string &name) {
        return apply(OpKind::multiply, {a, b}, name, "mul");
    }
    ValueId subtract(ValueId a, ValueId b, const std::string &name) {
        return apply(OpKind::subtract, {a, b}, name, "sub");
    }
    ValueId divide(ValueId a, ValueId b, const std::string &name) { return apply(OpKind::divide, {a, b}, name, "div"); }
    ValueId tanh(ValueId x, const std::string &name) { return apply(OpKind::tanh, {x}, name, "tanh"); }
    ValueId sigmoid(ValueId x, const std::string &name) { return apply(OpKind::sigmoid, {x}, name, "sigmoid"); }
    ValueId exponential(ValueId x, const std::string &name) { return apply(OpKind::exponential, {x}, name, "exp"); }
    ValueId logarithm(ValueId x, const std::string &name) { return apply(OpKind::logarithm, {x}, name, "log"); }
    ValueId silu(ValueId x, const std::string &name) { return apply(OpKind::silu, {x}, name, "silu"); }
    ValueId scale(ValueId x, double factor, const std::string &name);
    ValueId shift(ValueId x, double term, const std::string &name);
    ValueId power(ValueId x, double exponent, const std::string &name);
    ValueId clip(ValueId x, double low, double high, const std::string &name);
    ValueId square(ValueId x, const std::string &name) { return power(x, 2, name); }
    ValueId softmax(ValueId x, const std::string &name);
    ValueId log_softmax(ValueId x, const std::string &name);
    ValueId transpose(ValueId x, const std::vector<int> &order, const std::string &name);
    ValueId concat(const std::vector<ValueId> &parts, int axis, const std::string &name);
    /// Over the last axis, kept as one.
    ValueId sum_last(ValueId x, const std::string &name) { return reduce(OpKind::reduce_sum, x, name, "sum"); }
    ValueId mean_last(ValueId x, const std::string &name) { return reduce(OpKind::reduce_mean, x, name, "mean"); }
    ValueId mean_all(ValueId x, const std::string &name);
    ValueId reshape(ValueId x, const Shape &shape, const std::string &name) { return builder_.reshape(x, name, shape); }
    /// mean (p - t)^2 as operations of the model's own.
    ValueId mean_square_error(ValueId prediction, ValueId target, const std::string &name);
    ValueId rms_norm(ValueId x, const std::string &name, double epsilon);
    ValueId layer_norm(ValueId x, const std::string &name, double epsilon = 1e-5);
    /// Rows of a table [rows, width] ~ N(0, deviation).
    ValueId embedding(ValueId indices, const std::string &name, std::int64_t rows, std::int64_t width,
                      double deviation);

    /// mean (p - t)^2 put on the model's output, as a trainer would: o2 keeps it in fp32.
    void mse(ValueId prediction, ValueId target, double factor = 1);
    void cross_entropy(ValueId logits); ///< with a target input "target"
    /// The graph's own loss: its formats are the model's.
    void own_loss(ValueId loss);

  private:
    ValueId reduce(OpKind kind, ValueId x, const std::string &name, const std::string &policy);

    model::Graph graph_;
    model::zoo::ModuleBuilder builder_;
    Draw draw_;
};

} // namespace halfscope::hazards
