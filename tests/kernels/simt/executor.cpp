#include "tests/kernels/simt/executor.h"
#include "tests/kernels/simt/asynchronous.h"

#include <csetjmp>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace simt {
namespace {

constexpr int poison = 0xff; ///< NaN in every format
constexpr std::size_t shared_alignment = 16, dynamic_alignment = 1024;

struct Shared {
    alignas(dynamic_alignment) std::array<std::byte, std::size_t{1} << 21> bytes{};
    std::size_t used = most_dynamic_shared_bytes; ///< the end of the variables
    std::size_t dynamic = 0;                      ///< bytes that the launch asked for
};
Shared &shared() {
    static Shared memory;
    return memory;
}

constexpr std::size_t stack_bytes = std::size_t{128} << 10, page = 4096;

/// A stack below which memory can not be touched.
class Stack {
  public:
    Stack() : memory_(mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
        if (memory_ == MAP_FAILED || mprotect(memory_, page, PROT_NONE) != 0) throw std::bad_alloc();
    }
    ~Stack() { munmap(memory_, stack_bytes + page); }
    Stack(const Stack &) = delete;
    Stack &operator=(const Stack &) = delete;
    [[nodiscard]] void *bottom() const { return static_cast<std::byte *>(memory_) + page; }

  private:
    void *memory_;
};

/// A place to go on from. Entered for the first time by setcontext, and then left and entered by the jumps, which spare
/// the signal mask's system calls.
struct Context {
    ucontext_t beginning{};
    std::jmp_buf place{};
    bool begun = false;
};

#if defined(__SANITIZE_ADDRESS__)
void change(Context &from, Context &to) { swapcontext(&from.beginning, &to.beginning); }
#else
[[gnu::noinline]] void change(Context &from, Context &to) { // not inlined: no caller's variables to clobber
    from.begun = true;
    if (_setjmp(from.place) != 0) return;
    if (to.begun) std::longjmp(to.place, 1);
    to.begun = true;
    setcontext(&to.beginning);
}
#endif

/// A fiber takes threads that have not begun, one after the other, until one of them waits; then it belongs to that
/// thread until the thread returns.
struct Fiber {
    Stack stack;
    Context context;
    int thread = -1;
};

enum class State : std::uint8_t { not_begun, ready, waits_for_block, waits_for_warp, returned };

struct Thread {
    State state = State::not_begun;
    Fiber *fiber = nullptr;
    std::string_view instruction; ///< that it waits at
    std::uint32_t mask = 0;
    void *mine = nullptr;
};

class Block {
  public:
    void run(const char *kernel, int threads, const std::function<void()> &body);

    void meet(std::string_view instruction, std::uint32_t mask, void *mine, const std::function<void(Lanes)> &perform);
    void wait_for_block();

  private:
    static void enter();
    static void prepare(Fiber &fiber);
    void live();
    int next_not_begun();
    void wait(State state);
    void resume(Fiber &fiber);
    void begin(std::size_t end);
    bool step(std::span<const int> order);
    void release_barrier();
    void set_index(int thread) const;
    [[nodiscard]] std::string who_waits() const;
    [[nodiscard]] std::vector<int> order_of_threads(std::size_t round) const;

    std::vector<std::unique_ptr<Fiber>> all_, abandoned_;
    std::vector<Fiber *> idle_;
    Context scheduler_;
    const std::function<void()> *body_ = nullptr;
    std::vector<Thread> threads_;
    std::vector<int> order_;          ///< in which threads begin
    std::size_t begun_ = 0, end_ = 0; ///< places in it: the next to begin, and where to stop
    Fiber *current_ = nullptr;
    std::exception_ptr error_;
    const void *scheduler_stack_ = nullptr; ///< for the address sanitizer
    std::size_t scheduler_stack_bytes_ = 0;
};

Block &block() {
    static Block the_block;
    return the_block;
}

#if defined(__SANITIZE_ADDRESS__)
void before_switch(void **kept, const void *stack, std::size_t bytes) {
    __sanitizer_start_switch_fiber(kept, stack, bytes);
}
void after_switch(void *kept, const void **stack, std::size_t *bytes) {
    __sanitizer_finish_switch_fiber(kept, stack, bytes);
}
#else
void before_switch(void **, const void *, std::size_t) {}
void after_switch(void *, const void **, std::size_t *) {}
#endif

std::vector<int> Block::order_of_threads(std::size_t round) const {
    std::vector<int> order(threads_.size());
    std::iota(order.begin(), order.end(), 0);
    if (device().order == Order::descending) std::reverse(order.begin(), order.end());
    if (device().order == Order::scattered) { // a fixed walk, another one every round
        std::uint64_t state = 0x9e3779b97f4a7c15u * (round + 1);
        for (std::size_t i = order.size(); i > 1; --i) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            std::swap(order[i - 1], order[(state >> 33) % i]);
        }
    }
    return order;
}

