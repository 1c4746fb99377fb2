// Runs a check over a whole range of 2^32 cases on all cores and counts the failures; the first few are shown.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace halfscope::number {

/// check(first, last) returns the number of wrong cases in [first, last). The range is handed out in slices.
inline std::uint64_t sweep(std::uint64_t end, const std::function<std::uint64_t(std::uint64_t, std::uint64_t)> &check) {
    constexpr std::uint64_t slice = std::uint64_t{1} << 22;
    std::atomic<std::uint64_t> next{0}, wrong{0};
    std::vector<std::thread> threads;
    const unsigned count = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i)
        threads.emplace_back([&] {
            for (;;) {
                const std::uint64_t first = next.fetch_add(slice);
                if (first >= end) return;
                wrong += check(first, std::min(end, first + slice));
            }
        });
    for (auto &thread : threads) thread.join();
    return wrong;
}

} // namespace halfscope::number
