#include "tests/gpu/bandwidth.h"

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/operations/result.h"
#include "tests/gpu/device_seconds.h"

#include <random>

namespace halfscope::gpu {
namespace {

using kernels::check;
using kernels::DeviceArray;

/// Ordinary values, so that the histogram has a few busy bins as in a network.
std::vector<float> ordinary_values(std::size_t count) {
    std::mt19937 random(1);
    std::normal_distribution<float> bell;
    std::vector<float> values(count);
    for (float &value : values) value = bell(random);
    return values;
}

} // namespace

Bandwidths measure_bandwidths() {
    constexpr std::size_t elements = std::size_t{1} << 28, drawn = std::size_t{1} << 20;
    const DeviceArray<float> from(elements), to(elements);
    const std::vector<float> values = ordinary_values(drawn);
    for (std::size_t first = 0; first < elements; first += drawn)
        check(cudaMemcpy(from.data() + first, values.data(), drawn * sizeof(float), cudaMemcpyHostToDevice),
              "cudaMemcpy to the device");
    constexpr auto gigabytes = [](std::size_t bytes) { return static_cast<double>(bytes) / 1e9; };
    const double copy = seconds_of([&] {
        check(cudaMemcpyAsync(to.data(), from.data(), elements * sizeof(float), cudaMemcpyDeviceToDevice),
              "cudaMemcpyAsync");
    });
    const double statistics = seconds_of([&] {
        number::RangeStatistics found;
        kernels::device::operations::round_and_measure(from.data(), elements, number::FormatId::fp16, to.data(), {},
                                                       &found);
    });
    return {gigabytes(2 * elements * sizeof(float)) / copy,
            gigabytes(elements * (sizeof(float) + sizeof(std::uint16_t))) / statistics};
}

} // namespace halfscope::gpu
