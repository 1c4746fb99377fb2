#include "cli/interruption.h"

#include <csignal>

namespace halfscope::cli {
namespace {

std::atomic<bool> stop_requested{false};

void on_interrupt(int signal) {
    stop_requested = true;
    std::signal(signal, SIG_DFL);
}

} // namespace

Interruption::Interruption() {
    stop_requested = false;
    std::signal(SIGINT, on_interrupt);
    std::signal(SIGTERM, on_interrupt);
}

Interruption::~Interruption() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
}

const std::atomic<bool> &Interruption::requested() const { return stop_requested; }

} // namespace halfscope::cli
