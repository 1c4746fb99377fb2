#include "kernels/lockstep/lockstep_backend.h"

#include "emulation/number/encoding.h"

#include <algorithm>
#include <cstring>

namespace halfscope::kernels {
namespace {

bool is_nan(ops::DType dtype, const std::byte *element) {
    if (!ops::is_floating(dtype)) return false;
    std::uint64_t bits = 0;
    std::memcpy(&bits, element, ops::size_of(dtype)); // little-endian, as every machine supported
    return number::unpack(number::format_of(ops::format_id(dtype)), bits).is_nan();
}

std::int64_t equal_elements(const ops::HostTensor &a, const ops::HostTensor &b) {
    const std::size_t size = ops::size_of(a.dtype), elements = a.bytes.size() / size;
    if (a.bytes == b.bytes) return static_cast<std::int64_t>(elements);
    std::int64_t equal = 0;
    for (std::size_t i = 0; i < elements; ++i) {
        const std::byte *x = a.bytes.data() + i * size, *y = b.bytes.data() + i * size;
        if (std::memcmp(x, y, size) == 0 || (is_nan(a.dtype, x) && is_nan(a.dtype, y))) ++equal;
    }
    return equal;
}

} // namespace

LockstepCount &LockstepBackend::count_of(const std::string &operation) {
    const auto found = std::find_if(counts_.begin(), counts_.end(), [&](const LockstepCount &count) {
        return count.layer == layer_ && count.operation == operation;
    });
    if (found != counts_.end()) return *found;
    LockstepCount &count = counts_.emplace_back();
    count.layer = layer_;
    count.operation = operation;
    return count;
}

void LockstepBackend::run(const ops::Operation &operation, std::span<const ops::TensorView> inputs,
                          std::span<const ops::TensorView> outputs,
                          std::span<number::RangeStatistics *const> statistics, const ops::RandomKey &key) {
    // Before the run: outputs may be the inputs' memory.
    std::vector<ops::HostTensor> operands, emulated;
    std::vector<ops::TensorView> operand_views, emulated_views;
    for (const ops::TensorView &view : inputs) {
        ops::HostTensor &operand = operands.emplace_back(view.dtype, view.shape);
        tested_.download(operand.bytes.data(), view.data, operand.bytes.size());
    }
    for (const ops::TensorView &view : outputs) emulated.emplace_back(view.dtype, view.shape);
    for (ops::HostTensor &operand : operands) operand_views.push_back(operand.view());
    for (ops::HostTensor &result : emulated) emulated_views.push_back(result.view());
    std::vector<number::RangeStatistics> expected;
    std::vector<number::RangeStatistics *> expected_views;
    for (const number::RangeStatistics *wanted : statistics)
        expected.push_back(wanted != nullptr ? *wanted : number::RangeStatistics{});
    for (std::size_t i = 0; i < statistics.size(); ++i)
        expected_views.push_back(statistics[i] != nullptr ? &expected[i] : nullptr);

    tested_.run(operation, inputs, outputs, statistics, key);
    emulator_.run(operation, operand_views, emulated_views, expected_views, key);

    LockstepCount &count = count_of(std::string(ops::name_of(operation.kind)));
    ++count.runs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        ops::HostTensor found(outputs[i].dtype, outputs[i].shape);
        tested_.download(found.bytes.data(), outputs[i].data, found.bytes.size());
        count.elements += found.shape.elements();
        count.bit_equal += equal_elements(found, emulated[i]);
        const bool measured = !statistics.empty() && statistics[i] != nullptr;
        if (measured && !(*statistics[i] == expected[i])) ++count.different_statistics;
    }
}

LockstepCount total_of(const std::vector<LockstepCount> &counts) {
    LockstepCount total;
    for (const LockstepCount &count : counts) {
        total.runs += count.runs;
        total.elements += count.elements;
        total.bit_equal += count.bit_equal;
        total.different_statistics += count.different_statistics;
    }
    return total;
}

} // namespace halfscope::kernels
