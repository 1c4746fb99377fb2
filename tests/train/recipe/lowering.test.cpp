// Storage types after lowering, against what eager PyTorch gives under the same policy (aten/src/ATen/autocast_mode.cpp
// for CUDA, torch/testing/_internal/autocast_test_lists.py for the expected results, apex O2, model.half()).
#include "emulation/model/autodiff/differentiate.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/autocast/op_lists.h"
#include "emulation/train/lowering/lower.h"
#include "tests/train/small_models.h"

#include <doctest/doctest.h>

#include <map>

using namespace halfscope;
using namespace halfscope::train;
using namespace halfscope::train::testing;
using ops::DType;
using ops::OpKind;

namespace {

model::Graph zoo(const char *spec) {
    model::Graph graph = model::build_zoo_model(spec, 2);
    model::attach_loss(graph, model::default_loss(graph).loss);
    return graph;
}

DType dtype_of(const model::Graph &graph, const std::string &name) {
    const model::ValueId id = graph.find(name);
    REQUIRE_MESSAGE(id != model::none, name);
    return graph.value(id).dtype;
}

void check(const model::Graph &graph, const std::map<std::string, DType> &expected) {
    for (const auto &value : expected) { // CAPTURE is a lambda: clang 14 lets it capture no structured binding
        const auto &[name, dtype] = value;
        CAPTURE(value.first);
        CHECK(std::string(ops::name_of(dtype_of(graph, name))) == std::string(ops::name_of(dtype)));
    }
}

int casts_of(const model::Graph &graph, const std::string &name) {
    int casts = 0;
    for (const model::Node &node : graph.nodes)
        casts += node.operation.kind == OpKind::cast && graph.value(node.inputs.front()).name == name;
    return casts;
}

constexpr const char *cnn = "cnn:size=8,width=4", *gpt = "gpt:layers=1,width=16,heads=2,seq=8,vocab=16,tied=1";

} // namespace

TEST_CASE("autocast of the CNN: convolutions and linear in fp16, batch norm follows its input, the loss in fp32") {
    const model::Graph graph = lower(zoo(cnn), recipe_named("fp16-amp"));
    check(graph, {{"input", DType::fp32},
                  {"input.fp16", DType::fp16},
                  {"conv1.weight", DType::fp32},
                  {"conv1.weight.fp16", DType::fp16},
                  {"conv1", DType::fp16},
                  {"bn1", DType::fp16},
                  {"bn1.mean", DType::fp32}, // CUDA's batch norm keeps its statistics in the accumulation type
                  {"bn1.weight", DType::fp32},
                  {"bn1.running_mean", DType::fp32},
                  {"relu1", DType::fp16},
                  {"pool1", DType::fp16},
                  {"flatten", DType::fp16},
                  {"fc", DType::fp16},
                  {"fc.bias", DType::fp32},
                  {"fc.bias.fp16", DType::fp16},
                  {"fc.fp32", DType::fp32},
                  {"loss.log_softmax", DType::fp32},
                  {"loss", DType::fp32}});
    CHECK(graph.find("bn1.weight.fp16") == model::none);
    const model::Value &cast = graph.value(graph.find("conv1.weight.fp16"));
    CHECK(cast.role == model::Role::weight);
    CHECK(cast.layer == graph.value(graph.find("conv1.weight")).layer);
}

TEST_CASE("autocast of the GPT: residual stream and norms in fp32, products in fp16, softmax gives fp32") {
    const model::Graph graph = lower(zoo(gpt), recipe_named("fp16-amp"));
    const std::string h = "transformer.h.0";
    check(graph, {{"tokens", DType::int64},
                  {"transformer.wte", DType::fp32}, // embedding is not listed: it gives its table's type
                  {"transformer.add", DType::fp32},
                  {h + ".ln_1", DType::fp32},
                  {h + ".attn.c_attn", DType::fp16},
                  {h + ".attn.q", DType::fp16},
                  {h + ".attn.scores", DType::fp16},
                  {h + ".attn.scale", DType::fp16},
                  {h + ".attn.mask", DType::fp16}, // the -inf is a Python number: it does not promote
                  {h + ".attn.softmax", DType::fp32},
                  {h + ".attn.softmax.fp16", DType::fp16},
                  {h + ".attn.context", DType::fp16},
                  {h + ".attn.c_proj", DType::fp16},
                  {h + ".add_1", DType::fp32}, // fp32 + fp16 promotes
                  {h + ".ln_2", DType::fp32},
                  {h + ".mlp.c_fc", DType::fp16},
                  {h + ".mlp.gelu", DType::fp16},
                  {h + ".mlp.c_proj", DType::fp16},
                  {h + ".add_2", DType::fp32},
                  {"lm_head", DType::fp16},
                  {"loss", DType::fp32}});
    // The table is used by the look-up in fp32 and by lm_head through one cached cast.
    CHECK(casts_of(graph, "transformer.wte.weight") == 1);
}

