#include "emulation/ops/thread_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace halfscope::ops {
namespace {

TEST_CASE("thread pool: every task runs exactly once, over many short jobs") {
    for (int count = 1; count <= 4; ++count) {
        ThreadPool pool(count);
        CHECK(pool.threads() == count);
        for (int job = 0; job < 300; ++job) {
            const std::int64_t tasks = job % 17;
            std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
            pool.run(tasks, [&](std::int64_t task) { ++runs[static_cast<std::size_t>(task)]; });
            for (const auto &n : runs) REQUIRE(n == 1);
        }
    }
}

TEST_CASE("thread pool: workers that fell asleep are woken") {
    ThreadPool pool(3);
    for (int job = 0; job < 5; ++job) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5)); // far beyond the time an idle worker watches
        std::atomic<int> arrived{0};
        // Every task waits until all three have begun: only three threads at once can finish this.
        pool.run(3, [&](std::int64_t) {
            ++arrived;
            while (arrived < 3) std::this_thread::yield();
        });
        CHECK(arrived == 3);
    }
}

TEST_CASE("thread pool: the first exception comes back, and the pool goes on") {
    for (int count = 1; count <= 3; ++count) {
        ThreadPool pool(count);
        for (int job = 0; job < 50; ++job) {
            CHECK_THROWS_WITH_AS(pool.run(8,
                                          [](std::int64_t task) {
                                              if (task >= 2) throw std::runtime_error("task failed");
                                          }),
                                 "task failed", std::runtime_error);
            std::atomic<int> done{0};
            pool.run(5, [&](std::int64_t) { ++done; });
            CHECK(done == 5);
        }
    }
}

} // namespace
} // namespace halfscope::ops
