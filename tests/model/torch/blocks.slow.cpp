// Gradients of whole blocks against PyTorch on the CPU: the same weights, the same format, the same loss scale.
//
// Three answers are compared: ours, PyTorch's in the same format, and PyTorch's in fp64 (the anchor). Ours must be
// about as near to the anchor as PyTorch's. Where both sides round at the same points and PyTorch's kernels accumulate
// in fp32, most elements must also have the very same bits.
#include "emulation/model/autodiff/differentiate.h"
#include "emulation/model/graph.h"
#include "tests/model/interpreter.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include <sys/wait.h>

using namespace halfscope;
using namespace halfscope::model;
using ops::DType;
using ops::OpKind;
using ops::Shape;

namespace {

using Named = std::map<std::string, ValueId>;

struct Tensor {
    std::string name;
    Shape shape;
    double low = -1, high = 1;
};

struct Block {
    std::string name; ///< the function in torch_blocks.py
    std::vector<Tensor> tensors;
    std::function<ValueId(Graph &, Named &)> build; ///< gives the loss
    std::vector<DType> formats;
    /// Elements that must agree bit for bit in 16-bit formats, of those finite: the kernels round at the same points,
    /// and differ only where the order of an fp32 accumulation moves a value across a rounding boundary, about one in
    /// 2^24 / 2^11 roundings per unit of accumulated error. 0 where PyTorch's own CPU kernel keeps 16-bit intermediates
    /// that a GPU's does not (its bf16 products and norms without AVX-512, which are farther from fp64 than ours).
    double same_bits = 0;
};

ops::Operation op(OpKind kind) { return {kind, {}, {}}; }
ops::Operation op(OpKind kind, double alpha) { return {kind, ops::Scalars{alpha, 0}, {}}; }
ValueId add(Graph &graph, ops::Operation operation, std::vector<ValueId> operands, std::optional<Shape> shape = {}) {
    return graph.add_node(std::move(operation), std::move(operands), "", "", {}, shape);
}
ValueId sum(Graph &graph, ValueId x) { return add(graph, op(OpKind::reduce_sum), {x}); }
ValueId times(Graph &graph, ValueId a, ValueId b) { return add(graph, op(OpKind::multiply), {a, b}); }
ValueId plus(Graph &graph, ValueId a, ValueId b) { return add(graph, op(OpKind::add), {a, b}); }
ValueId linear(Graph &graph, std::vector<ValueId> operands) {
    ops::Matmul product;
    product.transpose_b = true;
    return add(graph, {OpKind::matmul, product, {}}, std::move(operands));
}
ValueId convolution(Graph &graph, std::vector<ValueId> operands, std::int64_t stride, std::int64_t pad,
                    std::int64_t groups = 1) {
    ops::Convolution window;
    window.strides = {stride, stride};
    window.pads_begin = window.pads_end = {pad, pad};
    window.groups = groups;
    return add(graph, {OpKind::convolution, window, {}}, std::move(operands));
}
ValueId int64_constant(Graph &graph, const Shape &shape, std::initializer_list<std::int64_t> values) {
    ops::HostTensor tensor(DType::int64, shape);
    std::copy(values.begin(), values.end(), tensor.as<std::int64_t>().begin());
    return graph.add_constant(std::move(tensor));
}
/// The same numbers as INTEGERS in torch_blocks.py.
ValueId targets(Graph &graph) { return int64_constant(graph, {8}, {3, 0, -100, 2, 1, 1, 0, 4}); }
ValueId nll(Graph &graph, ValueId logits) {
    ops::Loss attributes;
    attributes.ignore_index = -100;
    const ValueId scores = add(graph, {OpKind::log_softmax, ops::Axis{1}, {}}, {logits});
    return add(graph, {OpKind::nll_loss, attributes, {}}, {scores, targets(graph)});
}

ValueId elementwise(Graph &g, Named &t) {
    ValueId y = add(g, op(OpKind::divide), {times(g, t["a"], t["b"]), t["c"]});
    y = add(g, op(OpKind::subtract), {y, t["a"]});
    y = plus(g, y, add(g, op(OpKind::scale, 0.044715), {add(g, op(OpKind::power_scalar, 3), {t["a"]})}));
    const ValueId positive = add(g, op(OpKind::greater), {t["b"], g.add_scalar(0)});
    y = add(g, op(OpKind::where), {positive, y, times(g, t["b"], t["b"])});
    return sum(g, add(g, op(OpKind::maximum), {y, t["d"]}));
}

ValueId cubic(Graph &g, Named &t) {
    const ValueId cube = add(g, op(OpKind::scale, 0.044715), {add(g, op(OpKind::power_scalar, 3), {t["x"]})});
    const ValueId inner = add(g, op(OpKind::scale, 0.79788), {plus(g, t["x"], cube)});
    const ValueId positive = add(g, op(OpKind::greater), {t["x"], g.add_scalar(0)});
    return sum(g, add(g, op(OpKind::where), {positive, inner, add(g, op(OpKind::scale, 0), {inner})}));
}

ValueId quotients(Graph &g, Named &t) {
    const ValueId square = add(g, op(OpKind::power_scalar, 2), {add(g, op(OpKind::divide), {t["a"], t["b"]})});
    const ValueId both = plus(g, square, add(g, op(OpKind::power_scalar, -1), {t["b"]}));
    return sum(g, add(g, op(OpKind::subtract), {both, add(g, op(OpKind::power_scalar, 0.5), {t["b"]})}));
}

ValueId fan_out(Graph &g, Named &t) {
    const ValueId h = times(g, t["x"], t["w"]);
    const ValueId inner = plus(g, h, times(g, h, t["a"]));
    return sum(g, times(g, plus(g, times(g, inner, t["b"]), h), h));
}

ValueId mlp(Graph &g, Named &t) {
    const ValueId h = add(g, op(OpKind::gelu_tanh), {linear(g, {t["x"], t["w1"], t["b1"]})});
    return sum(g, linear(g, {h, t["w2"], t["b2"]}));
}

ValueId conv_block(Graph &g, Named &t) {
    ValueId h = convolution(g, {t["x"], t["w1"]}, 2, 1);
    const ValueId mean = g.add_buffer("mean", "bn", ops::HostTensor(DType::fp32, {4}));
    const ValueId variance = g.add_buffer("variance", "bn", ops::HostTensor(DType::fp32, {4}));
    h = add(g, op(OpKind::batch_norm_training), {h, t["gamma"], t["beta"], mean, variance});
    ops::Pooling window;
    window.kernel = window.strides = {2, 2};
    h = add(g, {OpKind::max_pool, window, {}}, {add(g, op(OpKind::relu), {h})});
    return sum(g, times(g, h, t["f"]));
}

ValueId conv_bare(Graph &g, Named &t) {
    const ValueId h = add(g, op(OpKind::relu), {convolution(g, {t["x"], t["w1"], t["b1"]}, 1, 1)});
    return sum(g, times(g, convolution(g, {h, t["w2"]}, 2, 0, 2), t["f"]));
}

ValueId norms(Graph &g, Named &t) {
    ops::Normalization rows, groups;
    rows.axis = 1;
    groups.groups = 2;
    ValueId h = add(g, {OpKind::layer_norm, rows, {}}, {t["x"], t["gamma"], t["beta"]});
    h = add(g, op(OpKind::reshape), {h}, Shape{3, 4, 8});
    h = add(g, {OpKind::group_norm, groups, {}}, {h, t["g"], t["h"]});
    return sum(g, times(g, add(g, op(OpKind::reshape), {h}, Shape{12, 8}), t["f"]));
}

ValueId attention(Graph &g, Named &t) {
    const std::int64_t batch = 2, positions = 4, width = 8, heads = 2;
    const ValueId tokens = int64_constant(g, {2, 4}, {1, 4, 1, 0, 2, 2, 6, 1});
    const ValueId x = add(g, {OpKind::gather, ops::Axis{0}, {}}, {t["table"], tokens});
    const ValueId joint = linear(g, {x, t["w_qkv"], t["b_qkv"]});
    const ops::Operation swap{OpKind::transpose, ops::Permutation{{0, 2, 1, 3}}, {}};
    const auto head = [&](std::int64_t i) {
        const ops::Slice part{{0, 0, i * width}, {batch, positions, (i + 1) * width}, {}, 0};
        const ValueId z = add(g, {OpKind::slice, part, {}}, {joint});
        return add(g, swap, {add(g, op(OpKind::reshape), {z}, Shape{batch, positions, heads, width / heads})});
    };
    const ValueId q = head(0), k = head(1), v = head(2);
    const ValueId scores = add(g, op(OpKind::scale, 1 / std::sqrt(4.0)), {linear(g, {q, k})});
    ops::HostTensor mask(DType::boolean, {positions, positions});
    for (std::size_t i = 0; i < 16; ++i) mask.as<std::uint8_t>()[i] = i % 4 <= i / 4;
    const ValueId minus_infinity = g.add_scalar(-std::numeric_limits<double>::infinity());
    const ValueId masked = add(g, op(OpKind::where), {g.add_constant(std::move(mask)), scores, minus_infinity});
    const ValueId weights = add(g, {OpKind::softmax, ops::Axis{3}, {}}, {masked});
    ValueId y = add(g, swap, {add(g, op(OpKind::matmul), {weights, v})});
    y = add(g, op(OpKind::reshape), {y}, Shape{batch, positions, width});
    y = plus(g, x, linear(g, {y, t["w_out"]}));
    return nll(g, add(g, op(OpKind::reshape), {linear(g, {y, t["table"]})}, Shape{8, 7}));
}

ValueId cross_entropy(Graph &g, Named &t) { return nll(g, t["x"]); }
ValueId mse(Graph &g, Named &t) { return add(g, op(OpKind::mse_loss), {t["p"], t["t"]}); }
ValueId bce(Graph &g, Named &t) {
    return add(g, op(OpKind::bce_with_logits), {t["z"], add(g, op(OpKind::sigmoid), {t["t"]})});
}

std::vector<Block> blocks() {
    const std::vector<DType> all{DType::fp32, DType::fp16, DType::bf16}, no_fp16{DType::fp32, DType::bf16},
        single{DType::fp32};
    return {
        {"elementwise", {{"a", {6, 5, 7}}, {"b", {5, 7}}, {"c", {7}, 0.5, 2}, {"d", {5, 1}}}, elementwise, all, 0.9},
        {"cubic", {{"x", {64}, -300, 300}}, cubic, all, 0.9},
        {"quotients", {{"a", {40}, -3, 3}, {"b", {40}, 0.1, 4}}, quotients, all, 0.9},
        {"fan_out", {{"x", {40}}, {"w", {40}}, {"a", {40}}, {"b", {40}}}, fan_out, all, 0.9},
        {"mlp", {{"x", {3, 8, 12}}, {"w1", {16, 12}}, {"b1", {16}}, {"w2", {5, 16}}, {"b2", {5}}}, mlp, no_fp16},
        {"conv_block",
         {{"x", {2, 3, 9, 9}}, {"w1", {4, 3, 3, 3}}, {"gamma", {4}, 0.5, 1.5}, {"beta", {4}}, {"f", {2, 4, 2, 2}}},
         conv_block,
         no_fp16},
        {"conv_bare",
         {{"x", {2, 3, 7, 7}}, {"w1", {4, 3, 3, 3}}, {"b1", {4}}, {"w2", {6, 2, 2, 2}}, {"f", {2, 6, 3, 3}}},
         conv_bare,
         no_fp16},
        {"norms",
         {{"x", {12, 8}, -2, 3},
          {"gamma", {8}, 0.5, 1.5},
          {"beta", {8}},
          {"g", {4}, 0.5, 1.5},
          {"h", {4}},
          {"f", {12, 8}}},
         norms,
         no_fp16},
        {"attention", {{"table", {7, 8}}, {"w_qkv", {24, 8}}, {"b_qkv", {24}}, {"w_out", {8, 8}}}, attention, no_fp16},
        {"cross_entropy", {{"x", {8, 5}, -3, 3}}, cross_entropy, no_fp16},
        {"mse", {{"p", {6, 4}}, {"t", {6, 4}}}, mse, single},
        {"bce", {{"z", {6, 4}, -4, 4}, {"t", {6, 4}}}, bce, single},
    };
}

/// Half the spacing of a format's numbers just below 2 * |x|: the unit of its rounding errors near x.
double unit_near(double x, DType dtype) {
    const int precision = number::format_of(ops::format_id(dtype)).precision;
    return x == 0 ? 0 : std::ldexp(1.0, std::ilogb(x) + 1 - precision);
}

std::string encoded(double x) {
    char text[64];
    std::snprintf(text, sizeof text, "%a", x);
    return text;
}
double decoded(const nlohmann::json &text) { return std::strtod(text.get<std::string>().c_str(), nullptr); }

struct Run {
    const Block &block;
    DType format;
    Graph graph;
    Named tensors;
    double scale = 1;
};

Run prepare(const Block &block, DType format) {
    Run run{block, format, {}, {}, format == DType::fp32 ? 1.0 : 64.0};
    std::mt19937 generator(11);
    for (const Tensor &tensor : block.tensors) {
        ops::HostTensor data(format, tensor.shape);
        std::uniform_real_distribution<double> draw(tensor.low, tensor.high);
        for (std::int64_t i = 0; i < tensor.shape.elements(); ++i) {
            const auto at = static_cast<std::size_t>(i);
            const auto x = static_cast<float>(draw(generator));
            if (format == DType::fp32)
                data.as<float>()[at] = x;
            else
                data.as<std::uint16_t>()[at] = number::round_to_16bit(x, ops::format_id(format));
        }
        run.tensors[tensor.name] = run.graph.add_weight(tensor.name, "block", std::move(data));
    }
    run.graph.loss = block.build(run.graph, run.tensors);
    differentiate(run.graph);
    return run;
}

nlohmann::json request(const Run &run, tests::Interpreter &machine) {
    nlohmann::json tensors;
    for (const auto &[name, id] : run.tensors) {
        nlohmann::json values = nlohmann::json::array(), shape = nlohmann::json::array();
        for (std::int64_t i = 0; i < run.graph.value(id).shape.elements(); ++i)
            values.push_back(encoded(machine.at(id, static_cast<std::size_t>(i))));
        for (std::int64_t size : run.graph.value(id).shape.sizes()) shape.push_back(size);
        tensors[name] = {{"shape", shape}, {"values", values}};
    }
    return {{"block", run.block.name},
            {"format", std::string(ops::name_of(run.format))},
            {"scale", run.scale},
            {"tensors", tensors}};
}

/// PyTorch's answers to all requests; the program ends with 77 when there is no PyTorch.
nlohmann::json ask_pytorch(const nlohmann::json &requests) {
    namespace fs = std::filesystem;
    const fs::path folder = fs::temp_directory_path() / "halfscope_torch_blocks";
    fs::create_directories(folder);
    std::ofstream(folder / "request.json") << requests;
    const char *python = std::getenv("HALFSCOPE_PYTHON");
    const std::string command = std::string(python ? python : "/usr/bin/python3") + " " +
                                (fs::path(HALFSCOPE_TEST_FOLDER) / "torch_blocks.py").string() + " " +
                                (folder / "request.json").string() + " " + (folder / "answer.json").string();
    const int status = std::system(command.c_str());
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
        std::fprintf(stderr, "skipped: %s has no PyTorch\n", python ? python : "/usr/bin/python3");
        std::exit(77);
    }
    REQUIRE(status == 0);
    return nlohmann::json::parse(std::ifstream(folder / "answer.json"));
}

