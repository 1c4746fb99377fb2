// --fix on whole models: a GPT, and two exported from PyTorch, whose printed lines PyTorch then runs. Needs Debian's
// python3-torch; without it the program is skipped.
#include "tests/cli/program.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <iostream>

using namespace halfscope::cli;

namespace {

const auto here = std::filesystem::path(HALFSCOPE_TEST_FOLDER);

void python(const std::string &arguments) {
    const int status = std::system(("/usr/bin/python3 " + arguments).c_str());
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
        std::cout << "skipped: /usr/bin/python3 with PyTorch is needed (apt install python3-torch)\n" << std::flush;
        std::_Exit(77);
    }
    CHECK(status == 0);
}

/// Exports the example and returns its folder.
std::filesystem::path exported(const std::string &name) {
    const auto folder = scratch("exported-" + name);
    const auto script = here.parent_path().parent_path().parent_path() / "examples" / ("export_" + name + ".py");
    python("-c 'import torch' || exit 77; /usr/bin/python3 " + script.string() + " " + folder.string() +
           " 2>/dev/null");
    return folder;
}

/// Runs the command with --fix, then again with the overlay; returns the fixed recipe's `fix`.
nlohmann::json fixed(const std::string &command, const std::string &recipe, const std::string &name) {
    const auto out = scratch("fix-" + name);
    const Finished finished = run("profile " + command + " --recipes " + recipe + " --fix --out " + out.string());
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 1);
    std::ifstream in(out / "report.json");
    const auto fix = nlohmann::json::parse(in).at("recipes").at(0).at("fix");
    REQUIRE(fix.at("found") == true);
    CHECK(fix.at("confirmed").at("verdict") == "safe");
    const Finished again = run("profile " + command + " --config " + fix.at("overlay_file").get<std::string>() +
                               " --out " + scratch("fixed-" + name).string());
    CAPTURE(again.err);
    CHECK(again.exit_code == 0);
    return fix;
}

/// Trains the example with the printed lines.
void run_in_pytorch(const nlohmann::json &fix, const std::string &example) {
    const auto lines = std::filesystem::path(HALFSCOPE_SCRATCH) / (example + "-lines.json");
    std::ofstream(lines) << fix.at("pytorch").dump();
    python((here / "run_lines.py").string() + " " + example + " " + lines.string());
}

} // namespace

TEST_CASE("a GPT in fp16 throughout needs master weights") {
    const auto fix = fixed("zoo:gpt", "fp16-pure", "gpt");
    CHECK(fix.at("changes") == nlohmann::json{"fp32 master weights and optimizer state"});
}

TEST_CASE("millimetres under fp16-o2 without loss scaling need the scale") {
    const auto folder = exported("displacement");
    const auto fix = fixed((folder / "displacement.onnx").string() + " --data " + (folder / "data.npz").string() +
                               " --optimizer adam --lr 0.001 --batch 8 --steps 60",
                           "fp16-o2 --loss-scale none", "displacement");
    CHECK(fix.at("changes") == nlohmann::json{"loss scale torch:init=524288"});
    run_in_pytorch(fix, "displacement");
}

TEST_CASE("activations beyond 65504 need one layer in fp32, and fp16-pure two and masters") {
    const auto folder = exported("regressor");
    const std::string command = (folder / "regressor.onnx").string() + " --data " + (folder / "data.npz").string() +
                                " --optimizer adam --lr 0.001 --batch 16 --steps 60";
    const auto amp = fixed(command, "fp16-amp", "regressor-amp");
    CHECK(amp.at("changes") == nlohmann::json{"`block.wo` in fp32"});
    run_in_pytorch(amp, "regressor");
    const auto pure = fixed(command, "fp16-pure", "regressor-pure");
    CHECK(pure.at("changes").size() == 3);
    CHECK(pure.at("minimal") == true);
    run_in_pytorch(pure, "regressor");
}
