#include "reports/render/terminal.h"
#include "sample_assessment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>

using namespace halfscope;
using reports::TerminalStyle;

namespace {

TerminalStyle plain(int width = 80) { return {width, false, true}; }

std::vector<std::string> lines_of(const std::string &text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::size_t position(const std::string &text, const std::string &word) {
    const auto at = text.find(word);
    REQUIRE_MESSAGE(at != std::string::npos, "missing: " << word);
    return at;
}

} // namespace

TEST_CASE("verdicts come first, then curves, causes, scales and the report's place") {
    const std::string text = reports::terminal_summary(tests::sample_assessment(), plain(), "out/report.html");
    const std::array<std::size_t, 7> order = {position(text, "✔ fp16-amp   safe"),
                                              position(text, "✘ fp16-pure  unsafe"),
                                              position(text, "Loss\n"),
                                              position(text, "fp16-pure: gradient-underflow in stem.conv"),
                                              position(text, "Remedy    Use a loss scale"),
                                              position(text, "Loss scales that fit fp16"),
                                              position(text, "Report: out/report.html")};
    CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("no line is wider than the terminal") {
    for (const int width : {80, 100, 160})
        for (const auto &line : lines_of(reports::terminal_summary(tests::sample_assessment(), plain(width), "r.html")))
            CHECK_MESSAGE(reports::columns(line) <= static_cast<std::size_t>(width), line);
}

TEST_CASE("colour only where it is wanted, and it changes nothing but colour") {
    TerminalStyle coloured = plain();
    coloured.colour = true;
    const auto assessment = tests::sample_assessment();
    const std::string without = reports::terminal_summary(assessment, plain());
    std::string with = reports::terminal_summary(assessment, coloured);
    CHECK(without.find('\x1b') == std::string::npos);
    REQUIRE(with.find("\x1b[31m✘") != std::string::npos);
    for (auto at = with.find('\x1b'); at != std::string::npos; at = with.find('\x1b'))
        with.erase(at, with.find('m', at) - at + 1);
    const auto a = lines_of(with), b = lines_of(without);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].substr(0, a[i].find_last_not_of(' ') + 1) == b[i]);
}

TEST_CASE("an ASCII terminal gets ASCII") {
    auto assessment = tests::sample_assessment();
    assessment.session.notes.clear();
    TerminalStyle ascii = plain();
    ascii.unicode = false;
    for (const char c : reports::terminal_summary(assessment, ascii)) CHECK(static_cast<unsigned char>(c) < 0x80);
}

TEST_CASE("a sparkline shows height, clamps, and crosses what is not finite") {
    const std::vector<double> values = {0, 0.5, 1, 50, std::numeric_limits<double>::quiet_NaN(), -3};
    CHECK(reports::sparkline(values, 6, 0, 1, plain()) == "▁▅██×▁");
    CHECK(reports::sparkline(std::vector<double>{1, 1, 0, 0}, 2, 0, 1, plain()) == "█▁");
    CHECK(reports::sparkline({}, 3, 0, 1, plain()) == "   ");
    CHECK(reports::sparkline(std::vector<double>{5, 5}, 2, 5, 5, plain()) == "▁▁");
}

TEST_CASE("a strip of shares tells none from hardly any") {
    CHECK(reports::share_strip(std::vector<float>{0, 1e-9F, 1}, 3, plain()) == "·▁█");
    CHECK(reports::share_strip(std::vector<float>{0, 0, 1, 0}, 2, plain()) == "·█"); // the worst of a column
}

TEST_CASE("text is fitted and wrapped by what it takes on the screen") {
    CHECK(reports::columns("\x1b[31m✘ 2⁸\x1b[0m") == 4);
    CHECK(reports::fitted("conv", 6, plain()) == "conv  ");
    CHECK(reports::fitted("stage1.block0.conv1", 10, plain()) == "sta….conv1");
    CHECK(reports::wrapped("one two three", 7) == std::vector<std::string>{"one two", "three"});
    CHECK(reports::wrapped("extraordinary x", 5) == std::vector<std::string>{"extraordinary", "x"});
}

TEST_CASE("runs cut short, failed twins and empty assessments are said, not hidden") {
    auto assessment = tests::sample_assessment();
    assessment.recipes[0].complete = false;
    assessment.recipes[0].steps.resize(30);
    assessment.reference.sound = false;
    assessment.reference.problem = "its loss is NaN from step 3 on.";
    const std::string text = reports::terminal_summary(assessment, plain());
    CHECK(text.find("fp16-amp: cut short after 30 of 120 steps") != std::string::npos);
    CHECK(text.find("The fp32 twin itself does not train: its loss is NaN") != std::string::npos);
    CHECK_FALSE(reports::terminal_summary({}, plain()).empty());
}
