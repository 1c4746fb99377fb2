// Two machines in lockstep: every operation runs on the one under test and, on the very same operands, on the emulator,
// and the bits of their results are compared.
#pragma once

#include "emulation/ops/backend.h"
#include "emulation/ops/layer_listener.h"

#include <cstdint>
#include <string>
#include <vector>

namespace halfscope::kernels {

/// What was compared of one operation in one layer.
struct LockstepCount {
    std::string layer;     ///< "" for operations of no layer: the optimizer's, evaluation's
    std::string operation; ///< "matmul"
    std::int64_t runs = 0, elements = 0;
    std::int64_t bit_equal = 0;            ///< elements; two NaN count as equal
    std::int64_t different_statistics = 0; ///< results whose statistics differ, of those that were measured
};

/// The run goes on with the results of the machine under test, so one difference is counted where it arises and not
/// again where it is used. Memory is that of the machine under test.
class LockstepBackend final : public ops::Backend, public ops::LayerListener {
  public:
    /// Both must outlive this. `emulator`'s memory must be the host's (ops::make_cpu_backend).
    LockstepBackend(ops::Backend &tested, ops::Backend &emulator) : tested_(tested), emulator_(emulator) {}

    [[nodiscard]] std::string_view name() const override { return tested_.name(); }
    [[nodiscard]] void *allocate(std::size_t bytes) override { return tested_.allocate(bytes); }
    void release(void *memory) noexcept override { tested_.release(memory); }
    void upload(void *destination, const void *host, std::size_t bytes) override {
        tested_.upload(destination, host, bytes);
    }
    void download(void *host, const void *source, std::size_t bytes) override { tested_.download(host, source, bytes); }
    void run(const ops::Operation &operation, std::span<const ops::TensorView> inputs,
             std::span<const ops::TensorView> outputs, std::span<number::RangeStatistics *const> statistics = {},
             const ops::RandomKey &key = {}) override;
    void enter(std::string_view layer) override { layer_ = layer; }

    /// In the order of first use.
    [[nodiscard]] const std::vector<LockstepCount> &counts() const { return counts_; }

  private:
    LockstepCount &count_of(const std::string &operation);

    ops::Backend &tested_, &emulator_;
    std::string layer_;
    std::vector<LockstepCount> counts_;
};

/// All counts in one; layer and operation are empty.
[[nodiscard]] LockstepCount total_of(const std::vector<LockstepCount> &counts);

} // namespace halfscope::kernels
