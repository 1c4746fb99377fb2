#include "emulation/train/loss_scaler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

using namespace halfscope::train;

namespace {

/// log2(scale) after each step of the frameworks' own code (classes executed from their source, kernels transcribed),
/// initial scale 2^16, interval 4, hysteresis 2; O is a step with an overflow.
struct Golden {
    const char *rule;
    const char *steps;
    const char *log2_scale;
};

constexpr const char *A = "O............", *B = "O.O..........", *C = "OO...........", *D = ".............",
                     *E = "OOOOO........", *F = "OO....O......";
constexpr const char *torch_d = "16 16 16 17 17 17 17 18 18 18 18 19 19";
constexpr const char *late_d = "16 16 16 16 17 17 17 17 18 18 18 18 19";
constexpr const char *megatron_a = "16 16 16 16 17 17 17 17 18 18 18 18 19";
constexpr const char *megatron_b = "16 16 15 15 15 15 16 16 16 16 17 17 17";
constexpr const char *megatron_c = "16 15 15 15 15 16 16 16 16 17 17 17 17";
constexpr const char *megatron_e = "16 15 14 13 12 12 12 12 13 13 13 13 14";
constexpr const char *megatron_f = "16 15 15 15 15 16 16 16 16 16 17 17 17";

const Golden golden[] = {
    {"torch", A, "15 15 15 15 16 16 16 16 17 17 17 17 18"},
    {"torch", B, "15 15 14 14 14 14 15 15 15 15 16 16 16"},
    {"torch", C, "15 14 14 14 14 15 15 15 15 16 16 16 16"},
    {"torch", D, torch_d},
    {"torch", E, "15 14 13 12 11 11 11 11 12 12 12 12 13"},
    {"torch", F, "15 14 14 14 14 15 14 14 14 14 15 15 15"},
    {"apex", A, "15 15 15 15 16 16 16 16 17 17 17 17 18"},
    {"apex", B, "15 15 14 14 14 14 15 15 15 15 16 16 16"},
    {"apex", C, "15 14 14 14 14 15 15 15 15 16 16 16 16"},
    {"apex", D, torch_d},
    {"apex", E, "15 14 13 12 11 11 11 11 12 12 12 12 13"},
    {"apex", F, "15 14 14 14 14 15 14 14 14 14 15 15 15"},
    {"deepspeed-legacy", A, megatron_a},
    {"deepspeed-legacy", B, megatron_b},
    {"deepspeed-legacy", C, megatron_c},
    {"deepspeed-legacy", D, torch_d},
    {"deepspeed-legacy", E, megatron_e},
    {"deepspeed-legacy", F, megatron_f},
    {"deepspeed", A, "16 16 16 16 16 17 17 17 17 18 18 18 18"},
    {"deepspeed", B, "16 16 15 15 15 15 15 16 16 16 16 17 17"},
    {"deepspeed", C, "16 15 15 15 15 15 16 16 16 16 17 17 17"},
    {"deepspeed", D, late_d},
    {"deepspeed", E, "16 15 14 13 12 12 12 12 12 13 13 13 13"},
    {"deepspeed", F, "16 15 15 15 15 15 14 14 14 14 14 15 15"},
    {"deepspeed:consecutive=1", B, "16 16 16 16 16 16 16 17 17 17 17 18 18"},
    {"deepspeed:consecutive=1", F, "16 15 15 15 15 15 15 15 15 15 15 16 16"},
    {"deepspeed-fp16opt", A, "15 15 15 15 15 16 16 16 16 17 17 17 17"},
    {"deepspeed-fp16opt", B, "15 15 14 14 14 14 14 15 15 15 15 16 16"},
    {"deepspeed-fp16opt", D, late_d},
    {"deepspeed-fp16opt", E, "15 14 13 12 11 11 11 11 11 12 12 12 12"},
    {"deepspeed-fp16opt", F, "15 14 14 14 14 14 13 13 13 13 13 14 14"},
    {"megatron", A, megatron_a},
    {"megatron", B, megatron_b},
    {"megatron", C, megatron_c},
    {"megatron", D, torch_d},
    {"megatron", E, megatron_e},
    {"megatron", F, megatron_f},
    {"apex-hysteresis", A, "16 16 16 16 17 17 17 17 18 18 18 18 19"},
    {"apex-hysteresis", B, "16 16 16 16 16 16 17 17 17 17 18 18 18"},
    {"apex-hysteresis", C, "16 15 15 15 15 16 16 16 16 17 17 17 17"},
    {"apex-hysteresis", D, torch_d},
    {"apex-hysteresis", E, megatron_e},
    {"apex-hysteresis", F, megatron_f},
    {"paddle:hysteresis=2", B, "16 16 16 16 16 16 17 17 17 17 18 18 18"},
    {"paddle:hysteresis=2", E, "16 15 15 14 14 14 14 14 15 15 15 15 16"},
    {"paddle:hysteresis=2", F, megatron_f},
};

std::string with(std::string rule, const std::string &options) {
    return rule + (rule.find(':') == std::string::npos ? ':' : ',') + options;
}

std::string reason(const char *text) {
    try {
        (void)parse_loss_scale(text);
    } catch (const std::invalid_argument &error) {
        return error.what();
    }
    return "accepted";
}

} // namespace

