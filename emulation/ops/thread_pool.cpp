#include "emulation/ops/thread_pool.h"

#include <hwy/base.h>

#include <algorithm>
#include <utility>

#if HWY_ARCH_X86
#include <immintrin.h>
#endif

namespace halfscope::ops {
namespace {

/// A training step is hundreds of short jobs with short gaps; waking a sleeping thread costs more than many of them.
/// So an idle thread watches for some ten microseconds before it sleeps.
constexpr int watches = 1000;

void pause_briefly() {
#if HWY_ARCH_X86
    _mm_pause();
#else
    std::this_thread::yield();
#endif
}

} // namespace

ThreadPool::ThreadPool(int threads) {
    if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        ++job_;
    }
    start_.notify_all();
    for (std::thread &worker : workers_) worker.join();
}

void ThreadPool::take_tasks() {
    for (std::int64_t task = next_++; task < tasks_; task = next_++) {
        try {
            (*body_)(task);
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!failure_) failure_ = std::current_exception();
            next_ = tasks_;
        }
    }
}

bool ThreadPool::join(std::uint64_t &seen) {
    const std::lock_guard lock(mutex_);
    seen = job_;
    if (!body_ || next_ >= tasks_) return false;
    ++joined_;
    return true;
}

void ThreadPool::work() {
    std::uint64_t seen = 0;
    while (!stopping_) {
        for (int i = 0; i < watches && job_ == seen; ++i) pause_briefly();
        if (job_ == seen) {
            std::unique_lock lock(mutex_);
            ++asleep_;
            start_.wait(lock, [&] { return job_ != seen; });
            --asleep_;
        }
        if (!join(seen)) continue;
        take_tasks();
        const std::lock_guard lock(mutex_);
        if (--joined_ == 0 && waiting_) done_.notify_one();
    }
}

void ThreadPool::run(std::int64_t tasks, const std::function<void(std::int64_t)> &body) {
    if (tasks <= 0) return;
    if (tasks == 1 || workers_.empty()) {
        for (std::int64_t task = 0; task < tasks; ++task) body(task);
        return;
    }
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        body_ = &body;
        tasks_ = tasks;
        next_ = 0;
        ++job_;
        wake = asleep_ > 0;
    }
    if (wake) start_.notify_all();
    take_tasks();
    for (int i = 0; i < watches && joined_ > 0; ++i) pause_briefly();
    std::unique_lock lock(mutex_);
    waiting_ = true;
    done_.wait(lock, [this] { return joined_ == 0; });
    waiting_ = false;
    body_ = nullptr; // closed: a worker that comes late finds nothing to join
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

} // namespace halfscope::ops
