#include "kernels/judge/product_variant.h"

#include "kernels/judge/exact_operands.h"

#include "emulation/number/conversion.h"
#include "emulation/number/round_array.h"
#include "emulation/ops/matmul/tensor_core_product.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace halfscope::kernels::judge {
namespace {

ops::TensorView view(const ops::HostTensor &tensor) {
    // A view of what is only read.
    return const_cast<ops::HostTensor &>(tensor).view();
}

/// Which steps of k a part takes, ascending.
std::vector<std::int64_t> steps_of(const ProductVariant &v, std::int64_t depth, std::int64_t part) {
    std::vector<std::int64_t> steps;
    if (!v.lengths.empty()) {
        std::int64_t first = 0;
        for (std::int64_t p = 0; p < part; ++p) first += v.lengths[static_cast<std::size_t>(p)];
        const std::int64_t last = std::min(depth, first + v.lengths[static_cast<std::size_t>(part)]);
        for (std::int64_t k = first; k < last; ++k) steps.push_back(k);
        return steps;
    }
    for (std::int64_t first = part * v.tile; first < depth; first += v.parts * v.tile)
        for (std::int64_t k = first; k < std::min(depth, first + v.tile); ++k) steps.push_back(k);
    return steps;
}

/// Columns `steps` of the last axis ([rows, depth] -> [rows, steps]), or rows of the last but one axis.
ops::HostTensor taken(const ops::HostTensor &from, const std::vector<std::int64_t> &steps, bool last_axis) {
    ops::Shape shape = from.shape;
    const int axis = shape.rank() - (last_axis ? 1 : 2);
    const std::int64_t depth = shape[axis], inner = last_axis ? 1 : shape[shape.rank() - 1];
    shape[axis] = static_cast<std::int64_t>(steps.size());
    ops::HostTensor to(from.dtype, shape);
    const std::size_t run = static_cast<std::size_t>(inner) * ops::size_of(from.dtype);
    const std::size_t outer =
        depth * inner == 0 ? 0 : static_cast<std::size_t>(from.shape.elements() / (depth * inner));
    std::byte *out = to.bytes.data();
    for (std::size_t o = 0; o < outer; ++o)
        for (std::size_t i = 0; i < steps.size();) {
            std::size_t count = 1; // neighbours are copied at once
            while (i + count < steps.size() && steps[i + count] == steps[i] + static_cast<std::int64_t>(count)) ++count;
            const std::size_t first = o * static_cast<std::size_t>(depth) + static_cast<std::size_t>(steps[i]);
            std::memcpy(out, from.bytes.data() + first * run, count * run);
            out += count * run;
            i += count;
        }
    return to;
}

void add(std::span<float> to, std::span<const float> from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

void add_c(ops::HostTensor &to, const ops::HostTensor &c) {
    const std::vector<float> values = values_of(view(c));
    const auto out = to.as<float>();
    if (c.shape == to.shape) return add(out, values);
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] += values[static_cast<std::size_t>(broadcast_index(c.shape, to.shape, static_cast<std::int64_t>(i)))];
}

ops::HostTensor joined(std::vector<ops::HostTensor> parts, ProductVariant::Join join) {
    if (join == ProductVariant::Join::in_order || !std::has_single_bit(parts.size())) {
        for (std::size_t i = 1; i < parts.size(); ++i) add(parts[0].as<float>(), parts[i].as<float>());
        return std::move(parts[0]);
    }
    while (parts.size() > 1) {
        const std::size_t half = parts.size() / 2;
        const bool halves = join == ProductVariant::Join::tree;
        for (std::size_t i = 0; i < half; ++i) {
            const std::size_t to = halves ? i : 2 * i, from = halves ? i + half : 2 * i + 1;
            add(parts[to].as<float>(), parts[from].as<float>());
            if (to != i) parts[i] = std::move(parts[to]);
        }
        parts.resize(half);
    }
    return std::move(parts[0]);
}

/// out = c + a b with k ascending, from c or +0, every product rounded before it is added.
void separate_product(const ops::TensorView &a, const ops::TensorView &b, const ops::TensorView *c,
                      const ops::TensorView &out, ops::ThreadPool &threads) {
    const std::int64_t depth = a.shape[a.shape.rank() - 1], n = out.shape[out.shape.rank() - 1],
                       m = out.shape[out.shape.rank() - 2];
    threads.run(out.shape.elements() / std::max<std::int64_t>(1, n), [&](std::int64_t row) {
        const std::int64_t matrix = row / m;
        const float *x =
            a.as<const float>() +
            (broadcast_index(leading_axes(a.shape), leading_axes(out.shape), matrix) * m + row % m) * depth;
        const float *y =
            b.as<const float>() + broadcast_index(leading_axes(b.shape), leading_axes(out.shape), matrix) * depth * n;
        float *sums = out.as<float>() + row * n;
        for (std::int64_t column = 0; column < n; ++column)
            sums[column] =
                c ? static_cast<float>(value_at(*c, broadcast_index(c->shape, out.shape, row * n + column))) : 0.0F;
        for (std::int64_t k = 0; k < depth; ++k)
            for (std::int64_t column = 0; column < n; ++column) sums[column] += x[k] * y[k * n + column];
    });
}

std::string_view format_name(number::FormatId format) { return number::format_of(format).name; }

} // namespace

