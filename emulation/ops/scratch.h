// Working memory that outlives one operation: packing buffers and fp32 results. Fresh memory for every operation costs
// more in page faults than a small product costs in arithmetic.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>

namespace halfscope::ops {

/// One buffer per purpose and thread, so that an operation and the tasks it runs never share one.
enum class Scratch : std::size_t { result, columns, rows, operand_a, operand_b, partial, block_sums, count };

/// At least `count` elements of uninitialised memory, 64-byte aligned. Valid until this thread asks for the same
/// purpose again.
template <typename T> T *scratch(Scratch purpose, std::size_t count) {
    struct Release {
        void operator()(std::byte *memory) const { ::operator delete (memory, std::align_val_t{64}); }
    };
    struct Buffer {
        std::unique_ptr<std::byte, Release> memory;
        std::size_t bytes = 0;
    };
    thread_local std::array<Buffer, static_cast<std::size_t>(Scratch::count)> buffers;
    Buffer &buffer = buffers[static_cast<std::size_t>(purpose)];
    const std::size_t bytes = count * sizeof(T);
    if (buffer.bytes < bytes) {
        const std::size_t grown = bytes + bytes / 4 + 64;
        buffer.memory.reset();
        buffer.bytes = 0;
        buffer.memory.reset(static_cast<std::byte *>(::operator new (grown, std::align_val_t{64})));
        buffer.bytes = grown;
    }
    return reinterpret_cast<T *>(buffer.memory.get());
}

} // namespace halfscope::ops
