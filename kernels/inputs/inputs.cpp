#include "kernels/inputs/inputs.h"

#include "kernels/inputs/elementwise_cases.h"
#include "kernels/inputs/rows.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace halfscope::kernels {
namespace {

using ops::HostTensor;
using ops::Shape;

constexpr std::int64_t default_elements = std::int64_t{1} << 20, default_length = 256, default_order = 64;
constexpr std::int64_t row_count = 256; ///< rows of sum, dot, softmax and layer_norm: each kind 16 times
/// Rows of dot's b and c that are of one kind, one after the other, so that all kinds meet.
constexpr std::size_t dot_repeat_b = 16, dot_repeat_c = 4;

HostTensor tensor_of(const std::vector<std::uint32_t> &patterns, number::FormatId format, const Shape &shape) {
    HostTensor tensor(storage_of(format), shape);
    const std::size_t size = ops::size_of(tensor.dtype);
    for (std::size_t i = 0; i < patterns.size(); ++i)
        std::memcpy(tensor.bytes.data() + i * size, &patterns[i], size); // little-endian
    return tensor;
}

/// Where the order is free, whether a partial sum overflows would be free too: exponents are then kept so low that none
/// does, 2^12 of the largest terms included.
int highest_exponent(const Kernel &kernel) {
    const number::Format &accumulator = number::format_of(kernel.accumulator.value_or(number::FormatId::fp32));
    const number::Format &result = number::format_of(kernel.result);
    if (kernel.defines_bits) return std::max(accumulator.emax, result.emax);
    const bool products = kernel.task == Task::dot || kernel.task == Task::matmul || kernel.task == Task::layer_norm;
    return (std::min(accumulator.emax, result.emax) - 12) / (products ? 2 : 1);
}

/// rows x length, each row of one kind; a kind comes `repeat` rows in a row, so that operands with different `repeat`
/// meet in all combinations.
HostTensor rows_of(const Kernel &kernel, number::FormatId format, std::int64_t rows, std::int64_t length,
                   std::size_t repeat, Draw &draw) {
    std::vector<std::uint32_t> patterns(static_cast<std::size_t>(rows * length));
    const std::span<std::uint32_t> all(patterns);
    const auto row_length = static_cast<std::size_t>(length);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
        fill_row(row_kind(row / repeat), number::format_of(format), highest_exponent(kernel), draw,
                 all.subspan(row * row_length, row_length));
    return tensor_of(patterns, format, Shape{rows, length});
}

HostTensor reshaped(HostTensor tensor, const Shape &shape) {
    tensor.shape = shape;
    return tensor;
}

/// Two rows of dot products meet as the rows of a matmul's operands do: all kinds with all kinds.
std::vector<HostTensor> dot_inputs(const Kernel &kernel, std::int64_t length, Draw &draw) {
    HostTensor a = rows_of(kernel, kernel.operands, row_count, length, 1, draw);
    HostTensor b = rows_of(kernel, kernel.operands, row_count, length, dot_repeat_b, draw);
    HostTensor c = reshaped(rows_of(kernel, kernel.format_of_c(), row_count, 1, dot_repeat_c, draw), Shape{row_count});
    // Half of the rows start from zero, so that a span in c does not hide what the products do.
    const std::size_t size = ops::size_of(c.dtype);
    std::memset(c.bytes.data(), 0, c.bytes.size() / 2 / size * size);
    std::vector<HostTensor> inputs;
    inputs.push_back(std::move(a));
    inputs.push_back(std::move(b));
    inputs.push_back(std::move(c));
    return inputs;
}

std::vector<HostTensor> matmul_inputs(const Kernel &kernel, std::int64_t order, Draw &draw) {
    std::vector<HostTensor> inputs;
    inputs.push_back(rows_of(kernel, kernel.operands, order, order, 1, draw));
    HostTensor b = rows_of(kernel, kernel.operands, order, order, 1, draw);
    inputs.push_back(transposed(b.view()));
    HostTensor c = rows_of(kernel, kernel.format_of_c(), order, order, 1, draw);
    std::memset(c.bytes.data(), 0, c.bytes.size() / 2);
    inputs.push_back(std::move(c));
    return inputs;
}

std::vector<HostTensor> layer_norm_inputs(const Kernel &kernel, std::int64_t length, Draw &draw) {
    std::vector<HostTensor> inputs;
    inputs.push_back(rows_of(kernel, kernel.operands, row_count, length, 1, draw));
    std::vector<std::uint32_t> gamma(static_cast<std::size_t>(length)), beta(gamma.size());
    fill_row(RowKind::ordinary, number::format_of(number::FormatId::fp32), 127, draw, gamma);
    fill_row(RowKind::ordinary, number::format_of(number::FormatId::fp32), 127, draw, beta);
    inputs.push_back(tensor_of(gamma, number::FormatId::fp32, Shape{length}));
    inputs.push_back(tensor_of(beta, number::FormatId::fp32, Shape{length}));
    return inputs;
}

std::vector<HostTensor> elementwise_inputs(const Kernel &kernel, std::int64_t elements, std::uint64_t seed) {
    const ElementwiseCases cases =
        elementwise_cases(kernel.task, number::format_of(kernel.operands), number::format_of(kernel.result),
                          static_cast<std::size_t>(elements), seed);
    std::vector<HostTensor> inputs;
    for (const auto &operand : cases)
        inputs.push_back(tensor_of(operand, kernel.operands, Shape{static_cast<std::int64_t>(operand.size())}));
    return inputs;
}

} // namespace

