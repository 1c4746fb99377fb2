// Wrong input gets exit code 2 and one sentence that names it; help and small commands work.
#include "tests/cli/program.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace halfscope::cli;

namespace {

/// One line on standard error, beginning with the program's name and naming what was wrong.
void check_refusal(const std::string &arguments, const std::string &named) {
    CAPTURE(arguments);
    const Finished finished = run(arguments);
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 2);
    CHECK(finished.err.rfind("halfscope: ", 0) == 0);
    CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
    CHECK(finished.err.find(named) != std::string::npos);
    CHECK(finished.out.empty());
}

} // namespace

TEST_CASE("wrong input is refused in one sentence") {
    const std::string out = " --out " + scratch("refusals").string();
    check_refusal("", "subcommand");
    check_refusal("profil zoo:mlp", "profil");
    check_refusal("profile", "MODEL");
    check_refusal("profile /nowhere/model.onnx" + out, "/nowhere/model.onnx");
    check_refusal("profile zoo:resnet21" + out, "resnet21");
    check_refusal("profile zoo:mlp:depht=3" + out, "depht");
    check_refusal("profile zoo:mlp --recipes fp16-apm" + out, "fp16-apm");
    check_refusal("profile zoo:mlp --recipes fp16-amp,fp16-amp" + out, "twice");
    check_refusal("profile zoo:mlp --steps 0" + out, "--steps");
    check_refusal("profile zoo:mlp --steps many" + out, "--steps");
    check_refusal("profile zoo:mlp --betas 0.9" + out, "--betas");
    check_refusal("profile zoo:mlp --betas 0.9,1.5" + out, "--betas");
    check_refusal("profile zoo:mlp --loss-scale statc:4" + out, "statc");
    check_refusal("analyze", "DIR");
    check_refusal("analyze /nowhere/at/all", "/nowhere/at/all");
    check_refusal("analyze " + scratch("empty").string(), "trace.db");
    check_refusal("analyze . --format fp61", "fp16");
    check_refusal("analyze . --loss-scale static:many", "static:many");
    check_refusal("analyze . --loss-scale static:0", "positive");
    check_refusal("analyze . --loss-scale dynamic", "static:K");
    check_refusal("profile zoo:mlp --accumulate hoper" + out, "hoper");
    check_refusal("profile zoo:mlp --recipes bf16-amp --accumulate volta" + out, "recipe 'bf16-amp'");
    check_refusal("profile zoo:mlp --data /nowhere" + out, "/nowhere");
    check_refusal("profile zoo:mlp --loss huber" + out, "huber");
    check_refusal("profile zoo:mlp --lr -1" + out, "--lr");
    check_refusal("profile zoo:mlp --device tpu" + out, "tpu");
    check_refusal("profile zoo:mlp --lockstep" + out, "--lockstep");
    check_refusal("profile zoo:mlp --unknown-flag 3" + out, "--unknown-flag");
    check_refusal("profile zoo:mlp --steps 2 --data synthetic --out /proc/nowhere", "/proc/nowhere");
    check_refusal("report /nowhere", "/nowhere");
    check_refusal("explain gradient-underflo", "gradient-underflow");
    check_refusal("testfloat f16_mulAd </dev/null", "f16_mulAdd");
}

TEST_CASE("help comes from the flags themselves") {
    const Finished help = run("profile --help");
    CHECK(help.exit_code == 0);
    for (const char *flag :
         {"--data",       "--loss",       "--recipes",     "--steps",    "--batch",        "--optimizer",
          "--lr",         "--momentum",   "--betas",       "--eps",      "--weight-decay", "--clip-norm",
          "--loss-scale", "--accumulate", "--device",      "--lockstep", "--seed",         "--threads",
          "--order",      "--freeze",     "--trace-every", "--config",   "--out",          "--json"})
        CHECK_MESSAGE(help.out.find(flag) != std::string::npos, flag);
    CHECK(run("--help").exit_code == 0);
    CHECK(run("--version").exit_code == 0);
}

TEST_CASE("small commands") {
    const Finished explained = run("explain 65520");
    CHECK(explained.exit_code == 0);
    CHECK(explained.out.find("becomes infinity") != std::string::npos);
    CHECK(run("explain 0x1p-25").out.find("becomes zero") != std::string::npos);
    CHECK(run("explain -- -1e-8").exit_code == 0);
    CHECK(run("explain scale-collapse").exit_code == 0);
    CHECK(run("formats").out.find("65504") != std::string::npos);
    CHECK(run("zoo").out.find("zoo:resnet20") != std::string::npos);
    CHECK(run("doctor").exit_code == 0);
}
