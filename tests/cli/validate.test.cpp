// `halfscope validate` as a user runs it: kernels of this machine, skips, refusals, orders.
#include "tests/cli/program.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace halfscope::cli;

TEST_CASE("every kernel passes or is skipped with a reason") {
    const auto page = scratch("validate") / "kernels.html";
    const Finished finished = run("validate --size 2000 --json - --html " + page.string());
    CHECK(finished.exit_code == 0);
    const auto document = nlohmann::json::parse(finished.out);
    CHECK(document["schema"] == "halfscope.validation/1");
    CHECK(document["failed"] == 0);
    for (const auto &kernel : document["kernels"]) {
        CHECK((kernel["verdict"] == "bit-equal" || kernel["verdict"] == "skipped"));
        CHECK_FALSE(kernel["explanation"].get<std::string>().empty());
    }
    CHECK(document["passed"].get<int>() + document["skipped"].get<int>() ==
          static_cast<int>(document["kernels"].size()));
    CHECK(std::filesystem::file_size(page) > 2000);
}

TEST_CASE("what can not be validated is refused in one sentence") {
    const auto refused = [](const std::string &arguments, const std::string &named) {
        const Finished finished = run("validate " + arguments);
        CAPTURE(finished.err);
        CHECK(finished.exit_code == 2);
        CHECK(finished.err.rfind("halfscope: ", 0) == 0);
        CHECK(finished.err.find(named) != std::string::npos);
    };
    refused("f16c-fp32-to-fp61", "f16c-fp32-to-fp16");
    refused("--plugin /nowhere.so", "/nowhere.so");
    refused("--reveal dot", "--library");
    refused("--reveal dot sse-add-fp32", "none of these kernels is a dot");
    refused("--size 0", "--size");
}

TEST_CASE("Eigen's order is found, and the emulator has its bits in it") {
    const Finished finished = run("validate --reveal dot --library eigen --size 100");
    CHECK(finished.exit_code == 0);
    CHECK(finished.out.find("same bits in all") != std::string::npos);
}
