// The bridge between the device's conversions and the emulator's rounder: all 2^32 fp32 inputs, all 2^16 16-bit ones.
#include "kernels/conversion.h"
#include "emulation/number/round_array.h"
#include "kernels/device.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

using namespace halfscope;

TEST_CASE_TEMPLATE("conversions on the device", Id, std::integral_constant<number::FormatId, number::FormatId::fp16>,
                   std::integral_constant<number::FormatId, number::FormatId::bf16>) {
    if (!kernels::cuda_available()) {
        MESSAGE("no device: " << kernels::cuda_status());
        std::exit(77);
    }
    constexpr std::size_t slice = std::size_t{1} << 26;
    std::vector<float> values(slice);
    std::vector<std::uint16_t> device(slice), emulator(slice);
    std::uint64_t wrong = 0;
    for (std::uint64_t first = 0; first < std::uint64_t{1} << 32; first += slice) {
        for (std::size_t i = 0; i < slice; ++i) values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + i));
        kernels::round_on_device(values, Id::value, device);
        number::round_array(values.data(), slice, Id::value, emulator.data());
        for (std::size_t i = 0; i < slice; ++i) wrong += device[i] != emulator[i] && !std::isnan(values[i]);
    }
    CHECK(wrong == 0);

    std::vector<std::uint16_t> all(65536);
    std::iota(all.begin(), all.end(), std::uint16_t{0});
    std::vector<float> widened(all.size()), reference(all.size());
    kernels::widen_on_device(all, Id::value, widened);
    number::widen_array(all.data(), all.size(), Id::value, reference.data());
    for (std::size_t i = 0; i < all.size(); ++i)
        CHECK((std::bit_cast<std::uint32_t>(widened[i]) == std::bit_cast<std::uint32_t>(reference[i]) ||
               std::isnan(reference[i])));
}
