#include "emulation/ops/thread_pool.h"

#include <utility>

namespace halfscope::ops {

ThreadPool::ThreadPool(int threads) {
    if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    start_.notify_all();
    for (std::thread &worker : workers_) worker.join();
}

void ThreadPool::take_tasks(std::unique_lock<std::mutex> &lock) {
    ++running_;
    while (next_ < tasks_) {
        const std::int64_t task = next_++;
        const auto *body = body_;
        lock.unlock();
        std::exception_ptr failure;
        try {
            (*body)(task);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        if (failure) {
            if (!failure_) failure_ = failure;
            next_ = tasks_;
        }
    }
    --running_;
}

void ThreadPool::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        start_.wait(lock, [this] { return stopping_ || next_ < tasks_; });
        if (stopping_) return;
        take_tasks(lock);
        if (running_ == 0) done_.notify_all();
    }
}

void ThreadPool::run(std::int64_t tasks, const std::function<void(std::int64_t)> &body) {
    if (tasks <= 0) return;
    if (tasks == 1 || workers_.empty()) {
        for (std::int64_t task = 0; task < tasks; ++task) body(task);
        return;
    }
    std::unique_lock lock(mutex_);
    body_ = &body;
    next_ = 0;
    tasks_ = tasks;
    start_.notify_all();
    take_tasks(lock);
    done_.wait(lock, [this] { return running_ == 0 && next_ >= tasks_; });
    body_ = nullptr;
    tasks_ = next_ = 0;
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

} // namespace halfscope::ops