TEST_CASE("the cast of a weight is cached, that of an activation is made for each use") {
    model::Graph graph;
    const auto w = graph.add_weight("w", "a", tensor({4, 4}, [](std::size_t i) { return static_cast<double>(i); }));
    const auto v = graph.add_weight("v", "s", tensor({4, 4}, [](std::size_t) { return 0.1; }));
    const auto s = node(graph, OpKind::exponential, {v}, "s", "exp"); // fp32 list: an fp32 activation
    const auto a = linear(graph, s, w, "a"), b = linear(graph, s, w, "b");
    const auto p = node(graph, OpKind::multiply, {a, b}, "p", "mul");
    const auto t = graph.add_input("t", DType::fp32, {4, 4}, model::Role::target);
    set_loss(graph, node(graph, OpKind::mse_loss, {p, t}, "loss", "mse_loss"));
    model::Graph lowered = lower(graph, recipe_named("bf16-amp"));
    CHECK(casts_of(lowered, "w") == 1);
    CHECK(casts_of(lowered, "s") == 2);
    CHECK(dtype_of(lowered, "p") == DType::bf16);
    CHECK(dtype_of(lowered, "p.fp32") == DType::fp32);
    model::differentiate(lowered);
    // Both uses' weight gradients are added in bf16, then cast to the fp32 weight's type.
    check(lowered, {{"w.grad", DType::fp32}, {"w.bf16.grad", DType::bf16}, {"s.grad", DType::fp32}});
}

TEST_CASE("lists: fp32 takes copies and gives fp32, promote takes the widest, constants of one element stay out") {
    model::Graph graph;
    const auto x = graph.add_input("x", DType::fp32, {4, 4});
    const auto w = graph.add_weight("w", "a", tensor({4, 4}, [](std::size_t) { return 0.5; }));
    const auto a = linear(graph, x, w, "a");
    const auto one = graph.add_scalar(1e-8);
    const auto shifted = node(graph, OpKind::add, {a, one}, "shifted", "add");
    const auto log = node(graph, OpKind::logarithm, {shifted}, "log", "log");
    const auto power = graph.add_node({OpKind::power_scalar, ops::Scalars{2, 0}, {}}, {a}, "power", "pow");
    const auto crossed = node(graph, OpKind::multiply, {a, log}, "crossed", "addcmul");
    const auto mixed = node(graph, OpKind::multiply, {a, log}, "mixed", "mul");
    const auto table = graph.add_buffer("table", "a", tensor({4, 4}, [](std::size_t) { return 1.0; }));
    const auto masked = node(graph, OpKind::add, {a, table}, "masked", "add");
    const auto by_one = node(graph, OpKind::multiply, {a, one}, "by_one", "addcmul");
    (void)power, (void)crossed, (void)mixed, (void)masked, (void)by_one;
    set_loss(graph, graph.add_node({OpKind::reduce_mean, ops::Reduction{}, {}}, {shifted}, "loss", "mean"));
    check(lower(graph, recipe_named("fp16-amp")), {{"shifted", DType::fp16},
                                                   {"log", DType::fp32},
                                                   {"shifted.fp32", DType::fp32},
                                                   {"power", DType::fp32},
                                                   {"crossed", DType::fp32},
                                                   {"mixed", DType::fp32},
                                                   {"masked", DType::fp32}, // an fp32 tensor promotes
                                                   {"by_one", DType::fp16},
                                                   {"loss", DType::fp16}}); // mean is on neither list
    CHECK(graph.value(one).name == "constant");
    for (const char *recipe : {"fp16-amp", "fp16-o2", "fp16-pure"}) {
        const model::Graph lowered = lower(graph, recipe_named(recipe));
        CHECK(casts_of(lowered, "constant") == 0);
        CHECK(dtype_of(lowered, "constant") == DType::fp32);
    }
    // Under the CPU's lists layer_norm and exp run in 16 bits; log is on neither list there.
    Recipe cpu = recipe_named("bf16-amp");
    cpu.autocast_lists = "torch-2-cpu";
    check(lower(graph, cpu), {{"log", DType::bf16}, {"power", DType::bf16}});
    check(lower(graph, recipe_named("fp16-pure")), {{"x.fp16", DType::fp16},
                                                    {"w", DType::fp16},
                                                    {"table", DType::fp16},
                                                    {"shifted", DType::fp16},
                                                    {"log", DType::fp16},
                                                    {"power", DType::fp16},
                                                    {"masked", DType::fp16},
                                                    {"loss", DType::fp16}});
}

