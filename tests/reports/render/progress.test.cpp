#include "reports/render/progress.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>

using namespace halfscope;
using reports::Progress;

namespace {

/// What was written, and a clock that the test turns.
struct Screen {
    std::string text;
    double now = 100;

    Progress::Options options(bool redraw) {
        Progress::Options options;
        options.redraw = redraw;
        options.style = {80, false, true};
        options.write = [this](std::string_view more) { text += more; };
        options.seconds = [this] { return now; };
        return options;
    }
};

} // namespace

TEST_CASE("away from a terminal: ten lines a run, whole and plain") {
    Screen screen;
    Progress progress(screen.options(false));
    progress.begin("fp16-amp", 1000, 2, 4);
    for (int step = 1; step <= 1000; ++step) {
        screen.now += 0.5;
        progress.step(step, 0.25);
    }
    progress.end();
    CHECK(std::count(screen.text.begin(), screen.text.end(), '\n') == 10);
    CHECK(screen.text.find_first_of("\r\x1b") == std::string::npos);
    // 900 steps of this run and two runs of 1000, half a second each.
    CHECK(screen.text.starts_with("fp16-amp (2/4): step 100/1000, loss 0.25, 24:10 min left\n"));
}

TEST_CASE("a run of fewer than ten steps says no more than its steps") {
    Screen screen;
    Progress progress(screen.options(false));
    progress.begin("fp32", 3);
    for (int step = 1; step <= 3; ++step) {
        screen.now += 5;
        progress.step(step, -std::numeric_limits<double>::quiet_NaN());
    }
    CHECK(std::count(screen.text.begin(), screen.text.end(), '\n') == 3);
    CHECK(screen.text.find("step 3/3, loss nan") != std::string::npos);
}

TEST_CASE("runs of a second each say their end, not every tenth") {
    Screen screen;
    Progress progress(screen.options(false));
    for (int run = 1; run <= 4; ++run) {
        progress.begin("fp32", 60, run, 4);
        for (int step = 1; step <= 60; ++step) {
            screen.now += 1. / 60;
            progress.step(step, 0.5);
        }
        progress.end();
        CHECK(screen.text.find(fmt::format("fp32 ({}/4): step 60/60, loss 0.5, {} s left", run, 4 - run)) !=
              std::string::npos);
    }
    CHECK(std::count(screen.text.begin(), screen.text.end(), '\n') <= 6); // four ends, at most two of every two seconds
}

TEST_CASE("on a terminal: one line drawn over, at most ten times a second, gone in the end") {
    Screen screen;
    Progress progress(screen.options(true));
    progress.begin("bf16-amp", 100, 1, 2);
    for (int step = 1; step <= 100; ++step) {
        screen.now += 0.01; // 100 steps a second
        progress.step(step, 1.5);
    }
    const auto redraws = std::count(screen.text.begin(), screen.text.end(), '\r');
    CHECK(redraws >= 8);
    CHECK(redraws <= 12);
    CHECK(std::count(screen.text.begin(), screen.text.end(), '\n') == 0);
    progress.end();
    CHECK(screen.text.ends_with("\r\x1b[K"
                                "bf16-amp  100 steps in 1 s, loss 1.5\n"));
}

TEST_CASE("the bar grows, fits the line, and a note stands above it") {
    Screen screen;
    Progress progress(screen.options(true));
    progress.begin("a-recipe-with-a-name-as-long-as-a-sentence", 4);
    screen.now += 1;
    progress.step(2, 1e-30);
    const std::string last = screen.text.substr(screen.text.rfind('\r') + 1);
    CHECK(last.find("━━━") != std::string::npos);
    CHECK(last.find("2/4  loss 1e-30  1 s left") != std::string::npos);
    CHECK(reports::columns(last) <= 80 + 2); // "[K" of the escape at the end is not text
    progress.note("The loss is not finite.");
    CHECK(screen.text.find("\r\x1b[KThe loss is not finite.\n\r") != std::string::npos);
}
