#include "kernels/validation/guarded_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace halfscope::kernels {
namespace {

constexpr std::size_t guard_bytes = 4096;
constexpr std::byte guard_value{0xC3};

/// An output with guard zones on both sides, filled with a pattern that no sensible result repeats throughout.
class GuardedOutput {
  public:
    GuardedOutput(ops::DType dtype, const ops::Shape &shape, std::byte fill)
        : dtype_(dtype),
          shape_(shape),
          bytes_(static_cast<std::size_t>(shape.elements()) * ops::size_of(dtype)),
          memory_(2 * guard_bytes + bytes_ + 64, guard_value) {
        void *start = memory_.data() + guard_bytes;
        std::size_t room = memory_.size() - guard_bytes;
        data_ = static_cast<std::byte *>(std::align(64, bytes_ + guard_bytes, start, room));
        std::fill_n(data_, bytes_, fill);
    }

    [[nodiscard]] ops::TensorView view() { return {data_, dtype_, shape_}; }
    [[nodiscard]] const std::byte *element(std::size_t index) const { return data_ + index * ops::size_of(dtype_); }

    [[nodiscard]] bool guards_intact() const {
        const auto intact = [](std::byte b) { return b == guard_value; };
        return std::all_of(memory_.data(), static_cast<const std::byte *>(data_), intact) &&
               std::all_of(static_cast<const std::byte *>(data_) + bytes_, memory_.data() + memory_.size(), intact);
    }
    [[nodiscard]] ops::HostTensor copy() const {
        ops::HostTensor tensor(dtype_, shape_);
        std::memcpy(tensor.bytes.data(), data_, bytes_);
        return tensor;
    }

  private:
    ops::DType dtype_;
    ops::Shape shape_;
    std::size_t bytes_;
    std::vector<std::byte> memory_;
    std::byte *data_ = nullptr;
};

double seconds_of(const Kernel &kernel, const std::vector<ops::TensorView> &views, GuardedOutput &output) {
    const auto start = std::chrono::steady_clock::now();
    kernel.run({views, output.view()});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

} // namespace

GuardedRun run_guarded(const Kernel &kernel, std::vector<ops::HostTensor> &inputs, const ops::Shape &shape) {
    const std::vector<ops::HostTensor> before = inputs;
    std::vector<ops::TensorView> views;
    for (ops::HostTensor &input : inputs) views.push_back(input.view());
    const ops::DType dtype = storage_of(kernel.result);
    constexpr std::byte fills[] = {std::byte{0x5A}, std::byte{0xA5}};
    GuardedOutput first(dtype, shape, fills[0]), second(dtype, shape, fills[1]);
    GuardedRun result;
    seconds_of(kernel, views, first);
    result.seconds = seconds_of(kernel, views, second);

    const std::size_t size = ops::size_of(dtype), elements = static_cast<std::size_t>(shape.elements());
    std::size_t unwritten = 0, changing = 0;
    for (std::size_t i = 0; i < elements; ++i) {
        const std::byte *a = first.element(i), *b = second.element(i);
        if (std::memcmp(a, b, size) == 0) continue;
        const auto still = [size](const std::byte *p, std::byte fill) {
            return std::all_of(p, p + size, [fill](std::byte x) { return x == fill; });
        };
        ++(still(a, fills[0]) && still(b, fills[1]) ? unwritten : changing);
    }
    if (unwritten > 0)
        result.faults.push_back(fmt::format("{} of {} elements of the output are never written", unwritten, elements));
    if (changing > 0)
        result.faults.push_back(
            fmt::format("{} of {} elements differ between two runs on the same inputs: the kernel is not deterministic",
                        changing, elements));
    if (!first.guards_intact() || !second.guards_intact())
        result.faults.emplace_back("memory outside of the output is written");
    for (std::size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i].bytes != before[i].bytes) {
            result.faults.push_back(fmt::format("input {} is changed by the kernel", i));
            inputs[i] = before[i];
        }
    result.output = first.copy();
    return result;
}

} // namespace halfscope::kernels