TEST_CASE("o2: 16-bit weights and activations, fp32 norm weights, an attached loss in fp32") {
    const model::Graph graph = lower(zoo(cnn), recipe_named("fp16-o2"));
    check(graph, {{"input.fp16", DType::fp16},
                  {"conv1.weight", DType::fp16},
                  {"conv1", DType::fp16},
                  {"bn1.weight", DType::fp32},
                  {"bn1.running_mean", DType::fp32},
                  {"bn1", DType::fp16},
                  {"fc.bias", DType::fp16},
                  {"fc", DType::fp16},
                  {"loss.log_softmax", DType::fp32},
                  {"loss", DType::fp32}});
    CHECK(graph.find("conv1.weight.fp16") == model::none);
    CHECK(graph.value(graph.find("conv1.weight")).data->dtype == DType::fp16);
    check(lower(zoo(gpt), recipe_named("bf16-o2")), {{"transformer.wte", DType::bf16},
                                                     {"transformer.h.0.ln_1.weight", DType::fp32},
                                                     {"transformer.h.0.ln_1", DType::bf16},
                                                     {"transformer.h.0.attn.softmax", DType::bf16},
                                                     {"transformer.h.0.add_2", DType::bf16},
                                                     {"lm_head", DType::bf16},
                                                     {"loss", DType::fp32}});
    // A loss of the graph's own stays in its types.
    model::Graph own = zoo(cnn);
    own.outputs.push_back(own.loss);
    check(lower(own, recipe_named("fp16-o2")), {{"loss.log_softmax", DType::fp16}, {"loss", DType::fp16}});
}

TEST_CASE("pure: everything in 16 bits but what norms save for the backward pass") {
    const model::Graph graph = lower(zoo(cnn), recipe_named("bf16-pure"));
    check(graph, {{"bn1.weight", DType::bf16},
                  {"bn1.running_mean", DType::bf16},
                  {"bn1.new_running_mean", DType::bf16},
                  {"bn1", DType::bf16},
                  {"bn1.mean", DType::fp32},
                  {"loss.log_softmax", DType::bf16},
                  {"loss", DType::bf16}});
    for (const model::Value &value : graph.values)
        if (ops::is_floating(value.dtype) && value.role != model::Role::saved && value.role != model::Role::input)
            CHECK_MESSAGE(value.dtype == DType::bf16, value.name);
}

TEST_CASE("forward values keep their ids, so that recipes can be compared value by value") {
    const model::Graph forward = zoo(gpt);
    for (const Recipe &recipe : built_in_recipes()) {
        const model::Graph lowered = lower(forward, recipe);
        for (std::size_t id = 0; id < forward.values.size(); ++id)
            CHECK(lowered.values[id].name == forward.values[id].name);
        for (std::size_t i = 0; i < lowered.nodes.size(); ++i)
            for (model::ValueId output : lowered.nodes[i].outputs)
                CHECK(lowered.value(output).producer == static_cast<model::NodeId>(i));
    }
}

