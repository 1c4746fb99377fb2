// All 2^32 fp32 values into fp16 and bf16 in every mode: the scalar rounder against the judge that works in doubles,
// and the bulk path against the scalar rounder.
#include "emulation/number/conversion.h"
#include "emulation/number/round_array.h"
#include "tests/number/exhaustive/sweep.h"
#include "tests/oracle/rounding_by_doubles.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace halfscope::number;

namespace {

double judge(const oracle::QuantumRounder &rounder, double x, Rounding mode) {
    const bool negative = std::signbit(x);
    switch (mode) {
    case Rounding::nearest_even: return rounder.nearest_even({x, 0});
    // Ties away: nudged outward by a residue, a tie is no tie any more; exactly representable values do not move.
    case Rounding::nearest_away: return rounder.nearest_even({x, x > 0 ? 1e-300 : -1e-300});
    case Rounding::toward_zero: return rounder.directed({x, 0}, false);
    case Rounding::up: return rounder.directed({x, 0}, !negative);
    case Rounding::down: return rounder.directed({x, 0}, negative);
    case Rounding::stochastic: break;
    }
    return x;
}

template <FormatId id> void check_scalar(Rounding rounding) {
    constexpr const Format &f = format_of(id);
    constexpr const Format &f32 = format_of(FormatId::fp32);
    constexpr const Format &f64 = format_of(FormatId::fp64);
    const oracle::QuantumRounder rounder(f.precision, f.emin, f.emax);
    RoundingMode mode;
    mode.rounding = rounding;
    const auto wrong = sweep(std::uint64_t{1} << 32, [&](std::uint64_t first, std::uint64_t last) {
        std::uint64_t failures = 0;
        for (std::uint64_t bits = first; bits < last; ++bits) {
            const auto x = static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
            const Result got = convert(f32, bits, f, mode);
            const double result = std::bit_cast<double>(convert(f, got.bits, f64).bits);
            bool right = false;
            if (std::isnan(x)) {
                right = std::isnan(result);
            } else {
                const double want = std::isinf(x) ? x : judge(rounder, x, rounding);
                right = result == want && std::signbit(result) == std::signbit(want) &&
                        ((got.status & inexact) != 0) == (want != x);
            }
            if (!right && ++failures < 4) MESSAGE(f.name << " of " << bits << ": got " << got.bits);
        }
        return failures;
    });
    CHECK(wrong == 0);
}

template <FormatId id> void check_bulk(Rounding scalar_mode, ArrayRounding bulk_mode, bool flush) {
    constexpr const Format &f = format_of(id);
    RoundingMode mode;
    mode.rounding = scalar_mode;
    mode.flush_subnormals = flush;
    RoundArrayOptions options;
    options.rounding = bulk_mode;
    options.flush_subnormals = flush;
    const auto wrong = sweep(std::uint64_t{1} << 32, [&](std::uint64_t first, std::uint64_t last) {
        std::uint64_t failures = 0;
        std::vector<float> values(last - first);
        std::vector<std::uint16_t> rounded(values.size());
        for (std::uint64_t bits = first; bits < last; ++bits)
            values[bits - first] = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
        round_array(values.data(), values.size(), id, rounded.data(), options);
        for (std::uint64_t bits = first; bits < last; ++bits) {
            const Result want = convert(format_of(FormatId::fp32), bits, f, mode);
            const std::uint16_t got = rounded[bits - first];
            if (got != want.bits && ++failures < 4) MESSAGE(f.name << " bulk of " << bits << ": got " << got);
        }
        return failures;
    });
    CHECK(wrong == 0);
}

} // namespace

TEST_CASE_TEMPLATE("scalar conversions", Id, std::integral_constant<FormatId, FormatId::fp16>,
                   std::integral_constant<FormatId, FormatId::bf16>) {
    for (const Rounding mode :
         {Rounding::nearest_even, Rounding::nearest_away, Rounding::toward_zero, Rounding::up, Rounding::down})
        check_scalar<Id::value>(mode);
}

TEST_CASE_TEMPLATE("bulk conversions equal the scalar rounder", Id, std::integral_constant<FormatId, FormatId::fp16>,
                   std::integral_constant<FormatId, FormatId::bf16>) {
    check_bulk<Id::value>(Rounding::nearest_even, ArrayRounding::nearest_even, false);
    check_bulk<Id::value>(Rounding::nearest_even, ArrayRounding::nearest_even, true);
    check_bulk<Id::value>(Rounding::toward_zero, ArrayRounding::toward_zero, false);
}
