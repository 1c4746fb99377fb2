// What the tests of matmul and convolution share: random operands, rounding of a naive result, and a run at every SIMD
// level and thread count.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <doctest/doctest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace halfscope::ops::products {

/// Values over a dozen binades, of both signs, with some zeros, as stored.
inline HostTensor random_tensor(DType dtype, const Shape &shape, unsigned seed) {
    HostTensor tensor(dtype, shape);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        float x = normal(random);
        if (random() % 16 == 0) x = random() % 2 ? 0.0F : x * 0x1p-20F;
        switch (dtype) {
        case DType::fp64: tensor.as<double>()[at] = static_cast<double>(x) * 1.0000000001; break;
        case DType::fp32: tensor.as<float>()[at] = x; break;
        default: tensor.as<std::uint16_t>()[at] = number::round_to_16bit(x, format_id(dtype)); break;
        }
    }
    return tensor;
}

/// A result computed in C, rounded once to its storage type; fp64 results on narrower storage pass through fp32.
template <typename C> HostTensor rounded(const std::vector<C> &values, DType dtype, const Shape &shape) {
    HostTensor tensor(dtype, shape);
    for (std::size_t i = 0; i < values.size(); ++i) switch (dtype) {
        case DType::fp64: tensor.as<double>()[i] = static_cast<double>(values[i]); break;
        case DType::fp32: tensor.as<float>()[i] = static_cast<float>(values[i]); break;
        default:
            tensor.as<std::uint16_t>()[i] = number::round_to_16bit(static_cast<float>(values[i]), format_id(dtype));
        }
    return tensor;
}

/// "" when all bits agree (NaN with NaN: which one is not defined), else where and what.
inline std::string first_difference(const HostTensor &got, const HostTensor &wanted) {
    if (got.dtype != wanted.dtype || got.bytes.size() != wanted.bytes.size()) return "another dtype or size";
    const std::size_t size = size_of(got.dtype);
    for (std::size_t i = 0; i < got.bytes.size() / size; ++i) {
        if (std::memcmp(got.bytes.data() + i * size, wanted.bytes.data() + i * size, size) == 0) continue;
        const auto value = [&](const HostTensor &tensor) {
            if (tensor.dtype == DType::fp64) return tensor.as<double>()[i];
            if (tensor.dtype == DType::fp32) return static_cast<double>(tensor.as<float>()[i]);
            return static_cast<double>(number::widen_16bit(tensor.as<std::uint16_t>()[i], format_id(tensor.dtype)));
        };
        if (std::isnan(value(got)) && std::isnan(value(wanted))) continue;
        return "element " + std::to_string(i) + ": got " + std::to_string(value(got)) + ", wanted " +
               std::to_string(value(wanted));
    }
    return "";
}

/// Runs body at each SIMD level this machine has, from the best to the portable one, with 1, 2 and 3 threads.
template <typename Body> void for_every_level_and_thread_count(const Body &body) {
    for (const std::int64_t level :
         {std::int64_t{HWY_AVX3}, std::int64_t{HWY_AVX2}, std::int64_t{HWY_SSE4}, std::int64_t{HWY_STATIC_TARGET}}) {
        hwy::SetSupportedTargetsForTest(0);
        if ((hwy::SupportedTargets() & level) == 0) continue;
        hwy::SetSupportedTargetsForTest(level);
        for (int count = 1; count <= 3; ++count) {
            ThreadPool threads(count);
            const std::string name = hwy::TargetName(level);
            INFO("SIMD level ", name, ", threads ", count);
            body(threads);
        }
    }
    hwy::SetSupportedTargetsForTest(0);
}

} // namespace halfscope::ops::products