HostTensor transposed(const ops::TensorView &matrix) {
    const std::int64_t rows = matrix.shape[0], columns = matrix.shape[1];
    HostTensor result(matrix.dtype, Shape{columns, rows});
    const std::size_t size = ops::size_of(matrix.dtype);
    for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t column = 0; column < columns; ++column)
            std::memcpy(result.bytes.data() + static_cast<std::size_t>(column * rows + row) * size,
                        matrix.as<const std::byte>() + static_cast<std::size_t>(row * columns + column) * size, size);
    return result;
}

std::vector<HostTensor> make_inputs(const Kernel &kernel, const InputOptions &options) {
    if (options.size < 0) throw std::invalid_argument("a size must be positive");
    const auto size_or = [&](std::int64_t fallback) {
        const std::int64_t size = options.size > 0 ? options.size : fallback;
        return is_elementwise(kernel.task)
                   ? size
                   : (size + kernel.length_multiple - 1) / kernel.length_multiple * kernel.length_multiple;
    };
    Draw draw(options.seed, static_cast<std::uint32_t>(kernel.task));
    std::vector<HostTensor> inputs;
    switch (kernel.task) {
    case Task::sum:
    case Task::softmax:
        inputs.push_back(rows_of(kernel, kernel.operands, row_count, size_or(default_length), 1, draw));
        return inputs;
    case Task::dot: return dot_inputs(kernel, size_or(default_length), draw);
    case Task::matmul: return matmul_inputs(kernel, size_or(default_order), draw);
    case Task::layer_norm: return layer_norm_inputs(kernel, size_or(default_length), draw);
    default: return elementwise_inputs(kernel, size_or(default_elements), options.seed);
    }
}

judge::ElementChoice ordinary_elements(Task task, const Shape &result) {
    const auto ordinary = [](std::int64_t row, std::size_t repeat) {
        return is_ordinary(row_kind(static_cast<std::size_t>(row) / repeat));
    };
    switch (task) {
    case Task::sum: return [ordinary](std::int64_t row) { return ordinary(row, 1); };
    case Task::dot:
        return [ordinary](std::int64_t row) {
            return ordinary(row, 1) && ordinary(row, dot_repeat_b) &&
                   (row < row_count / 2 || ordinary(row, dot_repeat_c));
        };
    case Task::matmul: // c's rows are of a's kinds, or zero
        return [ordinary, columns = result[1]](std::int64_t index) {
            return ordinary(index / columns, 1) && ordinary(index % columns, 1);
        };
    case Task::softmax:
    case Task::layer_norm:
        return [ordinary, length = result[1]](std::int64_t index) { return ordinary(index / length, 1); };
    default: return {};
    }
}

Shape result_shape(Task task, std::span<const HostTensor> inputs) {
    switch (task) {
    case Task::sum:
    case Task::dot: return Shape{inputs[0].shape[0]};
    case Task::matmul: return Shape{inputs[0].shape[0], inputs[1].shape[1]};
    default: return inputs[0].shape;
    }
}

} // namespace halfscope::kernels