std::string ProductVariant::name(std::int64_t depth) const {
    std::string text(ops::name_of(model));
    if (separate_products) text = "products rounded, then added";
    if (parts > 1) {
        constexpr std::array<std::string_view, 3> joins{"added in order", "added as a tree of halves",
                                                        "added as a tree of neighbours"};
        if (!lengths.empty())
            text += fmt::format(", k cut into parts of {}", fmt::join(lengths, ", "));
        else if (tile * parts >= depth)
            text += fmt::format(", k cut into {} parts of {}", parts, tile);
        else
            text += fmt::format(", {} accumulators that take turns every {} of k", parts, tile);
        text += fmt::format(", {}", joins[static_cast<std::size_t>(join)]);
    }
    if (lanes > 1) text += fmt::format(", {} of {} lanes", parts > 1 ? "each" : "k", lanes);
    if (c == C::added_last) text += ", c added last";
    if (rounded_operands)
        text +=
            fmt::format(", operands {} to {}", truncated_operands ? "cut" : "rounded", format_name(*rounded_operands));
    if (rounded_parts)
        text +=
            fmt::format(", {} rounded to {}", parts > 1 ? "partial sums" : "the product", format_name(*rounded_parts));
    return text;
}

ops::HostTensor converted(const ops::HostTensor &values, number::FormatId format, bool truncated) {
    ops::DType dtype = ops::DType::fp32;
    if (format == number::FormatId::fp16) dtype = ops::DType::fp16;
    if (format == number::FormatId::bf16) dtype = ops::DType::bf16;
    ops::HostTensor result(dtype, values.shape);
    const std::vector<float> wide = values_of(view(values));
    if (ops::is_16bit(dtype)) {
        number::RoundArrayOptions options;
        if (truncated) options.rounding = number::ArrayRounding::toward_zero;
        number::round_array(wide.data(), wide.size(), format, result.bytes.data(), options);
        return result;
    }
    const number::Format &fp32 = number::format_of(number::FormatId::fp32), &to = number::format_of(format);
    number::RoundingMode mode;
    if (truncated) mode.rounding = number::Rounding::toward_zero;
    const auto out = result.as<std::uint32_t>();
    for (std::size_t i = 0; i < wide.size(); ++i) // tf32's encoding is fp32's with zeros below
        out[i] =
            static_cast<std::uint32_t>(number::convert(fp32, std::bit_cast<std::uint32_t>(wide[i]), to, mode).bits);
    return result;
}

ops::HostTensor rounded_to(const ops::HostTensor &values, ops::DType storage, std::optional<number::FormatId> through,
                           bool truncated) {
    const bool last_is_cut = truncated && !through;
    if (through) return rounded_to(converted(values, *through, truncated), storage);
    if (storage == ops::DType::fp32) {
        ops::HostTensor result(ops::DType::fp32, values.shape);
        const std::vector<float> wide = values_of(view(values));
        if (!wide.empty()) std::memcpy(result.bytes.data(), wide.data(), result.bytes.size());
        return result;
    }
    return converted(values, ops::format_id(storage), last_is_cut);
}

