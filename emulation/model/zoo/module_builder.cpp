#include "emulation/model/zoo/module_builder.h"

namespace halfscope::model::zoo {

using ops::OpKind;

ValueId ModuleBuilder::uniform_weight(const std::string &path, const char *what, const ops::Shape &shape,
                                      std::int64_t fan_in) {
    return graph_.add_weight(path + "." + what, path, uniform_tensor(shape, default_bound(fan_in), next_key()));
}

ValueId ModuleBuilder::normal_weight(const std::string &path, const ops::Shape &shape, float deviation) {
    return graph_.add_weight(path + ".weight", path, normal_tensor(shape, deviation, next_key()));
}

ValueId ModuleBuilder::constant_weight(const std::string &path, const char *what, std::int64_t size, float value) {
    return graph_.add_weight(path + "." + what, path, constant_tensor({size}, value));
}

ValueId ModuleBuilder::linear(ValueId x, const std::string &path, std::int64_t out, bool bias, float deviation) {
    const ops::Shape input = shape(x);
    const std::int64_t in = input[input.rank() - 1];
    std::vector<ValueId> operands{x};
    operands.push_back(deviation == 0 ? uniform_weight(path, "weight", {out, in}, in)
                                      : normal_weight(path, {out, in}, deviation));
    if (bias)
        operands.push_back(deviation == 0 ? uniform_weight(path, "bias", {out}, in)
                                          : constant_weight(path, "bias", out, 0));
    ops::Matmul product;
    product.transpose_b = true;
    return graph_.add_node({OpKind::matmul, product, {}}, std::move(operands), path, "linear");
}

ValueId ModuleBuilder::conv2d(ValueId x, const std::string &path, std::int64_t out, std::int64_t kernel,
                              std::int64_t stride, bool bias) {
    const std::int64_t in = shape(x)[1], fan_in = in * kernel * kernel, padding = kernel / 2;
    std::vector<ValueId> operands{x, uniform_weight(path, "weight", {out, in, kernel, kernel}, fan_in)};
    if (bias) operands.push_back(uniform_weight(path, "bias", {out}, fan_in));
    ops::Convolution window;
    window.strides = {stride, stride};
    window.pads_begin = window.pads_end = {padding, padding};
    return graph_.add_node({OpKind::convolution, window, {}}, std::move(operands), path, "conv2d");
}

ValueId ModuleBuilder::batch_norm(ValueId x, const std::string &path) {
    const std::int64_t channels = shape(x)[1];
    const ValueId weight = constant_weight(path, "weight", channels, 1);
    const ValueId bias = constant_weight(path, "bias", channels, 0);
    const ValueId mean = graph_.add_buffer(path + ".running_mean", path, constant_tensor({channels}, 0));
    const ValueId variance = graph_.add_buffer(path + ".running_var", path, constant_tensor({channels}, 1));
    return graph_.add_node({OpKind::batch_norm_training, {}, {}}, {x, weight, bias, mean, variance}, path,
                           "batch_norm");
}

ValueId ModuleBuilder::layer_norm(ValueId x, const std::string &path) {
    const ops::Shape input = shape(x);
    ops::Normalization normalization;
    normalization.axis = input.rank() - 1;
    const std::int64_t width = input[input.rank() - 1];
    const ValueId weight = constant_weight(path, "weight", width, 1);
    const ValueId bias = constant_weight(path, "bias", width, 0);
    return graph_.add_node({OpKind::layer_norm, normalization, {}}, {x, weight, bias}, path, "layer_norm");
}

ValueId ModuleBuilder::relu(ValueId x, const std::string &path) {
    return apply({OpKind::relu, {}, {}}, {x}, path, "relu");
}

ValueId ModuleBuilder::max_pool(ValueId x, const std::string &path, std::int64_t kernel) {
    ops::Pooling window;
    window.kernel = window.strides = {kernel, kernel};
    return apply({OpKind::max_pool, window, {}}, {x}, path, "max_pool2d");
}

ValueId ModuleBuilder::apply(ops::Operation operation, std::vector<ValueId> operands, const std::string &path,
                             const std::string &policy, std::optional<ops::Shape> result) {
    return graph_.add_node(std::move(operation), std::move(operands), path, policy, {}, result);
}

ValueId ModuleBuilder::reshape(ValueId x, const std::string &path, const ops::Shape &result) {
    return apply({OpKind::reshape, {}, {}}, {x}, path, "reshape", result);
}

} // namespace halfscope::model::zoo
