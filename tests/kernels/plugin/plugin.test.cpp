// User libraries through the C interface: the worked example, wrong kernels judged rightly, broken libraries refused.
#include "kernels/plugin/plugin.h"
#include "kernels/reveal/reveal.h"
#include "kernels/validation/validate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

#include <sys/wait.h>
#include <unistd.h>

using namespace halfscope;
using namespace halfscope::kernels;
using judge::Verdict;

namespace {

Kernel kernel_of(const std::string &file, std::string_view name) {
    const auto kernels = load_plugin(file, std::nullopt);
    const auto found = std::find_if(kernels.begin(), kernels.end(), [&](const Kernel &k) { return k.name == name; });
    REQUIRE(found != kernels.end());
    return *found;
}

judge::Judgement judged(const Kernel &kernel, std::int64_t size) {
    ops::ThreadPool threads(2);
    ValidationOptions options;
    options.inputs.size = size;
    const Validation validation = validate(kernel, options, threads);
    INFO(validation.judgement.explanation);
    return validation.judgement;
}

void check_refused(const std::string &file, const std::string &named,
                   const std::optional<std::string> &model = std::nullopt) {
    try {
        (void)load_plugin(file, model);
        FAIL_CHECK("loaded");
    } catch (const std::runtime_error &error) {
        const std::string sentence = error.what();
        CHECK_MESSAGE(sentence.find(named) != std::string::npos, sentence);
        CHECK(sentence.find(file) == 0);
    }
}

} // namespace

TEST_CASE("the worked example") {
    const judge::Judgement product = judged(kernel_of(HALFSCOPE_EXAMPLE_PLUGIN, "matmul-fma"), 32);
    CHECK(product.verdict == Verdict::bit_equal);
    CHECK(product.identified.value_or("").find("fma-chain") == 0);
    const judge::Judgement lanes = judged(kernel_of(HALFSCOPE_EXAMPLE_PLUGIN, "dot-8-lanes"), 64);
    CAPTURE(lanes.explanation);
    CHECK(lanes.verdict == Verdict::different_order);
    CHECK(lanes.identified.value_or("").find("products rounded, then added, 8 accumulators") == 0);
    // Made for the rows of values about 1: 65 roundings of 64 products below 8 on average; 1e30 would be useless.
    REQUIRE(lanes.tolerance);
    CHECK(lanes.tolerance->atol > 0);
    CHECK(lanes.tolerance->atol < 65 * 0x1p-24 * 64 * 8);
    const auto found = reveal::reveal(kernel_of(HALFSCOPE_EXAMPLE_PLUGIN, "dot-8-lanes"), {64, 1});
    CHECK(found.matches());
    CHECK(found.orders.at(0).tree.nodes.size() == 64); // the products and c
}

TEST_CASE("wrong kernels are judged for what they are") {
    const auto verdict = [](std::string_view name) {
        const judge::Judgement judgement = judged(kernel_of(HALFSCOPE_WRONG_PLUGIN, name), 48);
        MESSAGE(name << ": " << judgement.explanation);
        return judgement.verdict;
    };
    CHECK(verdict("right") == Verdict::bit_equal);
    CHECK(judge::is_pass(verdict("backwards")));
    CHECK(verdict("extra-bf16") == Verdict::extra_rounding);
    CHECK(verdict("last-tile-wrong") == Verdict::real_bug);
    CHECK(verdict("nan-filled") == Verdict::real_bug);
}

TEST_CASE("broken libraries are refused in one sentence") {
    check_refused("/nowhere/libmine.so", "no such file");
    const std::string text = std::string(HALFSCOPE_SCRATCH) + "/not-a-library.so";
    std::ofstream(text) << "text\n";
    check_refused(text, "can not be loaded");
    check_refused(HALFSCOPE_EMPTY_PLUGIN, "halfscope_kernel_library");
    check_refused(HALFSCOPE_OLD_PLUGIN, "version 999");
    check_refused(HALFSCOPE_EXAMPLE_PLUGIN, "volta", "volta");
    check_refused(HALFSCOPE_EXAMPLE_PLUGIN, "hoper", "hoper");
    CHECK_THROWS_WITH_AS(judged(kernel_of(HALFSCOPE_WRONG_PLUGIN, "fails"), 16),
                         doctest::Contains("kernel 'fails' failed: no device"), std::runtime_error);
}

TEST_CASE("a crash inside a library is one sentence and exit code 2") {
    const auto crashed = [](std::string_view name, const std::string &sentence) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            dup2(ends[1], STDERR_FILENO);
            ops::ThreadPool threads(1);
            (void)validate(kernel_of(HALFSCOPE_WRONG_PLUGIN, name), ValidationOptions{}, threads);
            _exit(0);
        }
        close(ends[1]);
        std::string said;
        std::array<char, 256> some{};
        for (ssize_t n = 0; (n = read(ends[0], some.data(), some.size())) > 0;)
            said.append(some.data(), static_cast<std::size_t>(n));
        close(ends[0]);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        CAPTURE(said);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 2);
        CHECK(said.find("halfscope: ") == 0);
        CHECK(said.find(name) != std::string::npos);
        CHECK(said.find(sentence) != std::string::npos);
    };
    crashed("segfaults", "used memory that is not there");
    crashed("aborts", "gave up");
}