TEST_CASE("every rule follows the golden traces of its framework") {
    for (const Golden &row : golden) {
        CAPTURE(row.rule);
        CAPTURE(row.steps);
        LossScaler scaler(parse_loss_scale(with(row.rule, "init=65536,interval=4")));
        std::istringstream expected(row.log2_scale);
        for (const char *step = row.steps; *step; ++step) {
            int log2_scale = 0;
            REQUIRE(!(expected >> log2_scale).fail());
            scaler.update(*step == 'O');
            CHECK(scaler.scale() == std::ldexp(1.0, log2_scale));
        }
        int left = 0;
        CHECK((expected >> left).fail());
    }
}

TEST_CASE("at the minimum DeepSpeed ends the run, Megatron and FP16_Optimizer clamp, torch goes on to zero") {
    LossScaler ended(parse_loss_scale("deepspeed:init=2,hysteresis=1"));
    ended.update(true);
    CHECK(ended.scale() == 1);
    CHECK(ended.stop_reason().empty());
    ended.update(true);
    CHECK(ended.scale() == 1);
    CHECK(ended.stop_reason().find("already at minimum") != std::string::npos);
    for (const char *rule : {"megatron:init=2", "deepspeed-fp16opt:init=2", "paddle:init=2"}) {
        LossScaler clamped(parse_loss_scale(rule));
        for (int i = 0; i < 9; ++i) clamped.update(true);
        CHECK(clamped.scale() == 1);
        CHECK(clamped.stop_reason().empty());
    }
    LossScaler falling(parse_loss_scale("dynamic"));
    for (int i = 0; i < 16 + 149; ++i) falling.update(true);
    CHECK(falling.scale() == std::ldexp(1.0, -149));
    falling.update(true);
    CHECK(falling.scale() == 0);
}

TEST_CASE("growth stops at the largest finite fp32, at 2^24 in apex") {
    LossScaler torch(parse_loss_scale("torch:interval=1")), apex(parse_loss_scale("apex:interval=1"));
    for (int i = 0; i < 300; ++i) torch.update(false), apex.update(false);
    CHECK(torch.scale() == std::ldexp(1.0, 127));
    CHECK(apex.scale() == std::ldexp(1.0, 24));
}

TEST_CASE("none and static never move") {
    LossScaler none(parse_loss_scale("none")), fixed(parse_loss_scale("static:1024"));
    for (int i = 0; i < 5000; ++i) none.update(i % 7 == 0), fixed.update(i % 7 == 0);
    CHECK(none.scale() == 1);
    CHECK(!none.checks());
    CHECK(fixed.scale() == 1024);
    CHECK(fixed.checks());
}

TEST_CASE("the effective rule can be written down and read back") {
    for (const char *text : {"none", "static:1024", "dynamic", "apex", "deepspeed:consecutive=1", "deepspeed-legacy",
                             "deepspeed-fp16opt", "megatron:hysteresis=3", "apex-hysteresis", "paddle:init=32768"}) {
        const LossScaleRule rule = parse_loss_scale(text);
        CHECK(text_of(parse_loss_scale(text_of(rule))) == text_of(rule));
    }
    CHECK(text_of(parse_loss_scale("dynamic")) == "torch:init=65536,growth=2,backoff=0.5,interval=2000");
}

TEST_CASE("mistakes are answered with the valid names") {
    CHECK(reason("megatorn").find("did you mean 'megatron'?") != std::string::npos);
    CHECK(reason("xyz").find("apex-hysteresis, paddle") != std::string::npos);
    CHECK(reason("torch:window=4").find("it takes init, growth, backoff, interval") != std::string::npos);
    CHECK(reason("torch:init=-1").find("positive") != std::string::npos);
    CHECK(reason("torch:interval=2.5").find("whole") != std::string::npos);
    CHECK(reason("torch:growth=1").find("above 1") != std::string::npos);
    CHECK(reason("static").find("static:1024") != std::string::npos);
    CHECK(reason("static:abc").find("'abc'") != std::string::npos);
}
