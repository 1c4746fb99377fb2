// halfscope converge: what it refuses, before anything is trained or touched.
#include "tests/cli/program.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

using namespace halfscope::cli;
namespace fs = std::filesystem;

namespace {

const std::string small = "converge zoo:mlp:in=8,hidden=8,classes=3 --data synthetic --batch 16 --steps 6 ";

/// Exit code 2, this sentence and nothing else on standard error, and no output directory.
void check_refused(const std::string &arguments, const std::string &sentence) {
    const fs::path out = scratch("refused") / "out";
    const Finished finished = run(small + arguments + " --out " + out.string());
    CAPTURE(arguments);
    CHECK(finished.exit_code == 2);
    CHECK(finished.out.empty());
    CHECK(finished.err.find(sentence) != std::string::npos);
    CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
    CHECK(!fs::exists(out));
}

} // namespace

TEST_CASE("mistakes are told in one sentence before anything is trained") {
    const fs::path folder = scratch("mistakes");
    std::ofstream(folder / "run.csv") << "epoch,loss\n1,0.5\n";
    check_refused("--with " + (folder / "run.csv").string(), "it has no step column");
    check_refused("--plot curves.jpg", "pictures are drawn as .svg, .png or .pdf");
    check_refused("--plot /nowhere/curves.svg", "the directory /nowhere does not exist");
    check_refused("--csv /nowhere/curves.csv", "the directory /nowhere does not exist");
    check_refused("--recipes fp17", "fp17");
    check_refused("--seeds 0", "--seeds");
    check_refused("--loss mse --metric accuracy", "");
}

TEST_CASE("without gnuplot a plot is refused with the package's name") {
    const fs::path out = scratch("no-gnuplot") / "out";
    const std::string path = std::getenv("PATH") ? std::getenv("PATH") : "";
    setenv("PATH", "/nowhere", 1); // the program is called by its full path
    const Finished finished = run(small + "--plot curves.svg --out " + out.string());
    setenv("PATH", path.c_str(), 1);
    CHECK(finished.exit_code == 2);
    CHECK(finished.err.find("it is not installed; apt install gnuplot-nox") != std::string::npos);
    CHECK(!fs::exists(out));
}

TEST_CASE("three seeds state nothing; the same command trains nothing again; other settings are refused") {
    const fs::path out = scratch("three") / "out";
    const std::string command = small + "--recipes fp16-amp --seeds 3 --out " + out.string();
    const Finished first = run(command);
    CAPTURE(first.err);
    CHECK(first.exit_code == 3);
    std::string sentences = first.out; // wrapped to the terminal's width
    std::replace(sentences.begin(), sentences.end(), '\n', ' ');
    CHECK(
        sentences.find("Undecided about fp16-amp: 3 pairs cannot give an interval of 90 % coverage; take --seeds 5 or "
                       "more.") != std::string::npos);
    CHECK(first.err.find("6 runs: step 36/36") != std::string::npos);
    const Finished again = run(command);
    CHECK(again.exit_code == 3);
    CHECK(again.out == first.out);
    CHECK(again.err.empty());

    const auto written = fs::last_write_time(out / "converge.json");
    const auto size = fs::file_size(out / "converge.db");
    const Finished other = run(command + " --lr 0.5");
    CHECK(other.exit_code == 2);
    CHECK(other.err.find("it holds the sweep of another run (lr: 0.01 there, 0.5 here)") != std::string::npos);
    CHECK(fs::last_write_time(out / "converge.json") == written);
    CHECK(fs::file_size(out / "converge.db") == size);

    const Finished more = run(small + "--recipes fp16-amp,bf16-amp --seeds 5 --out " + out.string());
    CHECK(more.exit_code != 2);
    CHECK(more.out.find("bf16-amp") != std::string::npos);
}

TEST_CASE("a profile's directory is not a sweep's") {
    const fs::path out = scratch("profiled");
    std::ofstream(out / "trace.db") << "a trace";
    const Finished finished = run(small + "--out " + out.string());
    CHECK(finished.exit_code == 2);
    CHECK(finished.err.find("it holds the trace of a profile") != std::string::npos);
    CHECK(!fs::exists(out / "converge.db"));
}
