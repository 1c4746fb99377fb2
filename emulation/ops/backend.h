// The machine that executes operations. The CPU emulator is one; a device is another; their bits are equal.
#pragma once

#include "emulation/number/range_statistics.h"
#include "emulation/ops/operation.h"
#include "emulation/ops/tensor.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace halfscope::ops {

/// What randomness is keyed by, besides the element index (counter-based, Philox4x32-10).
struct RandomKey {
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    std::uint32_t tensor = 0;
};

class Backend {
  public:
    virtual ~Backend() = default;

    /// "cpu", "cuda".
    [[nodiscard]] virtual std::string_view name() const = 0;

    /// Memory of this backend, 64-byte aligned, not initialised. Throws std::bad_alloc.
    [[nodiscard]] virtual void *allocate(std::size_t bytes) = 0;
    virtual void release(void *memory) noexcept = 0;
    virtual void upload(void *destination, const void *host, std::size_t bytes) = 0;
    virtual void download(void *host, const void *source, std::size_t bytes) = 0;

    /// Runs one operation. `statistics` is empty, or has one entry per output; a non-null entry receives the statistics
    /// of that output's rounding from C to storage (of the stored values themselves where nothing is rounded).
    /// Gathering statistics never changes the results. Throws std::invalid_argument, naming the operation, when dtypes
    /// or shapes do not fit; numerical events never throw.
    virtual void run(const Operation &operation, std::span<const TensorView> inputs,
                     std::span<const TensorView> outputs, std::span<number::RangeStatistics *const> statistics = {},
                     const RandomKey &key = {}) = 0;

    /// From here on the statistics given to `run` may stay incomplete until settle_statistics() and must live as long:
    /// a device then need not be waited for after every operation. Not nested; see HeldStatistics.
    virtual void hold_statistics() {}
    virtual void settle_statistics() {}
};

/// Holds back a backend's statistics while it lives. Call settle() where all went well: it may throw, and the
/// destructor does not say so.
class HeldStatistics {
  public:
    explicit HeldStatistics(Backend &backend) : backend_(&backend) { backend.hold_statistics(); }
    ~HeldStatistics() {
        try {
            settle();
        } catch (...) { // another exception is on its way
        }
    }
    HeldStatistics(const HeldStatistics &) = delete;
    HeldStatistics &operator=(const HeldStatistics &) = delete;

    void settle() {
        if (Backend *const backend = std::exchange(backend_, nullptr)) backend->settle_statistics();
    }

  private:
    Backend *backend_;
};

/// The emulator on the CPU. threads = 0 takes all cores. Results do not depend on it.
[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend(int threads = 0);

} // namespace halfscope::ops
