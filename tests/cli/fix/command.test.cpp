// `profile --fix` as a user runs it.
#include "tests/cli/program.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

using namespace halfscope::cli;

namespace {

const std::string model = "profile zoo:mlp:in=16,hidden=32,classes=4 --data synthetic";

nlohmann::json recipe_in(const std::filesystem::path &report) {
    std::ifstream in(report);
    return nlohmann::json::parse(in).at("recipes").at(0);
}

} // namespace

TEST_CASE("an unsafe recipe is fixed; the overlay makes it safe, with the typed command and without it") {
    const auto out = scratch("fix");
    // Adam's eps is zero in fp16.
    const std::string asked = model + " --batch 32 --recipes fp16-pure --optimizer adam --steps 40";
    const Finished finished = run(asked + " --fix --out " + out.string());
    CAPTURE(finished.out);
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 1); // what was asked for is unsafe all the same
    CHECK(finished.err.find("re-run 1 of at most 20: eps 1e-07") != std::string::npos);
    CHECK(finished.out.find("What makes fp16-pure safe") != std::string::npos);
    CHECK(finished.out.find("eps=1e-05") != std::string::npos);
    const auto unsafe = recipe_in(out / "report.json");
    const auto &fix = unsafe.at("fix");
    CHECK(unsafe.at("verdict") == "unsafe");
    CHECK(fix.at("found") == true);
    CHECK(fix.at("minimal") == true);
    CHECK(fix.at("changes") == nlohmann::json{"eps 1e-05"}); // tried before what costs memory
    CHECK(fix.at("confirmed").at("verdict") == "safe");
    const std::int64_t bytes = fix.at("cost").at("bytes");
    CHECK(bytes == unsafe.at("run").at("cost").at("bytes").get<std::int64_t>());
    CHECK(!std::filesystem::exists(out / "tries"));

    const auto overlay = out / "fix-fp16-pure.toml";
    for (const std::string &command : {model, asked}) {
        const auto again = scratch("fixed");
        const Finished fixed = run(command + " --config " + overlay.string() + " --out " + again.string());
        CAPTURE(fixed.err);
        CHECK(fixed.exit_code == 0);
        const auto recipe = recipe_in(again / "report.json");
        CHECK(recipe.at("verdict") == "safe");
        CHECK(recipe.at("headline") == fix.at("headline")); // the very run that was judged
        CHECK(recipe.at("run").at("cost") == fix.at("cost"));
        CHECK(recipe.at("fix").is_null());
    }
    // Documents made later tell of it too.
    const auto later = out / "later.json";
    CHECK(run("report " + out.string() + " --json " + later.string()).exit_code == 1);
    CHECK(recipe_in(later).at("fix") == fix);
}

TEST_CASE("where there is nothing to fix it says so, and the exit code is the verdict's") {
    const auto out = scratch("nothing-to-fix");
    const Finished safe = run(model + " --recipes bf16-amp --steps 40 --fix --out " + out.string());
    CHECK(safe.exit_code == 0);
    CHECK(safe.err.find("bf16-amp: safe, so --fix changes nothing") != std::string::npos);
    CHECK(recipe_in(out / "report.json").at("fix").is_null());
    CHECK(!std::filesystem::exists(out / "fix-bf16-amp.toml"));
    const Finished fp32 = run(model + " --recipes fp32 --fix --out " + out.string());
    CHECK(fp32.exit_code == 2);
    CHECK(fp32.err.find("only fp32 was asked for") != std::string::npos);
    const Finished short_run = run(model + " --recipes fp16-amp --steps 3 --fix --out " + out.string());
    CHECK(short_run.exit_code == 3);
    CHECK(short_run.err.find("there is no verdict, so --fix changes nothing") != std::string::npos);
    CHECK(run(model + " --fix --fix-runs 0 --out " + out.string()).exit_code == 2);
}
