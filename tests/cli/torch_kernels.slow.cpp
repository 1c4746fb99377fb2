// Other people's kernels judged: PyTorch's and NumPy's results, as they are and changed in known ways. Needs Debian's
// python3-torch; without it the program is skipped.
#include "tests/cli/program.h"

#include "emulation/data/npy.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <iostream>

using namespace halfscope;
using namespace halfscope::cli;

namespace {

const std::filesystem::path &folder() {
    static const std::filesystem::path made = [] {
        const auto fresh = scratch("torch-kernels");
        const auto script = std::filesystem::path(HALFSCOPE_TEST_FOLDER) / "torch_kernels.py";
        const int status = std::system(("/usr/bin/python3 " + script.string() + " " + fresh.string()).c_str());
        if (WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)) {
            std::cout << "skipped: /usr/bin/python3 with PyTorch is needed (apt install python3-torch)\n" << std::flush;
            std::_Exit(77);
        }
        REQUIRE(status == 0);
        return fresh;
    }();
    return made;
}

std::string file(const std::string &name) { return (folder() / (name + ".npy")).string(); }

struct Judged {
    int exit_code;
    nlohmann::json document;
    std::string words;
};

Judged judged(const std::string &arguments, const std::string &out) {
    const Finished finished = run("validate " + arguments + " --json - --out " + file(out));
    CAPTURE(finished.err);
    REQUIRE(finished.exit_code < 2);
    Judged result{finished.exit_code, nlohmann::json::parse(finished.out), ""};
    result.words = result.document.at("explanation");
    for (const auto &line : result.document.at("evidence")) result.words += "\n" + line.get<std::string>();
    return result;
}

std::string product() { return "--op matmul --format fp16 --a " + file("a") + " --b " + file("b"); }

} // namespace

TEST_CASE("BLAS products differ by the order of accumulation alone") {
    for (const char *library : {"torch_fp32", "numpy_fp32", "fp64"})
        for (const char *model : {"fma-chain", "hopper"}) {
            CAPTURE(library);
            const Judged result = judged(product() + " --model " + model, library);
            CAPTURE(result.words);
            CHECK(result.exit_code == 0);
            CHECK(result.document.at("errors").at("beyond_bound") == 0);
            CHECK(result.document.at("errors").at("worst_of_bound") > 0);
        }
    const Judged with_c = judged(product() + " --c " + file("c"), "with_c");
    CHECK(with_c.exit_code == 0);
    const Judged half = judged(product(), "torch_as_fp16"); // stored in fp16: rounded once, as it should be
    CHECK(half.exit_code == 0);
    CHECK(judged(product(), "torch_bf16_bits").exit_code == 0);
}

TEST_CASE("the printed tolerance holds, and one a hundredth of it does not") {
    const auto tolerance = judged(product(), "torch_fp32").document.at("tolerance");
    const double rtol = tolerance.at("rtol"), atol = tolerance.at("atol");
    const data::Array tested = data::read_npy(file("torch_fp32")), exact = data::read_npy(file("exact"));
    std::int64_t outside = 0, far_outside = 0;
    for (std::int64_t i = 0; i < tested.elements(); ++i) {
        const double error = std::fabs(tested.number_at(i) - exact.number_at(i)), right = std::fabs(exact.number_at(i));
        outside += error > atol + rtol * right;
        far_outside += error > (atol + rtol * right) / 100;
    }
    CHECK(outside == 0);
    CHECK(far_outside > 0);
}

TEST_CASE("changed results are told from each other") {
    const Judged bf16 = judged(product(), "torch_as_bf16");
    CHECK(bf16.exit_code == 1);
    CHECK(bf16.document.at("verdict") == "extra rounding");
    CHECK(bf16.words.find("bf16") != std::string::npos);
    const Judged declared = judged(product() + " --result bf16", "torch_as_bf16");
    CHECK(declared.exit_code == 0);
    const Judged one = judged(product(), "one_wrong");
    CHECK(one.document.at("verdict") == "real bug");
    CHECK(one.document.at("errors").at("beyond_bound") == 1);
    CHECK(one.document.at("worst_error").at("position") == nlohmann::json({100, 70}));
    const Judged tail = judged(product(), "tail_wrong");
    CHECK(tail.document.at("verdict") == "real bug");
    CHECK(tail.words.find("the last partial tile of 64 columns") != std::string::npos);
    const Judged transposed =
        judged("--op matmul --format fp16 --a " + file("square") + " --b " + file("square"), "transposed");
    CHECK(transposed.document.at("verdict") == "real bug");
    CHECK(transposed.words.find("b transposed") != std::string::npos);
    const Judged ignored = judged(product() + " --c " + file("c"), "torch_fp32");
    CHECK(ignored.document.at("verdict") == "real bug");
    CHECK(ignored.words.find("c is ignored") != std::string::npos);
}

TEST_CASE("PyTorch's softmax, layer norm, sums and roundings are right") {
    const std::string x = " --format fp32 --in " + file("x");
    CHECK(judged("--op softmax" + x, "softmax").exit_code == 0);
    CHECK(judged("--op softmax" + x, "log_softmax").exit_code == 1);
    CHECK(judged("--op layernorm" + x, "layernorm").exit_code == 0);
    CHECK(judged("--op sum" + x, "sum_torch").exit_code == 0);
    const Judged numpy = judged("--op sum" + x, "sum_numpy");
    CHECK(numpy.document.at("identified") == "numpy");
    for (const std::string format : {"fp16", "bf16"}) {
        const Judged rounding =
            judged("--op round --format " + format + " --in " + file("x"), format == "fp16" ? "x_fp16" : "x_bf16_bits");
        CHECK(rounding.document.at("verdict") == "bit-equal");
    }
}
