// Convolutions and pooling.
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <numeric>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;
using Sizes = std::vector<std::int64_t>;

std::size_t spatial_axes(const NodeContext &node, ValueId x) {
    const int rank = node.rank(x);
    if (rank < 3 || rank > 5) throw Unsupported(fmt::format("{} spatial axes (1 to 3 are supported)", rank - 2));
    return static_cast<std::size_t>(rank - 2);
}

std::string dimensional(std::string_view name, std::size_t axes) { return fmt::format("{}{}d", name, axes); }

struct Pads {
    Sizes begin, end;
};

/// `pads` as stated, or as auto_pad asks for: an output of ceil(input / stride), the odd cell at the end or the start.
Pads pads_of(const NodeContext &node, const Shape &x, const Sizes &kernel, const Sizes &strides,
             const Sizes &dilations) {
    const std::size_t axes = kernel.size();
    const std::string mode = node.node.text("auto_pad", "NOTSET");
    Pads pads{Sizes(axes, 0), Sizes(axes, 0)};
    if (mode == "NOTSET") {
        const Sizes stated = node.window("pads", 2 * axes, 0);
        for (std::size_t i = 0; i < axes; ++i) {
            pads.begin[i] = stated[i];
            pads.end[i] = stated[i + axes];
        }
    } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
        for (std::size_t i = 0; i < axes; ++i) {
            const std::int64_t size = x[static_cast<int>(i) + 2];
            const std::int64_t out = (size + strides[i] - 1) / strides[i];
            const std::int64_t total =
                std::max<std::int64_t>(0, (out - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - size);
            pads.begin[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
            pads.end[i] = total - pads.begin[i];
        }
    } else if (mode != "VALID") {
        throw Unsupported("attribute auto_pad = " + mode);
    }
    return pads;
}

Sizes positive(const NodeContext &node, std::string_view name, std::size_t axes) {
    Sizes sizes = node.window(name, axes, 1);
    for (std::int64_t size : sizes)
        if (size < 1) throw std::runtime_error(fmt::format("attribute '{}' must be positive", name));
    return sizes;
}

std::int64_t groups_of(const NodeContext &node) {
    const std::int64_t groups = node.node.integer("group", 1);
    if (groups < 1 || groups > largest_tensor) throw std::runtime_error("attribute 'group' must be positive");
    return groups;
}

Sizes kernel_of_filter(const NodeContext &node, ValueId x, ValueId w) {
    if (node.rank(w) != node.rank(x)) throw std::runtime_error("its filter does not have the axes of its input");
    Sizes kernel;
    for (int i = 2; i < node.rank(w); ++i) {
        if (node.shape(w)[i] < 1) throw std::runtime_error("its filter is empty");
        kernel.push_back(node.shape(w)[i]);
    }
    return kernel;
}

void convolution(NodeContext &node) {
    const ValueId x = node.in(0), w = node.in(1);
    const std::size_t axes = spatial_axes(node, x);
    const Sizes kernel = kernel_of_filter(node, x, w);
    ops::Convolution window;
    window.strides = positive(node, "strides", axes);
    window.dilations = positive(node, "dilations", axes);
    window.groups = groups_of(node);
    auto [begin, end] = pads_of(node, node.shape(x), kernel, window.strides, window.dilations);
    window.pads_begin = std::move(begin);
    window.pads_end = std::move(end);
    std::vector<ValueId> operands{x, w};
    if (node.has(2)) operands.push_back(node.in(2));
    node.bind(0, node.emit({OpKind::convolution, std::move(window), {}}, operands, {dimensional("conv", axes)}));
}

/// The gradient of a convolution with respect to its input, as a forward operation.
void transposed_convolution(NodeContext &node) {
    const ValueId x = node.in(0), w = node.in(1);
    const std::size_t axes = spatial_axes(node, x);
    const Sizes kernel = kernel_of_filter(node, x, w);
    ops::Convolution window;
    window.strides = positive(node, "strides", axes);
    window.dilations = positive(node, "dilations", axes);
    window.groups = groups_of(node);
    const Sizes extra = node.window("output_padding", axes, 0), stated = node.window("output_shape", axes, 0);
    const bool shape_stated = node.node.attributes.contains("output_shape");
    const std::string mode = node.node.text("auto_pad", "NOTSET");
    if (mode == "NOTSET" && !shape_stated) {
        auto [begin, end] = pads_of(node, node.shape(x), kernel, window.strides, window.dilations);
        window.pads_begin = std::move(begin);
        window.pads_end = std::move(end);
    } else {
        window.pads_begin.assign(axes, 0);
        window.pads_end.assign(axes, 0);
    }
    Shape out{node.shape(x)[0], node.shape(w)[1] * window.groups};
    for (std::size_t i = 0; i < axes; ++i) {
        const std::int64_t size = node.shape(x)[static_cast<int>(i) + 2];
        const std::int64_t full = (size - 1) * window.strides[i] + (kernel[i] - 1) * window.dilations[i] + 1 + extra[i];
        std::int64_t wanted = full - window.pads_begin[i] - window.pads_end[i];
        if (shape_stated || mode == "SAME_UPPER" || mode == "SAME_LOWER") {
            wanted = shape_stated ? stated[i] : size * window.strides[i];
            // What is too much is cut off at both ends; what is missing stays zero at the end.
            const std::int64_t cut = std::max<std::int64_t>(0, full - wanted);
            window.pads_begin[i] = mode == "SAME_UPPER" ? cut / 2 : cut - cut / 2;
            window.pads_end[i] = cut - window.pads_begin[i];
        }
        if (wanted < 1) throw std::runtime_error("its result would be empty");
        out.append(wanted);
    }
    (void)checked_shape({out.sizes().begin(), out.sizes().end()}, "its result");
    const std::string policy = dimensional("conv_transpose", axes);
    ValueId y = node.emit({OpKind::convolution_input_gradient, std::move(window), {}}, {x, w}, {policy, out});
    if (node.has(2)) {
        const ValueId bias = node.in(2);
        Shape channels{1, node.shape(bias).elements()};
        for (std::size_t i = 0; i < axes; ++i) channels.append(1);
        y = node.emit({OpKind::add, {}, {}}, {y, node.reshape(bias, channels)}, {policy});
    }
    node.bind(0, y);
}

ops::Pooling pooling_of(const NodeContext &node, const Shape &x, std::size_t axes) {
    ops::Pooling window;
    if (!node.node.attributes.contains("kernel_shape")) throw std::runtime_error("attribute 'kernel_shape' is missing");
    window.kernel = positive(node, "kernel_shape", axes);
    window.strides = positive(node, "strides", axes);
    window.dilations = positive(node, "dilations", axes);
    auto [begin, end] = pads_of(node, x, window.kernel, window.strides, window.dilations);
    window.pads_begin = std::move(begin);
    window.pads_end = std::move(end);
    if (node.node.integer("ceil_mode", 0) == 0) return window;
    // A last window that starts beyond the input and its leading padding is dropped, as in PyTorch.
    window.ceil_extra.assign(axes, 0);
    for (std::size_t i = 0; i < axes; ++i) {
        const std::int64_t size = x[static_cast<int>(i) + 2], stride = window.strides[i];
        const std::int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
        const std::int64_t room = size + window.pads_begin[i] + window.pads_end[i] - reach;
        if (room < 0) continue; // no window fits: reported with the shapes
        std::int64_t last = (room + stride - 1) / stride;
        if (last * stride >= size + window.pads_begin[i]) --last;
        window.ceil_extra[i] = std::max<std::int64_t>(0, last * stride - room);
        window.pads_end[i] += window.ceil_extra[i];
    }
    return window;
}

void max_pool(NodeContext &node) {
    const ValueId x = node.in(0);
    const std::size_t axes = spatial_axes(node, x);
    if (!node.floating(x)) throw Unsupported("integer operands");
    const auto both = node.emit_all({OpKind::max_pool, pooling_of(node, node.shape(x), axes), {}}, {x},
                                    {dimensional("max_pool", axes)});
    node.bind(0, both[0]);
    if (!node.node.has_output(1)) return;
    // ONNX counts over the whole tensor, the operation within a plane.
    if (node.node.integer("storage_order", 0) != 0 && axes > 1) throw Unsupported("attribute storage_order = 1");
    const Shape &in = node.shape(x);
    std::int64_t plane = 1;
    for (int i = 2; i < in.rank(); ++i) plane *= in[i];
    ops::HostTensor offsets(ops::DType::int64, Shape{in[0], in[1]});
    std::int64_t next = 0;
    for (std::int64_t &offset : offsets.as<std::int64_t>()) {
        offset = next;
        next += plane;
    }
    Shape aligned{in[0], in[1]};
    for (std::size_t i = 0; i < axes; ++i) aligned.append(1);
    const ValueId start = node.reshape(node.draft.add_constant(std::move(offsets)), aligned);
    node.bind(1, node.emit({OpKind::add, {}, {}}, {both[1], start}));
}

void average_pool(NodeContext &node) {
    const ValueId x = node.in(0);
    const std::size_t axes = spatial_axes(node, x);
    ops::Pooling window = pooling_of(node, node.shape(x), axes);
    window.count_include_pad = node.node.integer("count_include_pad", 0) != 0;
    node.bind(0, node.emit({OpKind::average_pool, std::move(window), {}}, {x}, {dimensional("avg_pool", axes)}));
}

template <OpKind kind> void global_pool(NodeContext &node) {
    const ValueId x = node.in(0);
    if (node.rank(x) < 3) throw std::runtime_error("its operand has no spatial axes");
    ops::Reduction spatial;
    for (int i = 2; i < node.rank(x); ++i) spatial.axes.push_back(i);
    spatial.keep_dims = true;
    const std::string_view name = kind == OpKind::reduce_mean ? "adaptive_avg_pool" : "adaptive_max_pool";
    node.bind(0, node.emit({kind, spatial, {}}, {x}, {dimensional(name, spatial.axes.size())}));
}

} // namespace

void add_window_rules(RuleTable &table) {
    table["Conv"] = convolution;
    table["ConvTranspose"] = transposed_convolution;
    table["MaxPool"] = max_pool;
    table["AveragePool"] = average_pool;
    table["GlobalAveragePool"] = global_pool<OpKind::reduce_mean>;
    table["GlobalMaxPool"] = global_pool<OpKind::reduce_max>;
}

} // namespace halfscope::model::importing
