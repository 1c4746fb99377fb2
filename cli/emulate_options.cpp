#include "cli/emulate_options.h"

#include "cli/tensor_files.h"
#include "emulation/data/npy.h"
#include "emulation/ops/matmul/accumulation_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace halfscope::cli {
namespace {

using kernels::judge::RowTask;
using number::FormatId;

void add_result_flags(CLI::App &command, TensorOptions &o) {
    command.add_option("--result", o.result,
                       "Storage of the result: fp32 (float32), fp16 (float16), bf16 (uint16 bit patterns)");
    command.add_option("--threads", o.threads, "Threads; 0 takes all cores")->check(CLI::NonNegativeNumber);
}

FormatId required_format(const TensorOptions &o) {
    if (o.format.empty())
        throw std::invalid_argument("--format is required: fp16, bf16, tf32 or fp32, the format of the operands");
    return format_named(o.format, "--format");
}

void require(const std::string &value, const char *flag, const char *what) {
    if (value.empty()) throw std::invalid_argument(fmt::format("{} is required: {}", flag, what));
}

ops::DType result_type(const TensorOptions &o, ops::DType otherwise) {
    if (o.result.empty()) return otherwise;
    switch (format_named(o.result, "--result")) {
    case FormatId::fp16: return ops::DType::fp16;
    case FormatId::bf16: return ops::DType::bf16;
    default: return ops::DType::fp32;
    }
}

ops::Shape leading_axes(const ops::Shape &shape, int kept_out) {
    return ops::Shape(shape.sizes().first(static_cast<std::size_t>(shape.rank() - kept_out)));
}

/// NumPy broadcasting of the axes before the last two.
ops::Shape broadcast(const ops::Shape &a, const ops::Shape &b, const std::string &files) {
    const ops::Shape &longer = a.rank() >= b.rank() ? a : b, &shorter = a.rank() >= b.rank() ? b : a;
    ops::Shape shape = longer;
    const int shift = longer.rank() - shorter.rank();
    for (int axis = shift; axis < longer.rank(); ++axis) {
        const std::int64_t x = longer[axis], y = shorter[axis - shift];
        if (x != y && x != 1 && y != 1)
            throw std::invalid_argument(
                fmt::format("{}: leading axes {} and {} do not broadcast", files, a.text(), b.text()));
        shape[axis] = x == 1 ? y : x;
    }
    return shape;
}

/// C's storage: what it is in the file.
ops::HostTensor read_c(const TensorOptions &o, ops::Accumulation model) {
    ops::HostTensor c = read_results(o.c, "--c");
    const ops::DType accumulator = ops::accumulator_of(model);
    if (ops::is_16bit(accumulator) && c.dtype != accumulator)
        return read_operand(o.c, ops::format_id(accumulator), "--c");
    return c;
}

/// "tree (32 lanes, ...); lanes-2, lanes-4 (strided accumulators, ...); ...".
std::string described_models(RowTask task) {
    std::string text;
    std::string_view description;
    for (const auto &model : kernels::judge::row_models()) {
        if (model.task != task) continue;
        if (model.description == description)
            text += fmt::format(", {}", model.name);
        else
            text += fmt::format("{}{}", text.empty() ? "" : fmt::format(" ({}); ", description), model.name);
        description = model.description;
    }
    return text + fmt::format(" ({})", description);
}

} // namespace

void add_product_flags(CLI::App &command, TensorOptions &o) {
    command.add_option("--a", o.a, std::string("Left operand, .npy. ") + operand_files_help);
    command.add_option("--b", o.b, "Right operand, .npy; leading axes broadcast as NumPy's matmul broadcasts them");
    command.add_option("--c", o.c, "What the accumulation starts from, .npy: float32, or the accumulator's format");
    command.add_option("--format", o.format, "Format of a and b: fp16, bf16, tf32, fp32");
    command.add_option("--model", o.model,
                       "How it accumulates (default fma-chain): fma-chain, volta, turing, ampere, ada, hopper, "
                       "blackwell, hopper-fp16acc, ..., cpu-avx512bf16, fp16-fma-chain, bf16-fma-chain");
    add_result_flags(command, o);
}

