// From model to verdict in one command: documents, exit codes, and a trace that outlives its writer.
#include "tests/cli/program.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <thread>

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace halfscope::cli;

namespace {

nlohmann::json read_json(const std::filesystem::path &file) {
    std::ifstream in(file);
    return nlohmann::json::parse(in);
}

} // namespace

TEST_CASE("a small network under two recipes: verdicts, documents, exit code") {
    const auto out = scratch("profile");
    const Finished finished = run("profile zoo:mlp:in=16,hidden=32,classes=4 --data synthetic --batch 32 --recipes "
                                  "fp16-amp,bf16-amp --steps 60 --out " +
                                  out.string());
    CAPTURE(finished.out);
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 0);
    CHECK(finished.out.find("fp16-amp") != std::string::npos);
    CHECK(finished.out.find("report.html") != std::string::npos);
    const auto report = read_json(out / "report.json");
    CHECK(report.at("schema") == "halfscope.report/1");
    CHECK(report.at("recipes").size() == 2);
    for (const auto &recipe : report.at("recipes")) {
        CHECK(recipe.at("verdict") == "safe");
        CHECK(recipe.at("loss").size() == 60);
        CHECK(!recipe.at("layers").empty());
    }
    CHECK(report.at("reference").at("loss").size() == 60);
    CHECK(std::filesystem::file_size(out / "report.html") > 10000);
}

TEST_CASE("the same command gives the same losses on any number of threads") {
    const auto losses = [](const std::string &threads) {
        const Finished finished =
            run("profile zoo:mlp:in=16,hidden=32,classes=4 --data synthetic --recipes fp16-amp --steps 8 "
                "--seeds 0 --json --threads " +
                threads + " --out " + scratch("threads-" + threads).string());
        return nlohmann::json::parse(finished.out).at("recipes").at(0).at("loss").dump();
    };
    CHECK(losses("1") == losses("3"));
}

TEST_CASE("killed in the middle, every finished step is kept and report reads it") {
    const auto out = scratch("killed");
    const pid_t child = fork();
    if (child == 0) {
        const int nothing = open("/dev/null", O_WRONLY);
        dup2(nothing, 1);
        dup2(nothing, 2);
        execl(HALFSCOPE_PROGRAM, "halfscope", "profile", "zoo:mlp:in=16,hidden=32,classes=4", "--data", "synthetic",
              "--recipes", "fp16-amp", "--steps", "100000", "--seeds", "0", "--out", out.c_str(), nullptr);
        _exit(127);
    }
    // Long enough for some steps; polled, so that a slow machine only waits longer.
    const auto wal = out / "trace.db-wal";
    for (int i = 0; i < 600; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        std::error_code missing;
        if (std::filesystem::file_size(wal, missing) > 200000 && !missing) break;
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    const auto json = out / "late.json";
    const Finished finished = run("report " + out.string() + " --json " + json.string());
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 3); // the twin alone ran: no verdict
    CHECK(read_json(json).at("reference").at("loss").size() > 3);
}
