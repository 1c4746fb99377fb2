// A crash inside a user's library becomes one sentence.
#pragma once

#include <string>

namespace halfscope::kernels {

/// While it lives, SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT end the program with "halfscope: <what> crashed (<the
/// signal in words>)" and exit code 2. One at a time.
class CrashGuard {
  public:
    explicit CrashGuard(const std::string &what);
    ~CrashGuard();
    CrashGuard(const CrashGuard &) = delete;
    CrashGuard &operator=(const CrashGuard &) = delete;
};

} // namespace halfscope::kernels
