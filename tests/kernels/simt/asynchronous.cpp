#include "tests/kernels/simt/asynchronous.h"

#include "tests/kernels/simt/executor.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

namespace simt {
namespace {

constexpr std::size_t chunk = 16;
constexpr int warps_a_group = 4;

/// Work in groups, waited for from the oldest on.
template <typename Work> struct Groups {
    std::vector<Work> open;
    std::deque<std::vector<Work>> ended;

    void end_group() { ended.push_back(std::exchange(open, {})); }
    template <typename Finish> void wait(int left, const Finish &finish) {
        for (; ended.size() > static_cast<std::size_t>(left); ended.pop_front())
            for (const Work &work : ended.front()) finish(work);
    }
};

struct Copy {
    std::uint32_t to = 0, bytes = 0;
    const void *from = nullptr;
    void perform() const {
        std::byte *at = shared_memory() + to;
        std::memset(at, 0, chunk);
        if (bytes > 0) std::memcpy(at, from, bytes);
    }
};

struct Warp {
    bool fenced = false;
    std::size_t products = 0; ///< begun
    Groups<std::function<void()>> groups;
};

struct Work {
    bool any = false;                                ///< anything was begun
    std::vector<Groups<Copy>> copies;                ///< of threads
    std::vector<std::vector<std::uint32_t>> arrived; ///< of threads: chunks waited for and not shown
    std::map<std::uint32_t, int> hidden;             ///< chunks that a thread's copies wrote, not shown
    std::vector<Warp> warps;
    std::vector<std::vector<std::string>> of_groups; ///< products that a warpgroup began
};
Work &work() {
    static Work of_the_block;
    return of_the_block;
}

int own_thread() { return static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)); }
template <typename T> T &own(std::vector<T> &of_threads) { return of_threads[static_cast<std::size_t>(own_thread())]; }
Warp &warp_of(int warp) { return work().warps[static_cast<std::size_t>(warp)]; }

// One order has early copies and late products, one the opposite: each finds what the other hides.
bool copies_are_early() { return device().order != Order::descending; }
bool products_are_early() { return device().order == Order::descending; }

} // namespace

void begin_asynchronous_work(int threads) {
    Work &all = work();
    const auto count = static_cast<std::size_t>(threads), warps = (count + warp_size - 1) / warp_size;
    if (all.copies.size() == count && !all.any) return;
    all = {};
    all.copies.resize(count);
    all.arrived.resize(count);
    all.warps.resize(warps);
}

void end_asynchronous_work(const char *kernel) {
    Work &all = work();
    for (const Warp &warp : all.warps)
        if (!warp.groups.open.empty() || !warp.groups.ended.empty())
            throw std::runtime_error(std::string(kernel) + ": a warp returns without waiting for its wgmma");
    for (std::size_t warp = 0; warp < all.warps.size(); ++warp)
        if (!all.of_groups.empty() && all.warps[warp].products != all.of_groups[warp / warps_a_group].size())
            throw std::runtime_error(std::string(kernel) + ": wgmma by a part of a warpgroup");
}

void begin_copy(std::uint32_t to, const void *from, std::uint32_t bytes) {
    if (bytes > chunk || to % chunk != 0 || !is_shared(to, chunk))
        throw std::runtime_error("cp.async: the destination is not 16 aligned bytes of shared memory");
    if (bytes > 0) require_device_memory("cp.async", from);
    if (reinterpret_cast<std::uintptr_t>(from) % chunk != 0)
        throw std::runtime_error("cp.async: the source is not aligned to 16 bytes");
    const Copy copy{to, bytes, from};
    work().any = true;
    own(work().copies).open.push_back(copy);
    work().hidden[to] = own_thread();
    if (copies_are_early()) copy.perform();
}

void end_group_of_copies() {
    work().any = true;
    own(work().copies).end_group();
}

void wait_for_copies(int left) {
    own(work().copies).wait(left, [](const Copy &copy) {
        if (!copies_are_early()) copy.perform();
        own(work().arrived).push_back(copy.to);
    });
}

void show_to_async_proxy() {
    for (const std::uint32_t at : own(work().arrived)) {
        const auto found = work().hidden.find(at);
        if (found != work().hidden.end() && found->second == own_thread()) work().hidden.erase(found);
    }
    own(work().arrived).clear();
}

void require_shown(std::uint32_t address) {
    const auto first = static_cast<std::uint32_t>(address / chunk * chunk);
    if (!is_shared(first, chunk))
        throw std::runtime_error("wgmma: a descriptor leads out of the block's shared memory");
    if (work().hidden.contains(first))
        throw std::runtime_error("wgmma reads what cp.async writes or wrote, and no fence.proxy.async has shown");
}

void fence_products(int warp) {
    work().any = true;
    warp_of(warp).fenced = true;
}

void begin_product(int warp, std::string what, std::function<void()> perform) {
    Work &all = work();
    Warp &mine = warp_of(warp);
    if (!mine.fenced) throw std::runtime_error("wgmma.mma_async without a wgmma.fence since the last wait");
    if (all.of_groups.empty()) all.of_groups.resize((all.warps.size() + warps_a_group - 1) / warps_a_group);
    std::vector<std::string> &group = all.of_groups[static_cast<std::size_t>(warp / warps_a_group)];
    if (mine.products == group.size())
        group.push_back(std::move(what));
    else if (group[mine.products] != what)
        throw std::runtime_error("wgmma: warps of a warpgroup differ in instruction or descriptors");
    ++mine.products;
    if (products_are_early()) {
        perform();
        mine.groups.open.emplace_back([] {});
    } else
        mine.groups.open.push_back(std::move(perform));
}

void end_group_of_products(int warp) { warp_of(warp).groups.end_group(); }

void wait_for_products(int warp, int left) {
    warp_of(warp).groups.wait(left, [](const std::function<void()> &perform) { perform(); });
    warp_of(warp).fenced = false;
}

} // namespace simt