void add_row_flags(CLI::App &command, TensorOptions &o, RowTask task) {
    command.add_option("--model", o.model, "Order, default first: " + described_models(task));
    command.add_option("--in", o.in, std::string("Input, .npy. ") + operand_files_help);
    command.add_option("--format", o.format, "Format of the input: fp16, bf16, fp32");
    command.add_option("--axis", o.axis,
                       task == RowTask::layer_norm ? "First normalised axis" : "Axis; negative counts from the end");
    if (task == RowTask::layer_norm) {
        command.add_option("--eps", o.epsilon, "Added to the variance")
            ->check(CLI::NonNegativeNumber)
            ->capture_default_str();
        command.add_option("--scale", o.scale, "gamma, .npy, as the normalised axes, in the input's format or float32");
        command.add_option("--bias", o.bias, "beta, .npy, likewise");
    }
    add_result_flags(command, o);
}

void add_rounding_flags(CLI::App &command, TensorOptions &o) {
    command.add_option("--in", o.in, "Values, .npy: float32, float64 or float16");
    command.add_option("--format", o.format, "Format to round to: fp16, bf16, tf32");
    command.add_option("--rounding", o.rounding, "nearest-even, nearest-away, toward-zero, up, down, stochastic")
        ->capture_default_str();
    command.add_option("--subnormals", o.subnormals, "keep, or flush to zero")->capture_default_str();
    command.add_option("--overflow", o.overflow, "infinity, or saturate to the largest finite value")
        ->capture_default_str();
    command.add_option("--seed", o.seed, "Seed of stochastic rounding")->capture_default_str();
}

Product read_product(const TensorOptions &o, bool dot) {
    const FormatId format = required_format(o);
    Product product;
    product.model = ops::accumulation_from(o.model.empty() ? "fma-chain" : o.model);
    require(o.a, "--a", "the left operand, a .npy file");
    require(o.b, "--b", "the right operand, a .npy file");
    kernels::judge::ProductInputs &in = product.inputs;
    in.a = read_operand(o.a, format, "--a");
    in.b = read_operand(o.b, format, "--b");
    const std::string refusal = ops::refusal(product.model, in.a.dtype, in.b.dtype);
    if (!refusal.empty()) throw std::invalid_argument(fmt::format("--model {}: {}", o.model, refusal));
    if (format == FormatId::tf32 && !ops::takes_blocks(product.model)) {
        in.a = kernels::judge::converted(in.a, FormatId::tf32, true);
        in.b = kernels::judge::converted(in.b, FormatId::tf32, true);
    } else if (format == FormatId::fp32 && ops::takes_blocks(product.model)) {
        throw std::invalid_argument(
            fmt::format("--model {}: the unit reads fp32 operands as tf32, their low 13 bits cut; "
                        "say so with --format tf32",
                        o.model));
    }
    const std::string files = fmt::format("{} {} and {} {}", o.a, in.a.shape.text(), o.b, in.b.shape.text());
    if (dot) {
        if (in.a.shape.rank() < 1 || !(in.a.shape == in.b.shape))
            throw std::invalid_argument(files + ": a dot product needs two arrays of one shape");
        const std::int64_t k = in.a.shape[in.a.shape.rank() - 1];
        ops::Shape row = leading_axes(in.a.shape, 1), column = row;
        in.shape = row;
        for (const std::int64_t size : {std::int64_t{1}, k}) row.append(size);
        for (const std::int64_t size : {k, std::int64_t{1}}) column.append(size);
        in.a.shape = row;
        in.b.shape = column;
        in.shape.append(1);
        in.shape.append(1);
    } else {
        if (in.a.shape.rank() < 2 || in.b.shape.rank() < 2)
            throw std::invalid_argument(files + ": a matrix product needs two axes or more of each");
        const std::int64_t k = in.a.shape[in.a.shape.rank() - 1];
        if (k != in.b.shape[in.b.shape.rank() - 2])
            throw std::invalid_argument(fmt::format("{}: inner sizes {} and {} differ; is one of them transposed?",
                                                    files, k, in.b.shape[in.b.shape.rank() - 2]));
        in.shape = broadcast(leading_axes(in.a.shape, 2), leading_axes(in.b.shape, 2), files);
        in.shape.append(in.a.shape[in.a.shape.rank() - 2]);
        in.shape.append(in.b.shape[in.b.shape.rank() - 1]);
    }
    if (!o.c.empty()) {
        ops::HostTensor c = read_c(o, product.model);
        ops::Shape target = dot ? leading_axes(in.shape, 2) : in.shape;
        bool fits = c.shape.rank() <= target.rank();
        for (int axis = 1; fits && axis <= c.shape.rank(); ++axis) {
            const std::int64_t size = c.shape[c.shape.rank() - axis];
            fits = size == 1 || size == target[target.rank() - axis];
        }
        if (!fits)
            throw std::invalid_argument(fmt::format("--c: {} of shape {} does not broadcast to the result's {}", o.c,
                                                    c.shape.text(), target.text()));
        if (dot) {
            c.shape.append(1);
            c.shape.append(1);
        }
        in.c = std::move(c);
    }
    product.result = result_type(
        o, ops::is_16bit(ops::accumulator_of(product.model)) ? ops::accumulator_of(product.model) : ops::DType::fp32);
    return product;
}

