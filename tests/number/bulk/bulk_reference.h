// The bulk rounder written a second time, from the words of its header and in double arithmetic: no code is shared with
// the product but Philox, which has its own known answers.
#pragma once

#include "emulation/number/philox.h"
#include "emulation/number/round_array.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace halfscope::number::bulk_reference {

struct Target {
    int precision, emin, emax;
};
inline Target target_of(FormatId format) {
    if (format == FormatId::fp16) return {11, -14, 15};
    if (format == FormatId::bf16) return {8, -126, 127};
    return {24, -126, 127};
}
inline std::uint32_t word_of(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}
inline float float_of(std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

/// The rounded value of a finite x. It counts in units of the target's last place at x, which double holds exactly.
inline double rounded_value(float x, FormatId format, ArrayRounding mode, bool flush, std::uint32_t random) {
    const Target target = target_of(format);
    const double size = std::fabs(static_cast<double>(x));
    int exponent = 0;
    std::frexp(size, &exponent); // size = 0.1... * 2^exponent
    const double unit = std::ldexp(1.0, std::max(exponent - 1, target.emin) - (target.precision - 1));
    const double units = size / unit;
    double whole = std::floor(units);
    const double rest = units - whole;
    switch (mode) {
    case ArrayRounding::nearest_even:
        if (rest > 0.5 || (rest == 0.5 && std::fmod(whole, 2.0) == 1.0)) whole += 1;
        break;
    case ArrayRounding::toward_zero: break;
    case ArrayRounding::stochastic:
        if (std::floor(rest * 0x1p31) + std::floor(random / 2.0) >= 0x1p31) whole += 1;
        break;
    }
    double result = whole * unit;
    const double largest = (2 - std::ldexp(1.0, 1 - target.precision)) * std::ldexp(1.0, target.emax);
    if (result > largest)
        result = mode == ArrayRounding::toward_zero ? largest : std::numeric_limits<double>::infinity();
    if (flush && result < std::ldexp(1.0, target.emin)) result = 0;
    return std::copysign(result, static_cast<double>(x));
}

/// The encoding of a value that is a number of the format, or infinite.
inline std::uint32_t encoding(double y, FormatId format) {
    const Target target = target_of(format);
    const int fraction_bits = target.precision - 1, width = format == FormatId::fp32 ? 32 : 16;
    const std::uint32_t sign = std::signbit(y) ? 1u << (width - 1) : 0u;
    const double size = std::fabs(y);
    if (std::isinf(size)) return sign | static_cast<std::uint32_t>(target.emax - target.emin + 2) << fraction_bits;
    if (size < std::ldexp(1.0, target.emin))
        return sign | static_cast<std::uint32_t>(std::ldexp(size, fraction_bits - target.emin));
    const int exponent = std::ilogb(size);
    const auto field = static_cast<std::uint32_t>(exponent - target.emin + 1);
    const double fraction = std::ldexp(size, -exponent) - 1;
    return sign | field << fraction_bits | static_cast<std::uint32_t>(std::ldexp(fraction, fraction_bits));
}

/// The bits round_array must store for one source.
inline std::uint32_t rounded_bits(float x, FormatId format, ArrayRounding mode, bool flush, std::uint32_t random) {
    if (format == FormatId::fp32) {
        if (flush && x != 0 && std::fabs(x) < std::numeric_limits<float>::min()) return word_of(x) & 0x80000000u;
        return word_of(x);
    }
    if (std::isnan(x)) {
        const std::uint32_t bits = word_of(x), top = format == FormatId::fp16 ? 13 : 16;
        const std::uint32_t exponent = format == FormatId::fp16 ? 0x7C00u : 0x7F80u;
        const std::uint32_t quiet = format == FormatId::fp16 ? 0x0200u : 0x0040u;
        return (bits >> 31 << 15) | exponent | quiet | ((bits & 0x7FFFFFu) >> top);
    }
    if (std::isinf(x)) return encoding(static_cast<double>(x), format);
    return encoding(rounded_value(x, format, mode, flush, random), format);
}

/// One of the four sums, over one block.
class BlockSum {
  public:
    explicit BlockSum(bool in_double) : in_double_(in_double) {}
    void add(std::size_t i, float term) {
        end_run_before(i);
        if (in_double_)
            lanes_[i % 16] += static_cast<double>(term);
        else
            runs_[i % 16] += term;
    }
    void add_square(std::size_t i, float term) {
        end_run_before(i);
        if (in_double_)
            lanes_[i % 16] += static_cast<double>(term) * static_cast<double>(term);
        else
            runs_[i % 16] = std::fma(term, term, runs_[i % 16]);
    }
    double total() {
        end_run();
        for (std::size_t half : {8u, 4u, 2u, 1u})
            for (std::size_t l = 0; l < half; ++l) lanes_[l] += lanes_[l + half];
        return lanes_[0];
    }

  private:
    void end_run_before(std::size_t i) {
        if (i / (16 * 32) != run_) end_run();
        run_ = i / (16 * 32);
    }
    void end_run() {
        for (std::size_t l = 0; l < 16; ++l) {
            lanes_[l] += static_cast<double>(runs_[l]);
            runs_[l] = 0;
        }
    }
    bool in_double_;
    std::size_t run_ = 0;
    float runs_[16] = {};
    double lanes_[16] = {};
};

struct Expected {
    std::vector<std::uint32_t> bits;
    RangeStatistics statistics;
};

inline Expected round(const std::vector<float> &source, FormatId format, const RoundArrayOptions &options) {
    Expected out;
    RangeStatistics &s = out.statistics;
    const RandomStream stream{options.seed, options.step, options.tensor};
    for (std::size_t first = 0; first < source.size(); first += 4096) {
        const std::size_t n = std::min<std::size_t>(4096, source.size() - first);
        float block_max = 0;
        for (std::size_t i = 0; i < n; ++i)
            if (std::isfinite(source[first + i])) block_max = std::max(block_max, std::fabs(source[first + i]));
        const bool in_double = block_max > 0x1p59F || (block_max > 0 && block_max < 0x1p-40F);
        BlockSum sum(in_double), sum_abs(in_double), squares(in_double), errors(in_double), outward(in_double);
        for (std::size_t i = 0; i < n; ++i) {
            const float x = source[first + i];
            const std::uint32_t random = stream.word(options.first_element + first + i);
            out.bits.push_back(rounded_bits(x, format, options.rounding, options.flush_subnormals, random));
            ++s.count;
            if (std::isnan(x)) {
                ++s.nans;
                continue;
            }
            if (std::isinf(x)) {
                ++s.infinities;
                continue;
            }
            const float size = std::fabs(x);
            sum.add(i, x);
            sum_abs.add(i, size);
            squares.add_square(i, x);
            const double exact = format == FormatId::fp32
                                     ? static_cast<double>(float_of(out.bits.back()))
                                     : rounded_value(x, format, options.rounding, options.flush_subnormals, random);
            const Target target = target_of(format);
            if (!std::isinf(exact)) {
                errors.add_square(i, static_cast<float>(exact) - x);
                outward.add(i, std::fabs(static_cast<float>(exact)) - size);
            }
            if (x == 0) {
                ++s.zeros;
                continue;
            }
            if (exact == 0)
                ++s.underflows;
            else if (std::fabs(exact) < std::ldexp(1.0, target.emin))
                ++s.subnormals;
            const bool beyond = static_cast<double>(size) >= std::ldexp(1.0, target.emax + 1);
            if (std::isinf(exact) || beyond) ++s.overflows;
            s.amax = std::max(s.amax, size);
            s.amin = s.amin > 0 ? std::min(s.amin, size) : size;
            ++s.exponents[(word_of(x) >> 23) & 0xFF];
        }
        s.sum += sum.total();
        s.sum_abs += sum_abs.total();
        s.sum_squares += squares.total();
        s.sum_squared_error += errors.total();
        s.sum_magnitude_error += outward.total();
    }
    return out;
}

} // namespace halfscope::number::bulk_reference
