#include "emulation/train/config/config.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/config/write_config.h"
#include "emulation/train/lowering/lower.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace halfscope;
using namespace halfscope::train;

namespace {

std::string mistake(const std::string &text) {
    try {
        (void)parse_config(text, "c.toml");
    } catch (const std::invalid_argument &error) {
        return error.what();
    }
    return "accepted";
}

bool says(const std::string &text, const char *part) {
    const std::string reason = mistake(text);
    INFO(reason);
    const bool found = reason.find(part) != std::string::npos && reason.find('\n') == std::string::npos;
    CHECK(found);
    return found;
}

} // namespace

TEST_CASE("a file defines recipes, overrides built-in ones, layers and training") {
    const Config config = parse_config(R"(
[train]
steps = 200
optimizer = "adamw"
lr = 3e-4
betas = [0.9, 0.95]
loss-scale = "megatron:interval=500"
recipes = ["mine", "later"]
order = "file"
freeze = ["lora_B"]

[recipes.mine]
base = "fp16-amp"
accumulation = "hopper"
[[recipes.mine.layers]]
match = 'blocks\.3\.'
format = "fp32"

[recipes.later]
base = "mine"
flush-subnormals = true

[recipes.bf16-pure]
state = "fp32"

[[layers]]
match = "lm_head"
)",
                                       "c.toml");
    CHECK(*config.training.steps == 200);
    CHECK(*config.training.optimizer == OptimizerKind::adamw);
    CHECK(*config.training.learning_rate == 3e-4);
    CHECK(*config.training.beta2 == 0.95);
    CHECK(*config.training.order == data::Order::file);
    CHECK(config.training.recipes == std::vector<std::string>{"mine", "later"});
    const Recipe mine = configured_recipe(config, "mine"), later = configured_recipe(config, "later");
    CHECK(mine.policy == Policy::autocast);
    CHECK(mine.accumulation == ops::Accumulation::hopper);
    REQUIRE(mine.layers.size() == 2);
    CHECK(mine.layers[0].pattern == "lm_head"); // general ones first: a recipe's own win
    CHECK(mine.layers[1].pattern == "blocks\\.3\\.");
    CHECK(later.flush_subnormals);
    CHECK(later.accumulation == ops::Accumulation::hopper);
    CHECK(configured_recipe(config, "bf16-pure").state == ops::DType::fp32);
    CHECK(configured_recipe(config, "bf16-amp").layers.size() == 1);
    CHECK(configured_recipe(config, "fp32").layers.empty());
    CHECK_THROWS_WITH_AS((void)configured_recipe(config, "fp16-apm"), doctest::Contains("did you mean 'fp16-amp'?"),
                         std::invalid_argument);

    TrainingOptions command_line;
    command_line.steps = 7;
    command_line.complete_with(config.training);
    CHECK(*command_line.steps == 7);
    CHECK(*command_line.learning_rate == 3e-4);
}

TEST_CASE("mistakes are answered with file, line and the nearest valid name") {
    says("[train\n", "c.toml, line 1: not valid TOML");
    says("[train]\nlearning-rate = 1\n", "line 2: [train] has no key 'learning-rate'");
    says("[train]\nmomentun = 1\n", "did you mean 'momentum'?");
    says("[trains]\n", "did you mean 'train'?");
    says("[train]\nsteps = \"many\"\n", "line 2: steps must be a whole number");
    says("[train]\nlr = true\n", "lr must be a number");
    says("[train]\nbetas = [0.9]\n", "two numbers");
    says("[train]\nseed = -1\n", "negative");
    says("[train]\noptimizer = \"lamb\"\n", "sgd, adam, adamw");
    says("[train]\nloss-scale = \"torch:window=3\"\n", "init, growth, backoff, interval");
    says("[recipes.mine]\ncompute = \"fp16\"\n", "needs base");
    says("[recipes.mine]\nbase = \"fp16-appm\"\n", "did you mean 'fp16-amp'?");
    says("[recipes.mine]\nbase = \"fp16-amp\"\ncompute = \"fp8\"\n", "use fp32, fp16 or bf16");
    says("[recipes.mine]\nbase = \"fp16-amp\"\nweights = \"fp16\"\n", "autocast keeps weights in fp32");
    says("[recipes.mine]\nbase = \"fp16-pure\"\nweights = \"bf16\"\n", "stores weights in its compute format fp16");
    says("[recipes.mine]\nbase = \"fp16-amp\"\nmaster-weights = false\n", "own masters");
    says("[recipes.mine]\nbase = \"fp16-o2\"\nupdate = \"kahan\"\n", "without masters");
    says("[recipes.mine]\nbase = \"fp16-amp\"\n[[recipes.mine.layers]]\nformat = \"fp32\"\n", "needs match");
    says("[recipes.mine]\nbase = \"fp16-amp\"\nautocast = \"torch\"\n", "torch-2-cuda");
    says("[recipes.mine]\nbase = \"fp16-amp\"\npolicy = \"autocats\"\n", "did you mean 'autocast'?");
    says("[recipes.mine]\nbase = \"fp16-pure\"\nupdate = \"kahn\"\n", "did you mean 'kahan'?");
    says("[recipes.mine]\nbase = \"fp16-pure\"\nstate = \"bf17\"\n", "did you mean 'bf16'?");
    says("[train]\noptimizer = \"adamm\"\n", "did you mean 'adam'?");
    says("[recipes.mine]\nbase = \"fp16-amp\"\nstate = \"fp16\"\n", "state = \"fp16\" goes with weights in 16 bits");
    says("[recipes.mine]\nbase = \"fp32\"\ngradients = \"bf16\"\n", "use policy autocast, o2 or pure");
    says("[recipes.mine]\nbase = \"fp16-amp\"\nema = \"bf61\"\n", "did you mean 'bf16'?");
    says("[recipes.mine]\nbase = \"fp16-amp\"\nall-reduce-order = \"divide-frist\"\n", "did you mean 'divide-first'?");
    says("[train]\nrunning-statistic = \"bf16\"\n", "did you mean 'running-statistics'?");
    says("[train]\nstep-counter = \"bf17\"\n", "did you mean 'bf16'?");
    says("[recipes.mine]\nbase = \"fp32\"\nloss-scale = \"dynamic\"\n", "the twin, which always runs");
    says("[[layers]]\nmatch = \"fc[\"\nformat = \"fp32\"\n", "line 2: 'fc[' is not a valid regular expression");
    says("[[layers]]\nmatch = \"fc\"\nformat = \"fp32\"\n[[layers]]\nmatch = \"fc\"\nformat = \"bf16\"\n",
         "line 4: 'fc' is in bf16 here and in fp32 at c.toml, line 2");
}

