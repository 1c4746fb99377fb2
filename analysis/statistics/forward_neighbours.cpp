#include "analysis/statistics/forward_neighbours.h"

namespace halfscope::analysis {

namespace {

bool is_made_by(const TensorHistory &tensor, std::string_view operation) {
    if (operation.ends_with('*')) return tensor.info.operation.starts_with(operation.substr(0, operation.size() - 1));
    return tensor.info.operation == operation;
}

bool is_forward_value(const TensorHistory &t) { return !t.info.backward && t.info.role != "weight"; }

} // namespace

const TensorHistory *next_forward(const RunRanges &ranges, const TensorHistory &tensor, std::string_view operation,
                                  std::int64_t within) {
    for (const TensorHistory &later : ranges.tensors)
        if (later.info.order > tensor.info.order && later.info.order <= tensor.info.order + within &&
            is_forward_value(later) && is_made_by(later, operation))
            return &later;
    return nullptr;
}

const TensorHistory *previous_forward(const RunRanges &ranges, const TensorHistory &tensor, std::string_view operation,
                                      std::int64_t within) {
    const TensorHistory *nearest = nullptr;
    for (const TensorHistory &earlier : ranges.tensors)
        if (earlier.info.order < tensor.info.order && earlier.info.order >= tensor.info.order - within &&
            is_forward_value(earlier) && is_made_by(earlier, operation))
            nearest = &earlier;
    return nearest;
}

bool is_masked_score(const RunRanges &ranges, const TensorHistory &tensor) {
    const std::string &operation = tensor.info.operation;
    // A padding flag times the constant is one too.
    if (operation != "where" && operation != "add" && operation != "subtract" && operation != "scale" &&
        operation != "multiply")
        return false;
    const number::RangeStatistics &s = tensor.summary.total;
    const bool negative = s.sum <= -0.5 * double{s.amax};
    return negative && (next_forward(ranges, tensor, "softmax") || next_forward(ranges, tensor, "log_softmax"));
}

} // namespace halfscope::analysis
