#include "emulation/model/onnx/draft.h"

#include "emulation/model/onnx/evaluate.h"
#include "emulation/model/shape_inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace halfscope::model::importing {

std::string policy_of(ops::OpKind kind) {
    using ops::OpKind;
    switch (kind) {
    case OpKind::cast: return "to";
    case OpKind::negate: return "neg";
    case OpKind::absolute: return "abs";
    case OpKind::exponential: return "exp";
    case OpKind::logarithm: return "log";
    case OpKind::square_root: return "sqrt";
    case OpKind::sine: return "sin";
    case OpKind::cosine: return "cos";
    case OpKind::gelu_tanh: return "gelu";
    case OpKind::hard_sigmoid: return "hardsigmoid";
    case OpKind::hard_swish: return "hardswish";
    case OpKind::clip: return "clamp";
    case OpKind::is_nan: return "isnan";
    case OpKind::power_scalar:
    case OpKind::power: return "pow";
    case OpKind::scale:
    case OpKind::multiply: return "mul";
    case OpKind::shift: return "add";
    case OpKind::subtract: return "sub";
    case OpKind::divide: return "div";
    case OpKind::modulo: return "remainder";
    case OpKind::equal: return "eq";
    case OpKind::less: return "lt";
    case OpKind::less_equal: return "le";
    case OpKind::greater: return "gt";
    case OpKind::greater_equal: return "ge";
    case OpKind::reduce_sum:
    case OpKind::reduce_sum_squares: return "sum";
    case OpKind::reduce_mean: return "mean";
    case OpKind::reduce_max: return "amax";
    case OpKind::reduce_min: return "amin";
    case OpKind::reduce_product: return "prod";
    case OpKind::batch_norm_training:
    case OpKind::batch_norm_inference: return "batch_norm";
    case OpKind::gather: return "index_select";
    case OpKind::gather_elements: return "gather";
    case OpKind::gather_gradient: return "index_add";
    case OpKind::gather_elements_gradient: return "scatter_add";
    case OpKind::top_k: return "topk";
    case OpKind::random_uniform: return "rand_like";
    case OpKind::random_normal: return "randn_like";
    case OpKind::transpose: return "permute";
    case OpKind::concat: return "cat";
    case OpKind::cumulative_sum: return "cumsum";
    case OpKind::trilu: return "triu";
    default: return std::string(ops::name_of(kind));
    }
}

ValueId Draft::add_value(DraftValue value) {
    values.push_back(std::move(value));
    return static_cast<ValueId>(values.size() - 1);
}

ValueId Draft::add_constant(ops::HostTensor data) {
    return add_constant(std::make_shared<const ops::HostTensor>(std::move(data)));
}

ValueId Draft::add_constant(Tensor data) {
    DraftValue value;
    value.kind = DraftValue::Kind::constant;
    value.dtype = data->dtype;
    value.shape = data->shape;
    value.data = std::move(data);
    return add_value(std::move(value));
}

std::vector<ValueId> Draft::emit(ops::Operation operation, std::vector<ValueId> operands, const Origin &origin,
                                 Emission emission) {
    std::vector<Operand> facts;
    bool known = !operands.empty();
    for (ValueId id : operands) {
        const DraftValue &operand = value(id);
        known = known && operand.kind == DraftValue::Kind::constant;
        facts.push_back({operand.dtype, operand.shape,
                         operand.kind == DraftValue::Kind::constant && operand.shape.elements() == 1});
    }
    if (emission.shape) (void)checked_shape({emission.shape->sizes().begin(), emission.shape->sizes().end()}, "it");
    complete_attributes(operation, origin.name, facts);
    const std::vector<Result> results = infer_results({operation, origin.name, facts, emission.dtype, emission.shape});
    for (const Result &result : results)
        (void)checked_shape({result.shape.sizes().begin(), result.shape.sizes().end()}, "its result");

    if (known && !ops::draws(operation.kind) && results.size() == 1) {
        if (results[0].shape.elements() > largest_constant)
            throw std::runtime_error(
                fmt::format("it would make a constant of {} elements", results[0].shape.elements()));
        std::vector<const ops::HostTensor *> contents;
        for (ValueId id : operands) contents.push_back(value(id).data.get());
        return {add_constant(evaluate(operation, contents, results[0].dtype, results[0].shape))};
    }

    std::string policy = emission.policy.empty() ? policy_of(operation.kind) : std::move(emission.policy);
    DraftNode node{std::move(operation), std::move(operands), {}, std::move(policy), origin,
                   emission.dtype,       emission.shape};
    for (const Result &result : results) {
        DraftValue output;
        output.dtype = result.dtype;
        output.shape = result.shape;
        node.outputs.push_back(add_value(std::move(output)));
    }
    nodes.push_back(std::move(node));
    return nodes.back().outputs;
}

const ops::HostTensor *Draft::constant(ValueId id) const {
    const DraftValue &found = value(id);
    return found.kind == DraftValue::Kind::constant ? found.data.get() : nullptr;
}

std::optional<double> Draft::scalar(ValueId id) const {
    const ops::HostTensor *data = constant(id);
    if (!data || data->dtype != ops::DType::fp32 || data->shape.elements() != 1) return {};
    return static_cast<double>(data->as<float>()[0]);
}

} // namespace halfscope::model::importing
