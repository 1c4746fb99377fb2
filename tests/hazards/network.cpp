#include "tests/hazards/network.h"

#include "emulation/model/loss_attachment.h"

namespace halfscope::hazards {

using model::Role;

ops::HostTensor tensor(const Shape &shape, const std::function<double(std::size_t)> &value) {
    ops::HostTensor made(ops::DType::fp32, shape);
    for (std::size_t i = 0; i < made.as<float>().size(); ++i) made.as<float>()[i] = static_cast<float>(value(i));
    return made;
}

ValueId Network::integers(const std::string &name, const Shape &shape, bool target) {
    return graph_.add_input(name, ops::DType::int64, shape, target ? Role::target : Role::input);
}

ValueId Network::target(const std::string &name, const Shape &shape) {
    return graph_.add_input(name, ops::DType::fp32, shape, Role::target);
}

ValueId Network::weight(const std::string &name, const Shape &shape, const std::function<double(std::size_t)> &value) {
    return graph_.add_weight(name + ".weight", name, tensor(shape, value));
}

ValueId Network::constant(const std::string &name, const Shape &shape,
                          const std::function<double(std::size_t)> &value) {
    return graph_.add_constant(tensor(shape, value), name);
}

ValueId Network::product(ValueId x, ValueId w, const std::string &name) {
    ops::Matmul attributes;
    attributes.transpose_b = true;
    return graph_.add_node({OpKind::matmul, attributes, {}}, {x, w}, name, "linear");
}

ValueId Network::matmul(ValueId a, ValueId b, const std::string &name, bool transpose_b) {
    ops::Matmul attributes;
    attributes.transpose_b = transpose_b;
    return graph_.add_node({OpKind::matmul, attributes, {}}, {a, b}, name, "matmul");
}

ValueId Network::linear(ValueId x, const std::string &name, std::int64_t out, double deviation, bool bias) {
    const Shape input = graph_.value(x).shape;
    const std::int64_t in = input[input.rank() - 1];
    const ValueId w = weight(name, {out, in}, [&](std::size_t) { return draw_.normal(deviation); });
    const ValueId y = product(x, w, name);
    if (!bias) return y;
    const ValueId b = graph_.add_weight(name + ".bias", name, tensor({out}, [](std::size_t) { return 0.0; }));
    return add(y, b, name + ".add_bias");
}

ValueId Network::apply(OpKind kind, std::vector<ValueId> operands, const std::string &name, const std::string &policy) {
    return graph_.add_node({kind, {}, {}}, std::move(operands), name, policy);
}

ValueId Network::scale(ValueId x, double factor, const std::string &name) {
    return graph_.add_node({OpKind::scale, ops::Scalars{factor, 0}, {}}, {x}, name, "mul");
}

ValueId Network::shift(ValueId x, double term, const std::string &name) {
    return graph_.add_node({OpKind::shift, ops::Scalars{term, 0}, {}}, {x}, name, "add");
}

ValueId Network::power(ValueId x, double exponent, const std::string &name) {
    return graph_.add_node({OpKind::power_scalar, ops::Scalars{exponent, 0}, {}}, {x}, name, "pow");
}

ValueId Network::clip(ValueId x, double low, double high, const std::string &name) {
    return graph_.add_node({OpKind::clip, ops::Scalars{low, high}, {}}, {x}, name, "clamp");
}

ValueId Network::softmax(ValueId x, const std::string &name) {
    return graph_.add_node({OpKind::softmax, ops::Axis{graph_.value(x).shape.rank() - 1}, {}}, {x}, name, "softmax");
}

ValueId Network::log_softmax(ValueId x, const std::string &name) {
    return graph_.add_node({OpKind::log_softmax, ops::Axis{graph_.value(x).shape.rank() - 1}, {}}, {x}, name,
                           "log_softmax");
}

ValueId Network::transpose(ValueId x, const std::vector<int> &order, const std::string &name) {
    return graph_.add_node({OpKind::transpose, ops::Permutation{order}, {}}, {x}, name, "permute");
}

ValueId Network::concat(const std::vector<ValueId> &parts, int axis, const std::string &name) {
    return graph_.add_node({OpKind::concat, ops::Axis{axis}, {}}, parts, name, "cat");
}

ValueId Network::reduce(OpKind kind, ValueId x, const std::string &name, const std::string &policy) {
    return graph_.add_node({kind, ops::Reduction{{graph_.value(x).shape.rank() - 1}, true}, {}}, {x}, name, policy);
}

ValueId Network::mean_all(ValueId x, const std::string &name) {
    return graph_.add_node({OpKind::reduce_mean, ops::Reduction{}, {}}, {x}, name, "mean");
}

ValueId Network::mean_square_error(ValueId prediction, ValueId target, const std::string &name) {
    return mean_all(square(subtract(prediction, target, name + ".error"), name + ".square"), name);
}

ValueId Network::rms_norm(ValueId x, const std::string &name, double epsilon) {
    const Shape shape = graph_.value(x).shape;
    ops::Normalization attributes;
    attributes.axis = shape.rank() - 1;
    attributes.epsilon = epsilon;
    const ValueId gamma = weight(name, {shape[attributes.axis]}, [](std::size_t) { return 1.0; });
    return graph_.add_node({OpKind::rms_norm, attributes, {}}, {x, gamma}, name, "rms_norm");
}

ValueId Network::layer_norm(ValueId x, const std::string &name, double epsilon) {
    const Shape shape = graph_.value(x).shape;
    ops::Normalization attributes;
    attributes.axis = shape.rank() - 1;
    attributes.epsilon = epsilon;
    const ValueId gamma = weight(name, {shape[attributes.axis]}, [](std::size_t) { return 1.0; });
    const ValueId beta =
        graph_.add_weight(name + ".bias", name, tensor({shape[attributes.axis]}, [](std::size_t) { return 0.0; }));
    return graph_.add_node({OpKind::layer_norm, attributes, {}}, {x, gamma, beta}, name, "layer_norm");
}

ValueId Network::embedding(ValueId indices, const std::string &name, std::int64_t rows, std::int64_t width,
                           double deviation) {
    const ValueId table = weight(name, {rows, width}, [&](std::size_t) { return draw_.normal(deviation); });
    return graph_.add_node({OpKind::gather, ops::Axis{0}, {}}, {table, indices}, name, "embedding");
}

void Network::mse(ValueId prediction, ValueId target, double factor) {
    graph_.outputs = {prediction};
    ValueId loss = apply(OpKind::mse_loss, {prediction, target}, "mse", "mse_loss");
    if (factor != 1) loss = scale(loss, factor, "loss");
    graph_.value(loss).role = Role::loss;
    graph_.loss = loss;
}

void Network::cross_entropy(ValueId logits) {
    graph_.outputs = {logits};
    model::attach_loss(graph_, "cross-entropy");
}

void Network::own_loss(ValueId loss) {
    graph_.outputs = {loss};
    graph_.value(loss).role = Role::loss;
    graph_.loss = loss;
}

} // namespace halfscope::hazards
