// Resize and Upsample: along each axis a result is a weighted sum of a few operand elements (one tap for nearest
// neighbours, two for linear, four for cubic interpolation), so it becomes gathers at fixed places and their weighted
// sum. Enlarging by PyTorch's nearest rule, floor(i * in / out), is an operation of its own.
#include "emulation/model/onnx/lowering.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace halfscope::model::importing {
namespace {

using ops::OpKind;
using ops::Shape;

struct Target {
    Shape shape;
    std::vector<double> scales;
};

/// Scales of all axes: an attribute (Upsample-7), operand 1 (Upsample-9, Resize-10), operand 2, or sizes in operand 3.
Target target_of(const NodeContext &node, const Shape &from) {
    const bool old = node.node.op == "Upsample" || node.opset < 11;
    Target target;
    if (!old && node.has(3) && node.shape(node.in(3)).elements() > 0) {
        const auto sizes = node.integers(3, "the sizes it makes");
        if (sizes.size() != static_cast<std::size_t>(from.rank()))
            throw std::runtime_error("it needs one size per axis");
        target.shape = checked_shape(sizes, "its result");
        for (int i = 0; i < from.rank(); ++i)
            target.scales.push_back(static_cast<double>(target.shape[i]) / static_cast<double>(from[i]));
        return target;
    }
    if (const auto *stated = node.node.find<std::vector<double>>("scales")) {
        target.scales = *stated;
    } else {
        const ops::HostTensor *data = node.draft.constant(node.in(old ? 1 : 2));
        if (!data || data->dtype != ops::DType::fp32) throw Unsupported("scales that are not known");
        for (float scale : data->as<float>()) target.scales.push_back(static_cast<double>(scale));
    }
    if (target.scales.size() != static_cast<std::size_t>(from.rank()))
        throw std::runtime_error("it needs one scale per axis");
    std::vector<std::int64_t> sizes;
    for (std::size_t i = 0; i < target.scales.size(); ++i) {
        const double size = std::floor(static_cast<double>(from[static_cast<int>(i)]) * target.scales[i]);
        if (!(target.scales[i] > 0 && size <= static_cast<double>(largest_tensor)))
            throw std::runtime_error("its scales are out of range");
        sizes.push_back(static_cast<std::int64_t>(size));
    }
    target.shape = checked_shape(sizes, "its result");
    return target;
}

struct Rule {
    std::string mode, coordinates, rounding;
    double cubic = -0.75;
};

Rule rule_of(const NodeContext &node) {
    Rule rule;
    const bool old = node.node.op == "Upsample" || node.opset < 11;
    rule.mode = node.node.text("mode", "nearest");
    if (rule.mode == "bilinear") rule.mode = "linear";
    rule.coordinates = old ? "asymmetric" : node.node.text("coordinate_transformation_mode", "half_pixel");
    rule.rounding = old ? "floor" : node.node.text("nearest_mode", "round_prefer_floor");
    rule.cubic = node.node.number("cubic_coeff_a", -0.75);
    if (rule.mode != "nearest" && rule.mode != "linear" && rule.mode != "cubic")
        throw Unsupported("attribute mode = " + rule.mode);
    for (const char *attribute : {"exclude_outside", "antialias"})
        if (node.node.integer(attribute, 0) != 0) throw Unsupported(fmt::format("attribute {} = 1", attribute));
    if (node.node.attributes.contains("axes")) throw Unsupported("attribute axes");
    if (node.node.text("keep_aspect_ratio_policy", "stretch") != "stretch")
        throw Unsupported("attribute keep_aspect_ratio_policy");
    return rule;
}

/// Where element i of the result lies on the operand's axis.
double coordinate(const Rule &rule, std::int64_t i, double scale, std::int64_t in, std::int64_t out) {
    const auto x = static_cast<double>(i);
    const double resized = static_cast<double>(in) * scale; // not rounded down, as ONNX's reference has it
    if (rule.coordinates == "asymmetric") return x / scale;
    if (rule.coordinates == "half_pixel") return (x + 0.5) / scale - 0.5;
    if (rule.coordinates == "pytorch_half_pixel") return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
    if (rule.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / scale;
    if (rule.coordinates == "align_corners") return out > 1 ? x * static_cast<double>(in - 1) / (resized - 1) : 0;
    throw Unsupported("attribute coordinate_transformation_mode = " + rule.coordinates);
}

double nearest(const Rule &rule, double x) {
    if (rule.rounding == "round_prefer_floor") return std::ceil(x - 0.5);
    if (rule.rounding == "round_prefer_ceil") return std::floor(x + 0.5);
    if (rule.rounding == "floor") return std::floor(x);
    if (rule.rounding == "ceil") return std::ceil(x);
    throw Unsupported("attribute nearest_mode = " + rule.rounding);
}

/// One operand element per result element, and its weight.
struct Tap {
    std::vector<std::int64_t> index;
    std::vector<float> weight;
};

/// Keys' cubic kernel with parameter a, at distance d of the taps one before to two after.
std::vector<double> cubic_weights(double a, double d) {
    const auto near = [a](double t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
    const auto far = [a](double t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
    return {far(d + 1), near(d), near(1 - d), far(2 - d)};
}

std::vector<Tap> taps_of(const Rule &rule, double scale, std::int64_t in, std::int64_t out) {
    const std::size_t count = rule.mode == "nearest" ? 1 : rule.mode == "linear" ? 2 : 4;
    std::vector<Tap> taps(count);
    for (std::int64_t i = 0; i < out; ++i) {
        const double x = coordinate(rule, i, scale, in, out);
        std::vector<double> weights{1};
        double first = 0;
        if (count == 1) {
            first = nearest(rule, x);
        } else {
            const double distance = x - std::floor(x);
            first = std::floor(x) - (count == 4 ? 1 : 0);
            weights = count == 2 ? std::vector<double>{1 - distance, distance} : cubic_weights(rule.cubic, distance);
        }
        for (std::size_t t = 0; t < count; ++t) {
            const double at = std::clamp(first + static_cast<double>(t), 0.0, static_cast<double>(in - 1));
            taps[t].index.push_back(static_cast<std::int64_t>(at));
            taps[t].weight.push_back(static_cast<float>(weights[t]));
        }
    }
    return taps;
}

/// PyTorch's rule along every axis after the first two: the operation itself can do it.
bool is_plain_nearest(const Rule &rule, const Shape &from, const Target &target) {
    if (rule.mode != "nearest" || from.rank() < 3 || from.rank() > 5) return false;
    for (int i = 0; i < from.rank(); ++i) {
        const std::int64_t in = from[i], out = target.shape[i];
        if (i < 2 && in != out) return false;
        const auto taps = taps_of(rule, target.scales[static_cast<std::size_t>(i)], in, out);
        for (std::int64_t k = 0; k < out; ++k)
            if (taps[0].index[static_cast<std::size_t>(k)] != k * in / out) return false;
    }
    return true;
}

ValueId along_axis(NodeContext &node, ValueId x, int axis, const std::vector<Tap> &taps, const std::string &policy) {
    Shape broadcast;
    for (int i = 0; i < node.rank(x); ++i)
        broadcast.append(i == axis ? static_cast<std::int64_t>(taps[0].index.size()) : 1);
    ValueId sum = none;
    for (const Tap &tap : taps) {
        ValueId part =
            node.emit({OpKind::gather, ops::Axis{axis}, {}}, {x, node.integers_constant(tap.index)}, {policy});
        if (taps.size() > 1) {
            ops::HostTensor weights(ops::DType::fp32, broadcast);
            std::copy(tap.weight.begin(), tap.weight.end(), weights.as<float>().begin());
            part = node.emit({OpKind::multiply, {}, {}}, {part, node.draft.add_constant(std::move(weights))}, {policy});
        }
        sum = sum == none ? part : node.emit({OpKind::add, {}, {}}, {sum, part}, {policy});
    }
    return sum;
}

void resize(NodeContext &node) {
    ValueId x = node.in(0);
    const Shape from = node.shape(x);
    const Rule rule = rule_of(node);
    if (from.elements() == 0) throw Unsupported("an empty operand");
    const Target target = target_of(node, from);
    const int spatial = std::max(from.rank() - 2, 1);
    const std::string name = rule.mode == "nearest" ? "nearest" : spatial == 1 ? rule.mode : "bi" + rule.mode;
    const std::string policy = fmt::format("upsample_{}{}d", name, spatial);
    if (is_plain_nearest(rule, from, target))
        return node.bind(
            0, target.shape == from ? x : node.emit({OpKind::resize_nearest, {}, {}}, {x}, {policy, target.shape}));
    for (int axis = 0; axis < from.rank(); ++axis) {
        const double scale = target.scales[static_cast<std::size_t>(axis)];
        if (from[axis] == target.shape[axis] && scale == 1) continue;
        (void)checked_shape({target.shape[axis], from.elements()}, "its result");
        x = along_axis(node, x, axis, taps_of(rule, scale, from[axis], target.shape[axis]), policy);
    }
    node.bind(0, x);
}

} // namespace

void add_resize_rules(RuleTable &table) {
    table["Resize"] = resize;
    table["Upsample"] = resize;
}

} // namespace halfscope::model::importing
