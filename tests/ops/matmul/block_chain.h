// The definition of a block accumulation as plain loops over number's scalar reference, and operands that provoke it.
// Judges the product engine; shares nothing with it but the scalar reference, which has its own tests.
#pragma once

#include "emulation/number/cpu_dot_product.h"
#include "emulation/number/round_array.h"
#include "emulation/number/tensor_core.h"
#include "emulation/ops/operation.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace halfscope::ops::block_chain {

inline constexpr std::array models{
    Accumulation::volta,         Accumulation::turing,         Accumulation::ampere,
    Accumulation::ada,           Accumulation::hopper,         Accumulation::blackwell,
    Accumulation::volta_fp16acc, Accumulation::turing_fp16acc, Accumulation::ampere_fp16acc,
    Accumulation::ada_fp16acc,   Accumulation::hopper_fp16acc, Accumulation::blackwell_fp16acc,
    Accumulation::cpu_avx512bf16};

inline bool narrow(Accumulation model) { return name_of(model).ends_with("-fp16acc"); }

/// The row of the model; null for cpu_avx512bf16.
inline const number::TensorCore *row(Accumulation model) {
    for (const number::TensorCore &core : number::tensor_cores)
        if (name_of(model).substr(0, name_of(model).find('-')) == core.name) return &core;
    return nullptr;
}

inline bool takes(Accumulation model, DType dtype) {
    const number::TensorCore *core = row(model);
    if (!core) return dtype == DType::bf16;
    if (dtype == DType::fp16) return true;
    return !narrow(model) && (dtype == DType::bf16 ? core->bf16 : core->block_tf32 > 0);
}

/// Kinds of operands. `ordinary` are normal deviates; `wide` have any finite encoding; `special` have infinities and
/// NaN among them; `largest` are all of the largest significand and one exponent, so that sums of a block are as large
/// as they get; `subnormal` are subnormals and zeros among a few small normals; `cancelling` come in pairs of opposite
/// sign that meet in one block or in the next; `constant` are all one value; `sparse` are mostly zeros, the rest of any
/// size.
enum class Data { ordinary, wide, special, largest, subnormal, cancelling, constant, sparse, vanishing, ties };
inline constexpr std::array all_data{Data::ordinary,   Data::wide,     Data::special, Data::largest,   Data::subnormal,
                                     Data::cancelling, Data::constant, Data::sparse,  Data::vanishing, Data::ties};

/// The encoding of 2^exponent, subnormal or normal.
inline std::uint64_t power_of_two(const number::Format &f, int exponent, bool negative) {
    if (exponent < f.emin)
        return number::encode(f, negative, 0, std::uint64_t{1} << (exponent - f.emin + f.precision - 1));
    return number::encode(f, negative, static_cast<unsigned>(exponent + f.bias()), 0);
}

inline HostTensor tensor(Data data, DType dtype, const Shape &shape, unsigned seed) {
    HostTensor result(dtype, shape);
    std::mt19937_64 random(seed * 1000003u + static_cast<unsigned>(data));
    const number::Format &f = number::format_of(dtype == DType::fp32 ? number::FormatId::tf32 : format_id(dtype));
    const auto encoding = [&](unsigned field, std::uint64_t fraction, bool negative) {
        return number::encode(f, negative, field, fraction & number::ones(f.precision - 1));
    };
    const unsigned top = (1u << f.exponent_bits) - 1, one = static_cast<unsigned>(f.bias());
    std::normal_distribution<float> normal;
    const std::int64_t columns = shape[1];
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
        std::uint64_t bits = 0;
        const bool negative = random() & 1;
        const auto along_k = static_cast<unsigned>(seed == 1 ? i % columns : i / columns);
        switch (data) {
        case Data::ordinary: {
            const float x = normal(random);
            bits = dtype == DType::fp32 ? std::bit_cast<std::uint32_t>(x) : number::round_to_16bit(x, f.id);
            break;
        }
        case Data::wide: bits = encoding(static_cast<unsigned>(random() % top), random(), negative); break;
        case Data::special: {
            const auto dice = random() % 64;
            const auto field = dice < 2 ? top : one + static_cast<unsigned>(random() % 8);
            bits = encoding(field, dice == 0 ? random() : dice == 1 ? 0 : random(), negative);
            // Whole stretches without, so that finite and other blocks meet.
            if (along_k / 32 % 3 != 1 && field == top) bits = 0;
            break;
        }
        case Data::largest:
            bits = encoding(one, ~random() % 4 == 0 ? random() : ~0ull, seed == 1 && along_k > 200);
            break;
        case Data::subnormal:
            bits = encoding(static_cast<unsigned>(random() % 3), random() % 5 ? random() : 0, negative);
            break;
        case Data::cancelling: {
            std::mt19937_64 same(seed == 1 ? 7 + along_k / 2 % 24 : 9 + along_k / 2 % 24);
            bits = encoding(one + static_cast<unsigned>(same() % 6), same(), seed == 1 && along_k % 2);
            if (random() % 32 == 0) bits = encoding(one - static_cast<unsigned>(random() % 14), random(), negative);
            break;
        }
        case Data::constant: bits = encoding(one, number::ones(f.precision - 1) - 1, false); break;
        case Data::sparse: {
            // Whole blocks without a product meet accumulators of any size.
            const auto field = random() % 2 ? random() % top : one + random() % 3;
            bits = random() % 8 ? encoding(0, 0, negative) : encoding(static_cast<unsigned>(field), random(), negative);
            break;
        }
        case Data::vanishing:
            bits = seed != 1       ? encoding(one + static_cast<unsigned>(random() % 3), random(), negative)
                   : random() % 16 ? encoding(0, 0, negative)
                                   : encoding(static_cast<unsigned>(random() % (one / 4)), random(), negative);
            break;
        case Data::ties: {
            // 1 * 2^-11 under 1, 2^-12 * 2^-13 under a subnormal; 2^-25 and 2^-48 beside them. Rarely an infinity.
            const std::array powers{seed == 1 ? 0 : -11, seed == 1 ? -12 : -13, -24};
            const auto dice = random() % 16;
            bits = dice > 5 ? encoding(0, 0, negative) : power_of_two(f, powers[dice % 3], negative);
            if (random() % 997 == 0) bits = encoding(top, 0, negative);
            break;
        }
        }
        // tf32 operands come as fp32: the bits to be cut off are there.
        if (dtype == DType::fp32)
            result.as<std::uint32_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(
                bits | (data != Data::special && bits & 0x7FFFFFFFu ? random() & 0x1FFFu : 0));
        else
            result.as<std::uint16_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(bits);
    }
    return result;
}

