// The heap of device memory: what is given back and kept, used again, counted and freed.
#include "kernels/cuda/device_memory.h"

#include <doctest/doctest.h>

#include <cstdint>

using namespace halfscope::kernels;

TEST_CASE("memory that is given back is kept and used again for what nearly fills it") {
    DeviceHeap heap;
    heap.keep(true);
    void *large = heap.take(100'000), *small = heap.take(1000);
    heap.give_back(large);
    heap.give_back(small);
    CHECK(heap.blocks_kept() == 2);
    CHECK(heap.take(90'000) == large);
    CHECK(heap.take(900) == small);
    CHECK(heap.blocks_kept() == 0);
    heap.give_back(large);
    heap.give_back(small);
    void *other = heap.take(10'000); // most of the large block would lie idle
    CHECK(other != large);
    CHECK(heap.blocks_kept() == 2);
    void *whole = heap.take(100'000); // a block is as large as it was made, whatever its last user asked for
    CHECK(whole == large);
    heap.give_back(whole);
    heap.give_back(other);
    heap.give_back(nullptr);
    CHECK(heap.blocks_kept() == 3);
    heap.keep(false);
    CHECK(heap.blocks_kept() == 0);
}

TEST_CASE("what users of device memory asked for is counted, not what is kept") {
    DeviceHeap heap;
    heap.keep(true);
    void *a = heap.take(5000);
    CHECK(heap.peak() == 5000);
    heap.give_back(a);
    void *b = heap.take(4500);
    CHECK(b == a);
    CHECK(heap.peak() == 5000);
    heap.forget_peak();
    CHECK(heap.peak() == 4500);
    heap.give_back(b);
    heap.forget_peak();
    CHECK(heap.peak() == 0);
    heap.keep(false);
}

TEST_CASE("memory the device does not have is refused, after what is kept has been freed") {
    DeviceHeap heap;
    heap.keep(true);
    heap.give_back(heap.take(1000));
    CHECK_THROWS_AS((void)heap.take(SIZE_MAX / 4), std::bad_alloc);
    CHECK(heap.blocks_kept() == 0);
}
