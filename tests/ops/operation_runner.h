// Runs one operation on the CPU emulator from plain numbers, and gives plain numbers back.
#pragma once

#include "emulation/number/conversion.h"
#include "emulation/ops/backend.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <utility>
#include <vector>

namespace halfscope::test {

using ops::DType;
using ops::HostTensor;
using ops::Operation;
using ops::OpKind;
using ops::Shape;

/// A double rounded once to a storage type, by the scalar rounder (not the bulk path that operations use).
inline double rounded(double value, DType storage) {
    const auto &wide = number::format_of(number::FormatId::fp64);
    const auto &narrow = number::format_of(ops::format_id(storage));
    return std::bit_cast<double>(
        number::convert(narrow, number::convert(wide, std::bit_cast<std::uint64_t>(value), narrow).bits, wide).bits);
}

inline HostTensor tensor(DType dtype, const Shape &shape, const std::vector<double> &values) {
    HostTensor result(dtype, shape);
    const auto &wide = number::format_of(number::FormatId::fp64);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto bits =
            number::convert(wide, std::bit_cast<std::uint64_t>(values[i]), number::format_of(ops::format_id(dtype)))
                .bits;
        switch (dtype) {
        case DType::fp64: result.as<double>()[i] = values[i]; break;
        case DType::fp32: result.as<std::uint32_t>()[i] = static_cast<std::uint32_t>(bits); break;
        case DType::fp16:
        case DType::bf16: result.as<std::uint16_t>()[i] = static_cast<std::uint16_t>(bits); break;
        case DType::int64: result.as<std::int64_t>()[i] = static_cast<std::int64_t>(values[i]); break;
        case DType::boolean: result.as<std::uint8_t>()[i] = values[i] != 0 ? 1 : 0; break;
        }
    }
    return result;
}

inline std::vector<double> values(const HostTensor &given) {
    const auto &format = number::format_of(ops::format_id(given.dtype));
    const auto widened = [&](std::uint64_t bits) {
        return std::bit_cast<double>(number::convert(format, bits, number::format_of(number::FormatId::fp64)).bits);
    };
    std::vector<double> result(static_cast<std::size_t>(given.shape.elements()));
    for (std::size_t i = 0; i < result.size(); ++i) switch (given.dtype) {
        case DType::fp64: result[i] = given.as<double>()[i]; break;
        case DType::fp32: result[i] = widened(given.as<std::uint32_t>()[i]); break;
        case DType::fp16:
        case DType::bf16: result[i] = widened(given.as<std::uint16_t>()[i]); break;
        case DType::int64: result[i] = static_cast<double>(given.as<std::int64_t>()[i]); break;
        case DType::boolean: result[i] = given.as<std::uint8_t>()[i]; break;
        }
    return result;
}

/// Normal values, the same for the same seed.
inline std::vector<double> normal_values(std::int64_t count, unsigned seed, double deviation = 1, double mean = 0) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<double> distribution(mean, deviation);
    std::vector<double> result(static_cast<std::size_t>(count));
    for (double &value : result) value = distribution(engine);
    return result;
}

inline HostTensor normal_tensor(DType dtype, const Shape &shape, unsigned seed, double deviation = 1, double mean = 0) {
    return tensor(dtype, shape, normal_values(shape.elements(), seed, deviation, mean));
}

struct OutputOf {
    DType dtype;
    Shape shape;
};

struct Outcome {
    std::vector<HostTensor> outputs;
    std::vector<number::RangeStatistics> statistics;

    [[nodiscard]] std::vector<double> operator[](std::size_t output) const { return values(outputs[output]); }
};

inline Outcome run(const Operation &operation, std::vector<HostTensor> inputs, const std::vector<OutputOf> &outputs,
                   int threads = 1, const ops::RandomKey &key = {}) {
    const auto backend = ops::make_cpu_backend(threads);
    Outcome outcome;
    std::vector<ops::TensorView> in, out;
    for (HostTensor &input : inputs) in.push_back(input.view());
    outcome.outputs.reserve(outputs.size());
    for (const OutputOf &output : outputs) {
        outcome.outputs.emplace_back(output.dtype, output.shape);
        // What was there before must not matter.
        std::fill(outcome.outputs.back().bytes.begin(), outcome.outputs.back().bytes.end(), std::byte{0xFF});
        out.push_back(outcome.outputs.back().view());
    }
    outcome.statistics.resize(outputs.size());
    std::vector<number::RangeStatistics *> pointers;
    for (auto &statistics : outcome.statistics) pointers.push_back(&statistics);
    backend->run(operation, in, out, pointers, key);
    return outcome;
}

template <typename Attributes> Operation operation(OpKind kind, const Attributes &attributes) {
    Operation result;
    result.kind = kind;
    result.attributes = attributes;
    return result;
}

/// Whether two runs left the same bits and counted the same.
inline bool same(const Outcome &a, const Outcome &b) {
    for (std::size_t i = 0; i < a.outputs.size(); ++i)
        if (a.outputs[i].bytes != b.outputs[i].bytes) return false;
    return a.statistics == b.statistics;
}

/// u of a storage type: half the distance from 1 to the next value.
inline double unit_roundoff(DType storage) {
    return std::ldexp(1.0, -number::format_of(ops::format_id(storage)).precision);
}

/// The most a value may move when it is rounded once to storage: u times it, or half the smallest subnormal.
inline double rounding_error(double value, DType storage) {
    const auto &format = number::format_of(ops::format_id(storage));
    return std::max(unit_roundoff(storage) * std::fabs(value), std::ldexp(1.0, format.emin - format.precision));
}

/// Additions an element of tree(x_0..x_n-1) passes through, at most: its lane, the five halvings, and the same again
/// for every level of chunks.
inline double tree_depth(std::int64_t n) {
    if (n <= 4096) return static_cast<double>(n + 31) / 32 + 5;
    return 128 + 5 + tree_depth((n + 4095) / 4096);
}

/// Relative error, to first order with a margin of 1 %, of a value that went through `steps` roundings in C.
inline double steps_error(double steps, DType compute = DType::fp32) { return 1.01 * steps * unit_roundoff(compute); }

/// The larger of the two; a NaN is the worst of all, and stays.
inline void keep_worst(double &worst, double found) {
    if (!(found <= worst) && !std::isnan(worst)) worst = found;
}

} // namespace halfscope::test