/// A start of the accumulator: ordinary values; for the harder data any encoding; for ties around 1 and subnormal.
inline HostTensor start(Data data, bool fp16, const Shape &shape) {
    const bool plain = data == Data::ordinary || data == Data::largest || data == Data::cancelling;
    HostTensor c = tensor(plain                   ? Data::ordinary
                          : data == Data::special ? Data::special
                                                  : Data::wide,
                          fp16 ? DType::fp16 : DType::fp32, shape, 5);
    if (data != Data::ties || !fp16) return c;
    for (std::uint16_t &bits : c.as<std::uint16_t>())
        bits = static_cast<std::uint16_t>((bits & 0x8007u) | (bits & 0x10u ? 0x3C00u : 0));
    return c;
}

inline std::uint32_t element(const HostTensor &tensor, std::int64_t at) {
    if (tensor.dtype != DType::fp32) return tensor.as<std::uint16_t>()[static_cast<std::size_t>(at)];
    return tensor.as<std::uint32_t>()[static_cast<std::size_t>(at)];
}
/// The encoding a unit reads: fp32 as tf32, cut, a NaN staying one.
inline std::uint32_t operand(const HostTensor &tensor, std::int64_t at) {
    const std::uint32_t bits = element(tensor, at);
    if (tensor.dtype != DType::fp32) return bits;
    return (bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC00000u : bits & 0xFFFFE000u;
}

/// [m, k] x [k, n] by definition: fp32, or fp16 where the model accumulates in it.
inline HostTensor product(Accumulation model, const HostTensor &a, const HostTensor &b, const HostTensor *c) {
    const number::TensorCore *core = row(model);
    const bool in_fp16 = narrow(model);
    const std::int64_t m = a.shape[0], k = a.shape[1], n = b.shape[1];
    const number::Format &operands =
        number::format_of(a.dtype == DType::fp32 ? number::FormatId::tf32 : format_id(a.dtype));
    const number::Format &accumulator = number::format_of(in_fp16 ? number::FormatId::fp16 : number::FormatId::fp32);
    const std::int64_t block = !core ? 2 : a.dtype == DType::fp32 ? core->block_tf32 : core->block;
    HostTensor d(in_fp16 ? DType::fp16 : DType::fp32, {m, n});
    for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
            std::uint64_t sum = c ? element(*c, i * n + j) : 0;
            for (std::int64_t k0 = 0; k0 < k; k0 += block) {
                std::vector<std::uint32_t> x(static_cast<std::size_t>(block)), y(x);
                for (std::int64_t t = k0; t < std::min(k, k0 + block); ++t) {
                    x[static_cast<std::size_t>(t - k0)] = operand(a, i * k + t);
                    y[static_cast<std::size_t>(t - k0)] = operand(b, t * n + j);
                }
                const auto half = [](std::uint32_t bits) { return static_cast<std::uint16_t>(bits); };
                sum = core ? number::fused_dot_add(*core, operands, x, y, accumulator, sum)
                           : number::dot_pair_bf16(static_cast<std::uint32_t>(sum), half(x[0]), half(x[1]), half(y[0]),
                                                   half(y[1]));
            }
            if (in_fp16)
                d.as<std::uint16_t>()[static_cast<std::size_t>(i * n + j)] = static_cast<std::uint16_t>(sum);
            else
                d.as<std::uint32_t>()[static_cast<std::size_t>(i * n + j)] = static_cast<std::uint32_t>(sum);
        }
    return d;
}

/// "" when all bits agree, NaN's apart when a model does not define them (VDPBF16PS) or rounding to storage made them.
inline std::string difference(const HostTensor &got, const HostTensor &wanted) {
    const std::size_t size = size_of(wanted.dtype);
    for (std::size_t i = 0; i < wanted.bytes.size() / size; ++i) {
        const std::uint32_t x = size == 2 ? got.as<std::uint16_t>()[i] : got.as<std::uint32_t>()[i];
        const std::uint32_t y = size == 2 ? wanted.as<std::uint16_t>()[i] : wanted.as<std::uint32_t>()[i];
        const std::uint32_t infinity = size == 2 ? 0x7C00u : 0x7F800000u, magnitude = size == 2 ? 0x7FFFu : 0x7FFFFFFFu;
        const bool both_nan = (x & magnitude) > infinity && (y & magnitude) > infinity;
        if (x == y || both_nan) continue;
        char text[96];
        std::snprintf(text, sizeof text, "element %zu: got %08x, wanted %08x", i, x, y);
        return text;
    }
    return "";
}

} // namespace halfscope::ops::block_chain
