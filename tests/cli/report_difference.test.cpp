// `halfscope report A B` as a user runs it.
#include "tests/cli/program.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <vector>

using namespace halfscope::cli;

TEST_CASE("two runs stand side by side, on the terminal and on a page") {
    const auto folder = scratch("report-difference");
    const std::string a = (folder / "a").string(), b = (folder / "b").string(), page = (folder / "d.html").string();
    const std::string common = "profile zoo:mlp --data synthetic --batch 8 --seeds 0 --trace-every 5 --steps 20 ";
    CHECK(run(common + "--recipes fp16-amp,bf16-amp --out " + a).exit_code != 2);
    CHECK(run(common + "--recipes bf16-amp,bf16-pure --lr 0.02 --out " + b).exit_code != 2);
    const Finished finished = run("report " + a + " " + b + " --html " + page);
    CAPTURE(finished.err);
    CHECK((finished.exit_code == 0 || finished.exit_code == 1));
    for (const std::string &said : std::vector<std::string>{"final loss", "bf16-amp", "only in " + b, "only in " + a,
                                                            "What else differs", "0.01 → 0.02"})
        CHECK_MESSAGE(finished.out.find(said) != std::string::npos, said, "\n", finished.out);
    std::ifstream stream(page);
    const std::string html((std::istreambuf_iterator<char>(stream)), {});
    CHECK(html.find("<h1>") != std::string::npos);
    CHECK(html.find("bf16-pure") != std::string::npos);
    CHECK(html.find("default-src 'none'") != std::string::npos);
    // A run beside itself differs in nothing.
    const Finished same = run("report " + a + " " + a);
    CHECK(same.exit_code == 0);
    CHECK(same.out.find("→") == std::string::npos);
}

TEST_CASE("what two runs cannot give is refused in one sentence") {
    const auto folder = scratch("report-difference-refused");
    const std::string a = (folder / "a").string();
    CHECK(run("profile zoo:mlp --data synthetic --batch 4 --seeds 0 --steps 2 --recipes fp32 --out " + a).exit_code !=
          2);
    const auto refused = [](const std::string &arguments, const std::string &named) {
        const Finished finished = run("report " + arguments);
        CHECK(finished.exit_code == 2);
        CHECK_MESSAGE(finished.err.find(named) != std::string::npos, finished.err);
    };
    refused(a + " /nowhere", "/nowhere");
    refused(a + " " + a + " --json x.json", "--json");
}
