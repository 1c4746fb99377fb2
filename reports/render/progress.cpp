#include "reports/render/progress.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace halfscope::reports {
namespace {

double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Progress::Options options_for(std::FILE *stream) {
    Progress::Options options;
    const int descriptor = fileno(stream);
    options.redraw = descriptor >= 0 && isatty(descriptor) == 1;
    options.style = TerminalStyle::of(stream);
    options.write = [stream](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stream);
        std::fflush(stream);
    };
    return options;
}

std::string duration(double seconds) {
    const auto whole = static_cast<std::int64_t>(std::lround(std::max(0.0, seconds)));
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
    return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

} // namespace

Progress::Progress(Options options) : options_(std::move(options)) {
    if (!options_.seconds) options_.seconds = steady_seconds;
}

Progress::Progress(std::FILE *stream) : Progress(options_for(stream)) {}

Progress::~Progress() { erase(); }

void Progress::begin(std::string run, std::int64_t steps, int index, int runs, std::int64_t done_before) {
    if (running_) end();
    run_ = std::move(run);
    steps_ = std::max<std::int64_t>(steps, 1);
    finished_ = done_before_ = done_before;
    index_ = index;
    runs_ = std::max(runs, index);
    loss_ = std::nan("");
    begun_ = options_.seconds();
    if (options_.redraw)
        drawn_ = -1; // a new bar at once; lines keep their distance over runs
    else if (drawn_ < 0)
        drawn_ = begun_;
    tenths_shown_ = 10 * finished_ / steps_;
    running_ = true;
    if (options_.redraw) draw();
}

void Progress::step(std::int64_t finished, double loss) {
    if (!running_) return;
    finished_ = finished;
    loss_ = std::isnan(loss) ? std::nan("") : loss; // a NaN's sign says nothing
    if (options_.redraw) {
        const double now = options_.seconds();
        if (drawn_ < 0 || now - drawn_ >= options_.redraw_every) draw();
        return;
    }
    const std::int64_t tenths = std::min<std::int64_t>(10, 10 * finished_ / steps_);
    if (tenths <= tenths_shown_) return;
    const double now = options_.seconds();
    if (finished_ < steps_ && now - drawn_ < options_.line_every) return;
    tenths_shown_ = tenths;
    drawn_ = now;
    options_.write(plain_line() + '\n');
}

void Progress::end() {
    if (!running_) return;
    running_ = false;
    if (!options_.redraw) return;
    erase();
    options_.write(fmt::format("{}  {} steps in {}, loss {:.4g}\n", toned(run_, Tone::strong, options_.style),
                               finished_, duration(options_.seconds() - begun_), loss_));
}

void Progress::note(std::string_view line) {
    erase();
    options_.write(std::string(line) + '\n');
    if (running_ && options_.redraw) draw();
}

void Progress::erase() {
    if (!on_screen_) return;
    options_.write("\r\x1b[K");
    on_screen_ = false;
}

void Progress::draw() {
    drawn_ = options_.seconds();
    options_.write(fmt::format("\r{}\x1b[K", bar_line()));
    on_screen_ = true;
}

std::string Progress::bar_line() const {
    const auto &style = options_.style;
    const std::string count = runs_ > 1 ? fmt::format(" {}/{}", index_, runs_) : "";
    std::string figures = fmt::format("  {}/{}", finished_, steps_);
    if (finished_ > 0) figures += fmt::format("  loss {:.4g}  {}", loss_, time_left());
    const std::string name = fitted(run_, std::min<std::size_t>(columns(run_), 24), style);
    const std::size_t taken = columns(name) + columns(count) + columns(figures) + 3;
    const auto width = static_cast<std::size_t>(std::max(1, style.width));
    const std::size_t room = std::clamp<std::size_t>(width > taken ? width - taken : 1, 1, 40);
    const double share = std::clamp(static_cast<double>(finished_) / static_cast<double>(steps_), 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * static_cast<double>(room));
    std::string done, rest;
    for (std::size_t i = 0; i < room; ++i) (i < full ? done : rest) += style.unicode ? "━" : (i < full ? "#" : ".");
    return toned(name, Tone::strong, style) + toned(count, Tone::faint, style) + "  " + toned(done, Tone::good, style) +
           (style.colour || !style.unicode ? toned(rest, Tone::faint, style) : std::string(columns(rest), ' ')) +
           figures;
}

std::string Progress::plain_line() const {
    const std::string count = runs_ > 1 ? fmt::format(" ({}/{})", index_, runs_) : "";
    return fmt::format("{}{}: step {}/{}, loss {:.4g}, {}", run_, count, finished_, steps_, loss_, time_left());
}

/// Of all runs, as if the following ones were like this one.
std::string Progress::time_left() const {
    if (finished_ <= done_before_) return "";
    const double each = (options_.seconds() - begun_) / static_cast<double>(finished_ - done_before_);
    const auto steps_left = std::max<std::int64_t>(0, steps_ - finished_) + (runs_ - index_) * steps_;
    return duration(each * static_cast<double>(steps_left)) + " left";
}

} // namespace halfscope::reports