ops::Shape dot_shape(const Product &product) { return leading_axes(product.inputs.shape, 2); }

namespace {

/// Moves an axis: `to_last` from its place to the last one, else back.
ops::HostTensor moved(const ops::HostTensor &from, int axis, bool to_last) {
    const int rank = from.shape.rank();
    if (rank == 0 || axis == rank - 1) return from;
    std::vector<std::int64_t> sizes(from.shape.sizes().begin(), from.shape.sizes().end());
    const std::int64_t size = to_last ? from.shape[axis] : from.shape[rank - 1];
    if (to_last) {
        sizes.erase(sizes.begin() + axis);
        sizes.push_back(size);
    } else {
        sizes.pop_back();
        sizes.insert(sizes.begin() + axis, size);
    }
    ops::HostTensor to(from.dtype, ops::Shape(std::span<const std::int64_t>(sizes)));
    // Elements behind the axis, in the order where it is not last.
    std::int64_t inner = 1;
    const ops::Shape &wide = to_last ? from.shape : to.shape;
    for (int i = axis + 1; i < rank; ++i) inner *= wide[i];
    const std::size_t width = ops::size_of(from.dtype);
    for (std::int64_t i = 0; i < from.shape.elements(); ++i) { // i counts where the axis is in its place
        const std::int64_t o = i / (size * inner), j = i / inner % size, k = i % inner;
        const std::int64_t last = (o * inner + k) * size + j;
        std::memcpy(to.bytes.data() + static_cast<std::size_t>(to_last ? last : i) * width,
                    from.bytes.data() + static_cast<std::size_t>(to_last ? i : last) * width, width);
    }
    return to;
}

} // namespace

