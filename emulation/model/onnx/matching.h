// Small questions that patterns ask.
#pragma once

#include "emulation/model/onnx/draft.h"

#include <cmath>

namespace halfscope::model::importing {

[[nodiscard]] inline bool is_activation(const Draft &draft, ValueId id) {
    const auto kind = draft.value(id).kind;
    return kind == DraftValue::Kind::activation || kind == DraftValue::Kind::input;
}

/// A floating initialiser, trained or kept.
[[nodiscard]] inline bool is_parameter(const Draft &draft, ValueId id) {
    const DraftValue &value = draft.value(id);
    return !value.source.empty() && ops::is_floating(value.dtype);
}

/// Numbers of a formula as programs write them: from "1.41" (BERT) to the last bit.
[[nodiscard]] inline bool is_about(double value, double expected) {
    constexpr double sloppiest = 5e-3; // sqrt 2 as 1.41 is off by 3e-3
    return std::abs(value - expected) <= sloppiest * std::abs(expected);
}

/// The node becomes another operation that makes the same first result.
inline void replace(DraftNode &node, ops::Operation operation, std::vector<ValueId> inputs, std::string policy) {
    node.operation = std::move(operation);
    node.inputs = std::move(inputs);
    node.outputs.resize(1);
    node.policy = std::move(policy);
    node.output_dtype.reset();
    node.output_shape.reset();
}

} // namespace halfscope::model::importing
