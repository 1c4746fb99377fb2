#include "kernels/plugin/crash_guard.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <string_view>

#include <unistd.h>

namespace halfscope::kernels {
namespace {

struct Signal {
    int number;
    const char *sentence_end;
};
constexpr std::array<Signal, 5> crashes{{
    {SIGSEGV, " crashed: it used memory that is not there (segmentation fault).\n"},
    {SIGBUS, " crashed: it used memory that is not there (bus error).\n"},
    {SIGFPE, " crashed: an integer division by zero, or a floating-point exception it had enabled.\n"},
    {SIGILL, " crashed: an instruction that this CPU does not have.\n"},
    {SIGABRT, " gave up (abort).\n"},
}};

// What a signal handler may read: plain memory, written before the signal can come.
std::array<char, 1024> subject{};
std::size_t subject_length = 0;
std::array<struct sigaction, crashes.size()> before{};

void say(const char *text, std::size_t length) {
    while (length > 0) {
        const ssize_t written = write(STDERR_FILENO, text, length);
        if (written <= 0) return;
        text += written;
        length -= static_cast<std::size_t>(written);
    }
}

extern "C" void end_with_a_sentence(int signal) {
    say("halfscope: ", 11);
    say(subject.data(), subject_length);
    for (const Signal &crash : crashes)
        if (crash.number == signal) say(crash.sentence_end, std::strlen(crash.sentence_end));
    _exit(2);
}

} // namespace

CrashGuard::CrashGuard(const std::string &what) {
    subject_length = std::min(what.size(), subject.size());
    std::copy_n(what.begin(), subject_length, subject.begin());
    struct sigaction action {};
    action.sa_handler = end_with_a_sentence;
    for (std::size_t i = 0; i < crashes.size(); ++i) sigaction(crashes[i].number, &action, &before[i]);
}

CrashGuard::~CrashGuard() {
    for (std::size_t i = 0; i < crashes.size(); ++i) sigaction(crashes[i].number, &before[i], nullptr);
}

} // namespace halfscope::kernels
