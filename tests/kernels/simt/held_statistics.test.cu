// Statistics that stay on the device until they are settled: those of the emulator's pass, however many were held.
#include "emulation/number/round_array.h"
#include "kernels/cuda/operations/result.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace halfscope;
using namespace halfscope::kernels;
using namespace halfscope::kernels::device::operations;
using number::FormatId;
using number::RangeStatistics;

namespace {

/// Values of all sizes, some special.
std::vector<float> some_values(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> values(count);
    for (float &value : values) {
        value = std::ldexp(static_cast<float>(random() % 2001) - 1000, static_cast<int>(random() % 40) - 30);
        if (random() % 500 == 0) value = random() % 2 == 0 ? INFINITY : NAN;
    }
    return values;
}

} // namespace

TEST_CASE("held statistics are complete when settled, in whatever portions they were fetched") {
    const std::size_t sizes[] = {100, 5000, 1, 9000, 4096, 12289, 7, 300};
    DeviceStatistics held(1, 1); // soon too small
    for (unsigned time = 0; time < 3; ++time) {
        std::vector<RangeStatistics> expected(std::size(sizes)), found(std::size(sizes));
        for (std::size_t i = 0; i < std::size(sizes); ++i)
            for (const FormatId format : {FormatId::fp16, FormatId::bf16}) { // the second is merged into the first
                const std::vector<float> values = some_values(sizes[i], time * 100 + static_cast<unsigned>(i));
                std::vector<std::uint16_t> stored(values.size());
                number::round_array(values.data(), values.size(), format, stored.data(), {}, &expected[i]);
                DeviceArray<float> on_device(values.size());
                on_device.upload(values.data());
                const DeviceArray<std::uint16_t> destination(values.size());
                const StatisticsBy held_back(time == 2, &held);
                round_and_measure(on_device.data(), values.size(), format, destination.data(), {}, &found[i]);
            }
        CHECK_FALSE(found.back() == expected.back()); // not yet
        held.settle();
        for (std::size_t i = 0; i < std::size(sizes); ++i) {
            CAPTURE(i);
            CHECK(found[i] == expected[i]);
        }
        held.settle(); // nothing more
        CHECK(found.back() == expected.back());
    }
}
