// A fixed set of worker threads. Work is cut into tasks that do not depend on the number of threads, so results do not
// either.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace halfscope::ops {

class ThreadPool {
  public:
    /// threads = 0 takes all cores.
    explicit ThreadPool(int threads = 0);
    ~ThreadPool();
    ThreadPool(const ThreadPool &) = delete;
    ThreadPool &operator=(const ThreadPool &) = delete;

    [[nodiscard]] int threads() const { return static_cast<int>(workers_.size()) + 1; }

    /// Calls body(task) for every task in [0, tasks), in any order, on all threads; returns when all are done.
    /// The first exception thrown by a task is rethrown here. Not reentrant: a task must not call run().
    void run(std::int64_t tasks, const std::function<void(std::int64_t task)> &body);

  private:
    void work();
    bool join(std::uint64_t &seen);
    void take_tasks();

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable start_, done_;

    // A job is open while body_ is set; workers join and leave it under the mutex, and take tasks without it.
    const std::function<void(std::int64_t)> *body_ = nullptr;
    std::int64_t tasks_ = 0;
    std::exception_ptr failure_;
    int asleep_ = 0;
    bool waiting_ = false; ///< run() sleeps until the last worker leaves
    std::atomic<std::int64_t> next_{0};
    std::atomic<int> joined_{0};
    std::atomic<std::uint64_t> job_{0}; ///< counts jobs; what an idle worker watches
    std::atomic<bool> stopping_{false};
};

} // namespace halfscope::ops
