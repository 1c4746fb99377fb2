// A sweep that is killed again and again ends with the bytes of one that was left alone.
#include "tests/cli/program.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <thread>

#include <csignal>
#include <fcntl.h>

using namespace halfscope::cli;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path &file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The document without what names this call.
std::string document_of(const fs::path &out) {
    auto document = nlohmann::json::parse(text_of(out / "converge.json"));
    document.erase("command");
    return document.dump();
}

std::vector<std::string> arguments_of(const fs::path &out, const std::string &threads) {
    return {"halfscope", "converge",  "zoo:cnn", "--data", "fashion-mnist", "--recipes", "fp16-amp,bf16-pure-sr",
            "--seeds",   "5",         "--steps", "12",     "--batch",       "16",        "--eval-every",
            "100",       "--threads", threads,   "--out",  out.string(),    "--csv",     (out.string() + ".csv")};
}

/// Starts the command and sends it a signal after `milliseconds`; its exit status.
int run_for(const std::vector<std::string> &arguments, int milliseconds, int signal) {
    const pid_t child = fork();
    if (child == 0) {
        const int nothing = open("/dev/null", O_WRONLY);
        dup2(nothing, 1);
        dup2(nothing, 2);
        std::vector<char *> raw;
        for (const std::string &argument : arguments) raw.push_back(const_cast<char *>(argument.c_str()));
        raw.push_back(nullptr);
        execv(HALFSCOPE_PROGRAM, raw.data());
        _exit(127);
    }
    int status = 0;
    for (int waited = 0; waited < milliseconds; waited += 20) {
        if (waitpid(child, &status, WNOHANG) == child) return status;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    kill(child, signal);
    waitpid(child, &status, 0);
    return status;
}

constexpr int for_ever = 3'000'000;

} // namespace

TEST_CASE("kill -9 in the middle, then the same command: bit for bit what an uninterrupted run gives") {
    if (!fs::exists("/usr/share/datasets/fashion-mnist")) {
        MESSAGE("skipped: install dataset-fashion-mnist");
        std::exit(77);
    }
    const fs::path folder = scratch("killed-sweep");
    REQUIRE(WIFEXITED(run_for(arguments_of(folder / "whole", "1"), for_ever, SIGKILL)));
    const std::string whole = document_of(folder / "whole"), table = text_of(folder / "whole.csv");
    CHECK(table.size() > 10000);

    // Killed at ever later moments, so that at least one falls into every stage; on two threads besides.
    int killed = 0;
    for (int patience = 400;; patience += 400) {
        const int status = run_for(arguments_of(folder / "killed", "2"), patience, SIGKILL);
        if (!WIFSIGNALED(status)) break;
        ++killed;
    }
    CHECK(killed >= 2);
    CHECK(document_of(folder / "killed") == whole);
    CHECK(text_of(folder / "killed.csv") == table);

    // Ctrl-C keeps the steps under way too, so that ever so short calls come to the end.
    int interrupted = 0;
    for (int patience = 1500;;) {
        const int status = run_for(arguments_of(folder / "interrupted", "2"), patience, SIGINT);
        if (WIFSIGNALED(status)) { // it came before the training began: this machine is slow
            patience *= 2;
            continue;
        }
        if (fs::exists(folder / "interrupted" / "converge.json")) break;
        CHECK(WEXITSTATUS(status) == 3);
        ++interrupted;
    }
    CHECK(interrupted >= 1);
    CHECK(document_of(folder / "interrupted") == whole);
    CHECK(text_of(folder / "interrupted.csv") == table);
}