ops::HostTensor compute(const ProductVariant &v, const ProductInputs &inputs, ops::ThreadPool &threads) {
    const bool rounds = v.rounded_operands.has_value();
    const ops::HostTensor a = rounds ? converted(inputs.a, *v.rounded_operands, v.truncated_operands) : inputs.a;
    const ops::HostTensor b = rounds ? converted(inputs.b, *v.rounded_operands, v.truncated_operands) : inputs.b;
    const bool starts = inputs.c && v.c == ProductVariant::C::starts;
    const auto chain = [&](const std::vector<std::int64_t> &steps, const ops::TensorView *c) {
        const bool whole = static_cast<std::int64_t>(steps.size()) == inputs.depth();
        const ops::HostTensor left = whole ? a : taken(a, steps, true);
        const ops::HostTensor right = whole ? b : taken(b, steps, false);
        ops::HostTensor result(ops::DType::fp32, inputs.shape);
        if (v.separate_products)
            separate_product(view(left), view(right), c, result.view(), threads);
        else
            ops::tensor_core_product(v.model, view(left), view(right), c, result.view(), threads);
        return result;
    };
    std::vector<ops::HostTensor> parts;
    for (std::int64_t part = 0; part < v.parts; ++part) {
        const auto steps = steps_of(v, inputs.depth(), part);
        if (steps.empty() && part > 0) continue; // more parts than steps
        const ops::TensorView c = starts && part == 0 ? view(*inputs.c) : ops::TensorView{};
        std::vector<ops::HostTensor> lanes;
        for (std::int64_t lane = 0; lane < v.lanes; ++lane) {
            std::vector<std::int64_t> own;
            for (std::size_t i = static_cast<std::size_t>(lane); i < steps.size();
                 i += static_cast<std::size_t>(v.lanes))
                own.push_back(steps[i]);
            lanes.push_back(chain(own, c.data && lane == 0 ? &c : nullptr));
        }
        ops::HostTensor result = joined(std::move(lanes), ProductVariant::Join::in_order);
        if (v.rounded_parts) result = rounded_to(result, ops::DType::fp32, v.rounded_parts);
        parts.push_back(std::move(result));
    }
    ops::HostTensor total = joined(std::move(parts), v.join);
    if (inputs.c && !starts) add_c(total, *inputs.c);
    return total;
}

ProductInputs inputs_of_elements(const ProductInputs &inputs, const std::vector<std::int64_t> &elements) {
    const auto count = static_cast<std::int64_t>(elements.size());
    const std::int64_t depth = inputs.depth(), n = inputs.shape[inputs.shape.rank() - 1],
                       m = inputs.shape[inputs.shape.rank() - 2];
    const std::size_t width = ops::size_of(inputs.a.dtype);
    ProductInputs some;
    some.a = ops::HostTensor(inputs.a.dtype, {count, 1, depth});
    some.b = ops::HostTensor(inputs.b.dtype, {count, depth, 1});
    some.shape = {count, 1, 1};
    if (inputs.c) some.c = ops::HostTensor(inputs.c->dtype, {count, 1, 1});
    for (std::int64_t e = 0; e < count; ++e) {
        const std::int64_t index = elements[static_cast<std::size_t>(e)], matrix = index / (m * n);
        const std::int64_t row =
            broadcast_index(leading_axes(inputs.a.shape), leading_axes(inputs.shape), matrix) * m + index / n % m;
        const std::int64_t top =
            broadcast_index(leading_axes(inputs.b.shape), leading_axes(inputs.shape), matrix) * depth * n + index % n;
        const auto at = [width](std::int64_t element) { return static_cast<std::size_t>(element) * width; };
        if (depth > 0)
            std::memcpy(some.a.bytes.data() + at(e * depth), inputs.a.bytes.data() + at(row * depth), at(depth));
        for (std::int64_t k = 0; k < depth; ++k)
            std::memcpy(some.b.bytes.data() + at(e * depth + k), inputs.b.bytes.data() + at(top + k * n), width);
        if (!inputs.c) continue;
        const std::size_t c_width = ops::size_of(inputs.c->dtype);
        std::memcpy(some.c->bytes.data() + static_cast<std::size_t>(e) * c_width,
                    inputs.c->bytes.data() +
                        static_cast<std::size_t>(broadcast_index(inputs.c->shape, inputs.shape, index)) * c_width,
                    c_width);
    }
    return some;
}

} // namespace halfscope::kernels::judge
