// Shows how far long work has come: a bar that is redrawn on a terminal, otherwise a line about every tenth of a run,
// fewer where a run takes seconds.
#pragma once

#include "reports/render/terminal_text.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace halfscope::reports {

/// Use: begin(), step() after every finished step, end(); then the next run. Not thread-safe.
class Progress {
  public:
    struct Options {
        bool redraw = false; ///< one line drawn over and over; false: whole lines, at most ten a run
        TerminalStyle style;
        std::function<void(std::string_view)> write; ///< takes the text, escape sequences and line ends included
        std::function<double()> seconds;             ///< a clock that never goes back; unset: the steady clock
        double redraw_every = 0.1;                   ///< seconds between two redraws
        double line_every = 2;                       ///< seconds between two whole lines, a run's last left aside
    };

    explicit Progress(Options options);
    /// Writes to the stream and asks it whether it is a terminal.
    explicit Progress(std::FILE *stream);
    ~Progress();
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;

    /// A run begins: its name ("fp16-amp"), its planned steps, which run of how many it is (from 1), and how many of
    /// its steps were done before, in no time.
    void begin(std::string run, std::int64_t steps, int index = 1, int runs = 1, std::int64_t done_before = 0);
    /// `finished` steps of the current run are done, the last with this loss (may be inf or NaN).
    void step(std::int64_t finished, double loss);
    /// The current run is over; on a terminal its bar gives way to one closing line.
    void end();
    /// Prints one line of its own, above the bar.
    void note(std::string_view line);

  private:
    void draw();
    void erase();
    [[nodiscard]] std::string bar_line() const;
    [[nodiscard]] std::string plain_line() const;
    [[nodiscard]] std::string time_left() const;

    Options options_;
    std::string run_;
    std::int64_t steps_ = 0, finished_ = 0, done_before_ = 0;
    int index_ = 1, runs_ = 1;
    double loss_ = 0, begun_ = 0, drawn_ = -1;
    std::int64_t tenths_shown_ = 0;
    bool running_ = false, on_screen_ = false;
};

} // namespace halfscope::reports