struct Comparison {
    double ours = 0, theirs = 0, amax = 0; ///< root mean square distances from fp64; largest exact magnitude
    std::size_t finite = 0, same = 0, other_kind = 0;
};

Comparison compare(tests::Interpreter &machine, ValueId gradient, const nlohmann::json &theirs,
                   const nlohmann::json &exact) {
    Comparison result;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
        const double a = machine.at(gradient, i), b = decoded(theirs[i]), x = decoded(exact[i]);
        if (std::fpclassify(a) == FP_NAN || std::fpclassify(b) == FP_NAN || std::isinf(a) || std::isinf(b)) {
            result.other_kind += !((std::isnan(a) && std::isnan(b)) || a == b);
            continue;
        }
        ++result.finite;
        result.same += a == b;
        result.ours += (a - x) * (a - x);
        result.theirs += (b - x) * (b - x);
        result.amax = std::max(result.amax, std::abs(x));
    }
    const double n = std::max<double>(1, static_cast<double>(result.finite));
    result.ours = std::sqrt(result.ours / n);
    result.theirs = std::sqrt(result.theirs / n);
    return result;
}

} // namespace

TEST_CASE("gradients of blocks agree with PyTorch's") {
    const std::vector<Block> all = blocks();
    std::vector<Run> runs;
    for (const Block &block : all)
        for (DType format : block.formats) runs.push_back(prepare(block, format));
    std::vector<tests::Interpreter> machines;
    nlohmann::json requests = nlohmann::json::array();
    for (Run &run : runs) {
        machines.emplace_back(run.graph);
        machines.back().set_loss_scale(static_cast<float>(run.scale));
        machines.back().run();
        requests.push_back(request(run, machines.back()));
    }
    const nlohmann::json answers = ask_pytorch(requests);
    REQUIRE(answers.size() == runs.size());
    std::size_t compared = 0, with_overflow = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const Run &run = runs[i];
        INFO(run.block.name, " in ", std::string(ops::name_of(run.format)));
        if (answers[i].contains("unsupported")) {
            FAIL_CHECK(answers[i]["unsupported"].get<std::string>());
            continue;
        }
        for (const auto &tensor : run.tensors) { // INFO is a lambda: clang 14 lets it capture no structured binding
            const auto &name = tensor.first;
            const auto &weight = tensor.second;
            INFO("gradient of ", name);
            const ValueId gradient = run.graph.value(weight).gradient;
            REQUIRE(gradient != none);
            const Comparison c =
                compare(machines[i], gradient, answers[i]["gradients"][name], answers[i]["exact"][name]);
            if (std::getenv("HALFSCOPE_SHOW"))
                std::printf("%-14s %-5s %-6s ours %.3g theirs %.3g unit %.3g same %zu/%zu\n", run.block.name.c_str(),
                            std::string(ops::name_of(run.format)).c_str(), name.c_str(), c.ours, c.theirs,
                            unit_near(c.amax, run.format), c.same, c.finite);
            // No farther from fp64 than twice PyTorch's own distance, or than one unit of the format.
            CHECK(c.ours <= 2 * c.theirs + unit_near(c.amax, run.format));
            CHECK(c.other_kind == 0);
            if (run.format != DType::fp32)
                CHECK(static_cast<double>(c.same) >= run.block.same_bits * static_cast<double>(c.finite));
            with_overflow += c.finite < answers[i]["exact"][name].size();
            ++compared;
        }
    }
    CHECK(compared > 60);
    CHECK(with_overflow >= 1); // 3x^2 in fp16
}