TEST_CASE("layer overrides win, in every policy") {
    for (const char *name : {"fp16-amp", "fp16-o2", "fp16-pure"}) {
        CAPTURE(name);
        Recipe recipe = recipe_named(name);
        recipe.layers.push_back({"^fc$", DType::fp32});
        const model::Graph graph = lower(zoo(cnn), recipe);
        check(graph, {{"fc", DType::fp32}, {"fc.weight", DType::fp32}, {"conv2", DType::fp16}});
    }
    Recipe wrong = recipe_named("fp16-amp");
    wrong.layers.push_back({"conv_1", DType::fp32});
    CHECK_THROWS_WITH_AS((void)lower(zoo(cnn), wrong), doctest::Contains("did you mean 'conv1'?"),
                         std::invalid_argument);
    wrong.layers.back().pattern = "fc(";
    CHECK_THROWS_WITH_AS((void)lower(zoo(cnn), wrong), doctest::Contains("not a valid regular expression"),
                         std::invalid_argument);
}

TEST_CASE("accumulation models reach the products with 16-bit operands and no others") {
    Recipe recipe = recipe_named("fp16-amp");
    recipe.accumulation = ops::Accumulation::hopper;
    recipe.layers.push_back({"^fc$", DType::fp32});
    const model::Graph graph = lower(zoo(cnn), recipe);
    for (const model::Node &node : graph.nodes) {
        if (node.name == "conv1")
            CHECK(node.operation.get<ops::Convolution>().accumulation == ops::Accumulation::hopper);
        if (node.name == "fc") CHECK(node.operation.get<ops::Matmul>().accumulation == ops::Accumulation::fma_chain);
    }
}

TEST_CASE("a recipe whose 16-bit format the accumulation's unit does not have is refused by name") {
    Recipe recipe = recipe_named("bf16-amp");
    recipe.accumulation = ops::Accumulation::volta;
    CHECK_THROWS_WITH_AS((void)lower(zoo(cnn), recipe),
                         "recipe 'bf16-amp', layer 'conv1': accumulation 'volta' takes fp16 operands, got bf16; choose "
                         "another accumulation or leave the recipe out",
                         std::invalid_argument);
    recipe.accumulation = ops::Accumulation::cpu_avx512bf16;
    CHECK_NOTHROW((void)lower(zoo(cnn), recipe));
}

TEST_CASE("every recipe's zoo models lower and differentiate") {
    for (const char *spec : {cnn, gpt, "mlp:in=8,hidden=8", "resnet20:size=8"})
        for (const Recipe &recipe : built_in_recipes()) {
            model::Graph graph = lower(zoo(spec), recipe);
            CHECK_NOTHROW(model::differentiate(graph));
        }
}

TEST_CASE("the lists are PyTorch's") {
    const AutocastLists &cuda = autocast_lists_of("torch-2-cuda"), &cpu = autocast_lists_of("torch-2-cpu");
    for (const char *name : {"linear", "matmul", "bmm", "conv1d", "conv2d", "conv_transpose2d", "prelu", "einsum"})
        CHECK(cuda.policy_of(name) == AutocastPolicy::lower_precision);
    for (const char *name :
         {"exp", "log", "pow", "softmax", "log_softmax", "layer_norm", "group_norm", "sum", "nll_loss", "mse_loss",
          "binary_cross_entropy_with_logits", "softplus", "rsqrt", "reciprocal", "norm", "cumsum", "prod"})
        CHECK(cuda.policy_of(name) == AutocastPolicy::fp32);
    for (const char *name :
         {"add", "mul", "relu", "gelu", "tanh", "sigmoid", "mean", "batch_norm", "sqrt", "embedding", "max_pool2d", ""})
        CHECK(cuda.policy_of(name) == AutocastPolicy::unlisted);
    CHECK(cpu.policy_of("layer_norm") == AutocastPolicy::unlisted);
    CHECK(cpu.policy_of("cat") == AutocastPolicy::promote);
    CHECK_THROWS_WITH_AS((void)autocast_lists_of("torch"), doctest::Contains("torch-2-cuda, torch-2-cpu"),
                         std::invalid_argument);
}