Rows read_rows(const TensorOptions &o, RowTask task) {
    const FormatId format = required_format(o);
    require(o.in, "--in", "the input, a .npy file");
    Rows rows;
    kernels::judge::RowInputs &in = rows.inputs;
    in.task = task;
    in.epsilon = o.epsilon;
    in.x = read_operand(o.in, format, "--in");
    rows.file_shape = in.x.shape;
    const int rank = in.x.shape.rank();
    rows.axis = o.axis < 0 ? o.axis + rank : o.axis;
    if (rows.axis < 0 || rows.axis >= rank)
        throw std::invalid_argument(
            fmt::format("--axis {} lies outside the shape {} of {}", o.axis, in.x.shape.text(), o.in));
    if (task == RowTask::layer_norm) {
        ops::Shape flat = leading_axes(in.x.shape, rank - rows.axis);
        std::int64_t length = 1;
        for (int axis = rows.axis; axis < rank; ++axis) length *= in.x.shape[axis];
        flat.append(length);
        in.x.shape = flat;
        const auto weights = [&](const std::string &file, const char *flag) -> std::optional<ops::HostTensor> {
            if (file.empty()) return std::nullopt;
            ops::HostTensor values = read_results(file, flag);
            if (values.shape.elements() != length)
                throw std::invalid_argument(
                    fmt::format("{}: {} of shape {} does not fit the {} normalised elements of {}", flag, file,
                                values.shape.text(), length, o.in));
            values.shape = {length};
            return values;
        };
        in.gamma = weights(o.scale, "--scale");
        in.beta = weights(o.bias, "--bias");
    } else {
        in.x = moved(in.x, rows.axis, true);
    }
    rows.model = o.model.empty() ? (task == RowTask::sum ? "tree" : "fp32") : o.model;
    (void)kernels::judge::row_model_named(task, rows.model);
    rows.result = result_type(o, task == RowTask::sum ? ops::DType::fp32 : in.x.dtype);
    return rows;
}

ops::Shape result_file_shape(const Rows &rows) {
    if (rows.inputs.task == RowTask::sum) return rows.inputs.result_shape();
    return rows.file_shape;
}

ops::HostTensor in_file_order(const Rows &rows, ops::HostTensor result) {
    if (rows.inputs.task == RowTask::softmax) return moved(result, rows.axis, false);
    result.shape = result_file_shape(rows);
    return result;
}

ops::HostTensor axis_last(const Rows &rows, const ops::HostTensor &from_file) {
    if (rows.inputs.task == RowTask::softmax) return moved(from_file, rows.axis, true);
    ops::HostTensor result = from_file;
    result.shape = rows.inputs.result_shape();
    return result;
}

Rounding read_rounding(const TensorOptions &o) {
    require(o.format, "--format", "the format to round to: fp16, bf16 or tf32");
    require(o.in, "--in", "the values, a .npy file");
    Rounding rounding;
    rounding.rule.format = format_named(o.format, "--format");
    const auto one_of = [](const std::string &value, const char *flag, const std::vector<std::string_view> &names) {
        const auto found = std::find(names.begin(), names.end(), value);
        if (found == names.end())
            throw std::invalid_argument(fmt::format("{}: '{}' is none of {}", flag, value, fmt::join(names, ", ")));
        return static_cast<int>(found - names.begin());
    };
    std::vector<std::string_view> roundings;
    for (int i = 0; i <= static_cast<int>(number::Rounding::stochastic); ++i)
        roundings.push_back(kernels::judge::name_of(static_cast<number::Rounding>(i)));
    rounding.rule.mode.rounding = static_cast<number::Rounding>(one_of(o.rounding, "--rounding", roundings));
    rounding.rule.mode.flush_subnormals = one_of(o.subnormals, "--subnormals", {"keep", "flush"}) == 1;
    rounding.rule.mode.saturate = one_of(o.overflow, "--overflow", {"infinity", "saturate"}) == 1;
    data::Array array;
    try {
        array = data::read_npy(o.in);
    } catch (const std::runtime_error &error) {
        throw std::runtime_error(fmt::format("--in: {}", error.what()));
    }
    if (!data::is_floating(array.type))
        throw std::invalid_argument(
            fmt::format("--in: {} holds integers; values to be rounded are float32, float64 or float16", o.in));
    rounding.x.shape = ops::Shape(array.shape);
    rounding.x.dtype = array.type == data::ElementType::f64   ? ops::DType::fp64
                       : array.type == data::ElementType::f32 ? ops::DType::fp32
                                                              : ops::DType::fp16;
    rounding.x.bytes = std::move(array.bytes);
    return rounding;
}

} // namespace halfscope::cli