void Block::set_index(int thread) const {
    const auto t = static_cast<unsigned>(thread);
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
}

int Block::next_not_begun() { return begun_ < end_ ? order_[begun_++] : -1; }

void Block::enter() { block().live(); }

/// A fiber's life: it ends in the scheduler's hands and is never returned from.
void Block::live() {
    after_switch(nullptr, &scheduler_stack_, &scheduler_stack_bytes_);
    for (;;) {
        Fiber *self = current_;
        while (!error_ && (self->thread = next_not_begun()) >= 0) {
            Thread &thread = threads_[static_cast<std::size_t>(self->thread)];
            thread.fiber = self;
            set_index(self->thread);
            try {
                (*body_)();
            } catch (...) {
                if (!error_) error_ = std::current_exception();
            }
            threads_[static_cast<std::size_t>(self->thread)].state = State::returned;
        }
        self->thread = -1;
        idle_.push_back(self);
        void *kept = nullptr;
        before_switch(&kept, scheduler_stack_, scheduler_stack_bytes_);
        change(self->context, scheduler_);
        after_switch(kept, &scheduler_stack_, &scheduler_stack_bytes_);
    }
}

void Block::resume(Fiber &fiber) {
    current_ = &fiber;
    if (fiber.thread >= 0) set_index(fiber.thread);
    void *kept = nullptr;
    before_switch(&kept, fiber.stack.bottom(), stack_bytes);
    change(scheduler_, fiber.context);
    after_switch(kept, nullptr, nullptr);
    current_ = nullptr;
}

void Block::wait(State state) {
    Fiber *self = current_;
    threads_[static_cast<std::size_t>(self->thread)].state = state;
    void *kept = nullptr;
    before_switch(&kept, scheduler_stack_, scheduler_stack_bytes_);
    change(self->context, scheduler_);
    after_switch(kept, &scheduler_stack_, &scheduler_stack_bytes_);
}

void Block::release_barrier() {
    for (Thread &thread : threads_)
        if (thread.state == State::waits_for_block) thread.state = State::ready;
}

std::string Block::who_waits() const {
    std::string text;
    int named = 0;
    for (std::size_t t = 0; t < threads_.size() && named < 3; ++t) {
        const Thread &thread = threads_[t];
        if (thread.state != State::waits_for_block && thread.state != State::waits_for_warp) continue;
        text += (named++ > 0 ? "; " : "") + std::string("thread ") + std::to_string(t) + " waits at " +
                (thread.state == State::waits_for_block ? "__syncthreads" : std::string(thread.instruction));
    }
    return text;
}

void Block::wait_for_block() { wait(State::waits_for_block); }

void Block::meet(std::string_view instruction, std::uint32_t mask, void *mine,
                 const std::function<void(Lanes)> &perform) {
    const int self = current_->thread, lane = self % warp_size, first = self - lane;
    if ((mask >> lane & 1) == 0)
        throw std::runtime_error(std::string(instruction) + ": a lane calls it that its mask does not name");
    Thread &me = threads_[static_cast<std::size_t>(self)];
    me.instruction = instruction;
    me.mask = mask;
    me.mine = mine;
    std::array<void *, warp_size> lanes{};
    lanes[static_cast<std::size_t>(lane)] = mine;
    bool all_here = true;
    for (int l = 0; l < warp_size; ++l) {
        const auto t = static_cast<std::size_t>(first) + static_cast<std::size_t>(l);
        if ((mask >> l & 1) == 0 || l == lane || t >= threads_.size()) continue;
        const Thread &other = threads_[t];
        if (other.state == State::returned) continue;
        // An instruction's name is most of the time the very same characters.
        const bool same =
            (other.instruction.data() == instruction.data() && other.instruction.size() == instruction.size()) ||
            other.instruction == instruction;
        const bool here = other.state == State::waits_for_warp && same && other.mask == mask;
        all_here = all_here && here;
        if (here) lanes[static_cast<std::size_t>(l)] = other.mine;
    }
    if (!all_here) return wait(State::waits_for_warp);
    perform(lanes.data());
    for (int l = 0; l < warp_size; ++l)
        if (l != lane && lanes[static_cast<std::size_t>(l)] != nullptr)
            threads_[static_cast<std::size_t>(first) + static_cast<std::size_t>(l)].state = State::ready;
}

void Block::prepare(Fiber &fiber) {
    ucontext_t &beginning = fiber.context.beginning;
    getcontext(&beginning);
    beginning.uc_stack = {fiber.stack.bottom(), 0, stack_bytes};
    beginning.uc_link = nullptr;
    makecontext(&beginning, &Block::enter, 0);
}