TEST_CASE("a pattern that matches nothing is told with its place and the nearest layer") {
    const model::Graph graph = model::build_zoo_model("zoo:mlp:in=8,hidden=16,classes=4", 4, 0, {});
    const auto refusal = [&](const char *pattern) -> std::string {
        const Config config =
            parse_config(std::string("[[layers]]\nmatch = '") + pattern + "'\nformat = \"fp32\"\n", "c.toml");
        try {
            (void)lower(graph, configured_recipe(config, "fp16-amp"));
        } catch (const std::invalid_argument &error) {
            return error.what();
        }
        return "accepted";
    };
    CHECK(refusal("^layers\\.[024]$") == "accepted");
    CHECK(refusal("^layer\\.9$")
              .find("c.toml, line 2: layer pattern '^layer\\.9$' matches no layer of the model (did you "
                    "mean 'layers.") == 0);
    CHECK(refusal("something else").find("; the nearest is 'layers.") != std::string::npos);
}

TEST_CASE("settings and recipes are written with every key that is read") {
    const auto keys_in = [](const std::string &text) {
        // "...; it takes a, b, c"
        std::string list = mistake(text);
        list = list.substr(list.find("it takes ") + 9);
        std::vector<std::string> keys;
        for (std::size_t at = 0; at <= list.size();) {
            const std::size_t end = std::min(list.find(", ", at), list.size());
            keys.push_back(list.substr(at, end - at));
            at = end + 2;
        }
        return keys;
    };
    const auto known = [](std::span<const std::string_view> written, const std::string &key) {
        return std::find(written.begin(), written.end(), key) != written.end();
    };
    const auto of_recipes = keys_in("[recipes.fp16-amp]\nzzz = 1\n"), of_training = keys_in("[train]\nzzz = 1\n");
    CHECK(of_recipes.size() > 10);
    CHECK(of_training.size() > 20);
    for (const std::string &key : of_recipes) CHECK_MESSAGE(known(written_recipe_keys(), key), key);
    for (const std::string &key : of_training) CHECK_MESSAGE(known(written_training_keys(), key), key);
}

TEST_CASE("training settings read back as they were") {
    const Config config = parse_config(R"(
[train]
recipes = ["fp16-amp", 'odd "name"']
steps = 7
batch = 3
lr = 1e-05
betas = [0.9, 0.95]
eps = 1e-8
optimizer = "adamw"
clip-norm = 1
freeze = ['^lora\.B$', "it's"]
loss-scale = "static:8"
accumulate = "hopper"
seed = 12
order = "file"
nesterov = false
trace-every = 2
ranks = 4
ema-decay = 0.999
gradients = "bf16"
all-reduce = "fp16"
all-reduce-order = "divide-first"
ema = "bf16"
step-counter = "fp16"
running-statistics = "bf16"
)",
                                       "c.toml");
    const TrainingOptions &a = config.training;
    const Config again = parse_config(training_as_toml(a), "again");
    const TrainingOptions &b = again.training;
    CHECK(training_as_toml(a) == training_as_toml(b));
    CHECK(a.recipes == b.recipes);
    CHECK(a.freeze == b.freeze);
    CHECK(a.learning_rate == b.learning_rate);
    CHECK(a.epsilon == b.epsilon);
    CHECK(a.beta2 == b.beta2);
    CHECK(b.nesterov == false);
    CHECK(b.ranks == 4);
    CHECK(b.ema_decay == 0.999);
    CHECK(b.kept.all_reduce == ops::DType::fp16);
    CHECK(b.kept.all_reduce_order == ReduceOrder::divide_first);
    CHECK(described(b.kept).size() == 6);
    const Recipe mine = b.kept.in(recipe_named("fp16-amp"));
    CHECK(mine.gradients == ops::DType::bf16);
    CHECK(mine.average == ops::DType::bf16);
    CHECK(mine.step_counter == ops::DType::fp16);
    CHECK(mine.running_statistics == ops::DType::bf16);
    CHECK(b.kept.in(recipe_named("fp32")).average == ops::DType::fp32);
    CHECK(!b.momentum);
    CHECK(b.seed == 12U);
    CHECK(b.order == data::Order::file);
    CHECK(toml_string("a\tb") == "\"a\\u0009b\"");
}
