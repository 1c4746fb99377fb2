// A fixed set of worker threads. Work is cut into tasks that do not depend on the number of threads, so results do not
// either.
#pragma once

#include <condition_variable>
#include <cstdint>
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
    void take_tasks(std::unique_lock<std::mutex> &lock);

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable start_, done_;
    const std::function<void(std::int64_t)> *body_ = nullptr;
    std::int64_t next_ = 0, tasks_ = 0, running_ = 0;
    std::exception_ptr failure_;
    bool stopping_ = false;
};

} // namespace halfscope::ops