void Block::begin(std::size_t end) {
    end_ = end;
    while (begun_ < end_ && !error_) {
        if (idle_.empty()) {
            all_.push_back(std::make_unique<Fiber>());
            prepare(*all_.back());
            idle_.push_back(all_.back().get());
        }
        Fiber *fiber = idle_.back();
        idle_.pop_back();
        resume(*fiber);
    }
}

bool Block::step(std::span<const int> order) {
    bool moved = false;
    for (const int t : order) {
        const Thread &thread = threads_[static_cast<std::size_t>(t)];
        if (thread.state != State::ready || error_) continue;
        moved = true;
        resume(*thread.fiber);
    }
    return moved;
}

void Block::run(const char *kernel, int threads, const std::function<void()> &body) {
    std::memset(shared_memory(), poison, shared().dynamic);
    std::memset(shared_memory() + most_dynamic_shared_bytes, poison, shared().used - most_dynamic_shared_bytes);
    begin_asynchronous_work(threads);
    threads_.assign(static_cast<std::size_t>(threads), {});
    body_ = &body;
    order_ = order_of_threads(0);
    begun_ = 0;
    error_ = nullptr;
    const std::span<const int> all(order_);
    const std::size_t together = device().order == Order::scattered ? all.size() : warp_size;
    for (std::size_t round = 1; !error_; ++round) {
        bool moved = false;
        if (together == warp_size)
            for (std::size_t first = 0; first < all.size(); first += together) {
                const std::size_t end = std::min(first + together, all.size());
                begin(end);
                while (step(all.subspan(first, end - first))) moved = true;
            }
        else {
            begin(all.size());
            moved = step(order_of_threads(round));
        }
        if (moved) continue;
        const auto in = [&](State state) {
            return std::count_if(threads_.begin(), threads_.end(), [&](const Thread &t) { return t.state == state; });
        };
        const auto returned = in(State::returned), waiting = in(State::waits_for_block);
        if (returned == threads && !error_) return end_asynchronous_work(kernel);
        if (returned + waiting == threads)
            release_barrier();
        else if (!error_)
            error_ = std::make_exception_ptr(
                std::runtime_error(std::string(kernel) + ": threads wait for others that never come: " + who_waits()));
    }
    // Fibers in the middle of a thread can not be used again: their stacks stay as they are.
    idle_.clear();
    for (auto &fiber : all_) abandoned_.push_back(std::move(fiber));
    all_.clear();
    std::rethrow_exception(error_);
}

} // namespace

Device &device() {
    static Device the_device;
    return the_device;
}

std::uint32_t Register::read() const {
    auto bits = static_cast<std::uint32_t>(value);
    if (data != nullptr) {
        bits = 0;
        std::memcpy(&bits, data, bytes);
    }
    return bits;
}

void Register::write(std::uint32_t bits) const {
    if (data == nullptr) throw std::runtime_error("an instruction writes to an operand that is an input");
    std::memcpy(data, &bits, bytes);
}

std::byte *shared_memory() { return shared().bytes.data(); }
bool is_shared(std::size_t address, std::size_t bytes) {
    const Shared &memory = shared();
    const bool in_dynamic = address + bytes <= memory.dynamic;
    return in_dynamic || (address >= most_dynamic_shared_bytes && address + bytes <= memory.used);
}
unsigned char *dynamic_shared_memory() {
    return shared().dynamic > 0 ? reinterpret_cast<unsigned char *>(shared_memory()) : nullptr;
}

void *place_in_shared_memory(std::size_t bytes) {
    Shared &memory = shared();
    if (memory.used + bytes > memory.bytes.size()) throw std::bad_alloc();
    void *place = memory.bytes.data() + memory.used;
    memory.used += (bytes + shared_alignment - 1) / shared_alignment * shared_alignment;
    std::memset(place, poison, bytes);
    return place;
}

void meet(std::string_view instruction, std::uint32_t mask, void *mine, const std::function<void(Lanes)> &perform) {
    block().meet(instruction, mask, mine, perform);
}
void wait_for_block() { block().wait_for_block(); }

void run_grid(const char *kernel, dim3 grid, dim3 block_size, std::size_t shared_bytes,
              const std::function<void()> &body) {
    const std::uint64_t threads = std::uint64_t{block_size.x} * block_size.y * block_size.z;
    if (threads == 0 || threads > 1024 || grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu ||
        grid.y > 65535 || grid.z > 65535 || shared_bytes > most_dynamic_shared_bytes)
        throw std::runtime_error("CUDA: " + std::string(kernel) + " failed: invalid configuration argument");
    shared().dynamic = shared_bytes;
    gridDim = grid;
    blockDim = block_size;
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
                block().run(kernel, static_cast<int>(threads), body);
}

} // namespace simt
