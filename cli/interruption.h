// Ctrl-C ends a profile after the current step; a second one ends the program at once.
#pragma once

#include <atomic>

namespace halfscope::cli {

class Interruption {
  public:
    Interruption();
    ~Interruption();
    Interruption(const Interruption &) = delete;
    Interruption &operator=(const Interruption &) = delete;

    [[nodiscard]] const std::atomic<bool> &requested() const;
};

} // namespace halfscope::cli
