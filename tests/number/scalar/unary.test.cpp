// Every 16-bit operand of every unary operation, in every rounding mode, against exact rationals.
#include "emulation/number/arithmetic.h"
#include "emulation/number/conversion.h"
#include "tests/number/scalar/oracle_formats.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope::number;

namespace {

/// Under the sanitizers, which look for undefined behaviour and are ten times slower, a sample is enough.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t step = 13;
#else
constexpr std::uint64_t step = 1;
#endif

/// What the oracle says of an operation on a finite or special operand; NaN results are compared by kind only.
void check(const JudgedFormat &to, const Result &got, const oracle::Rounded &want, std::uint64_t operand,
           const char *what) {
    if (got.bits == want.bits && got.status == want.flags) return;
    FAIL_CHECK(what << " of " << std::hex << operand << " into " << to.ours.name << ": got " << got.bits << " flags "
                    << unsigned{got.status} << ", want " << want.bits << " flags " << want.flags);
}

/// A conversion of the zero, infinity or NaN `bits`; nullopt for finite non-zero ones.
bool special(const JudgedFormat &from, std::uint64_t bits) {
    return from.theirs.is_nan(bits) || from.theirs.is_infinite(bits) || (bits & ~from.theirs.sign_mask()) == 0;
}

} // namespace

TEST_CASE("conversions of every 16-bit value to every format, in every mode") {
    for (const FormatId from_id : {FormatId::fp16, FormatId::bf16}) {
        const JudgedFormat &from = judged(from_id);
        for (const JudgedFormat &to : judged_formats) {
            for (const oracle::Mode mode : oracle::all_modes) {
                if (to.ours.precision >= from.ours.precision && to.ours.emin <= from.ours.emin &&
                    mode != oracle::Mode::near_even)
                    continue; // exact whatever the mode
                for (std::uint64_t bits = 0; bits < 0x10000; bits += step) {
                    const Result got = convert(from.ours, bits, to.ours, ours(mode));
                    if (from.theirs.is_nan(bits)) {
                        const bool quiet = to.theirs.is_nan(got.bits) && !to.theirs.is_signaling(got.bits);
                        const unsigned flags = from.theirs.is_signaling(bits) ? oracle::invalid : 0u;
                        if (!quiet || got.status != flags) FAIL_CHECK("NaN " << bits << " into " << to.ours.name);
                    } else if (special(from, bits)) {
                        const std::uint64_t sign = from.theirs.is_negative(bits) ? to.theirs.sign_mask() : 0;
                        check(to, got, {sign | (from.theirs.is_infinite(bits) ? to.theirs.infinity() : 0), 0}, bits,
                              "conversion");
                    } else {
                        check(to, got, to.theirs.round(from.theirs.value(bits), mode), bits, "conversion");
                    }
                }
            }
        }
    }
}

TEST_CASE("square roots of every 16-bit value, in every mode") {
    for (const FormatId id : {FormatId::fp16, FormatId::bf16}) {
        const JudgedFormat &f = judged(id);
        for (const oracle::Mode mode : oracle::all_modes) {
            for (std::uint64_t bits = 0; bits < 0x10000; bits += step) {
                const Result got = square_root(f.ours, bits, ours(mode));
                if (f.theirs.is_nan(bits)) {
                    CHECK(f.theirs.is_nan(got.bits));
                } else if ((bits & ~f.theirs.sign_mask()) == 0 || bits == f.theirs.infinity()) {
                    check(f, got, {bits, 0}, bits, "sqrt");
                } else if (f.theirs.is_negative(bits)) {
                    if (!f.theirs.is_nan(got.bits) || got.status != invalid) FAIL_CHECK("sqrt of negative " << bits);
                } else {
                    check(f, got, f.theirs.round(oracle::square_root(f.theirs.value(bits), 200), mode), bits, "sqrt");
                }
            }
        }
    }
}

TEST_CASE_TEMPLATE("integers of every 16-bit value, in every mode", Integer, std::int32_t, std::int64_t, std::uint32_t,
                   std::uint64_t) {
    using Limits = std::numeric_limits<Integer>;
    for (const FormatId id : {FormatId::fp16, FormatId::bf16}) {
        const JudgedFormat &f = judged(id);
        for (const oracle::Mode mode : oracle::all_modes) {
            for (std::uint64_t bits = 0; bits < 0x10000; bits += step) {
                const Result got = to_integer<Integer>(f.ours, bits, ours(mode), Exactness::signal_inexact);
                const auto value = static_cast<Integer>(got.bits);
                const bool negative = f.theirs.is_negative(bits);
                if (!f.theirs.is_finite(bits)) {
                    const Integer want = negative && !f.theirs.is_nan(bits) ? Limits::min() : Limits::max();
                    if (value != want || got.status != invalid) FAIL_CHECK("integer of special " << bits);
                    continue;
                }
                bool changed = false;
                const oracle::Integer rounded = oracle::to_integer(f.theirs.value(bits), mode, changed);
                if (rounded < Limits::min() || rounded > Limits::max()) {
                    if (value != (negative ? Limits::min() : Limits::max()) || got.status != invalid)
                        FAIL_CHECK("integer out of range " << bits);
                } else if (value != static_cast<Integer>(rounded) || got.status != (changed ? oracle::inexact : 0u)) {
                    FAIL_CHECK("integer of " << f.ours.name << " " << bits << ": got " << value);
                }
                const Result silent = to_integer<Integer>(f.ours, bits, ours(mode));
                if (silent.bits != got.bits || silent.status != (got.status & ~unsigned{inexact}))
                    FAIL_CHECK("silent integer of " << bits);
            }
        }
    }
}

TEST_CASE("rounding every 16-bit value to an integral one, in every mode") {
    for (const FormatId id : {FormatId::fp16, FormatId::bf16}) {
        const JudgedFormat &f = judged(id);
        for (const oracle::Mode mode : oracle::all_modes) {
            for (std::uint64_t bits = 0; bits < 0x10000; bits += step) {
                const Result got = round_to_integral(f.ours, bits, ours(mode), Exactness::signal_inexact);
                if (f.theirs.is_nan(bits)) {
                    CHECK(f.theirs.is_nan(got.bits));
                    continue;
                }
                if (f.theirs.is_infinite(bits)) {
                    CHECK(got.bits == bits);
                    continue;
                }
                bool changed = false;
                const oracle::Integer rounded = oracle::to_integer(f.theirs.value(bits), mode, changed);
                oracle::Rounded want{bits & f.theirs.sign_mask(), changed ? oracle::inexact : 0u};
                if (rounded != 0) want.bits = f.theirs.round({rounded, 1}, oracle::Mode::near_even).bits;
                check(f, got, want, bits, "roundToInt");
            }
        }
    }
}

TEST_CASE("integers into formats: edges, ties and random ones, in every mode") {
    std::uint64_t state = 12345;
    for (const JudgedFormat &f : judged_formats) {
        for (const oracle::Mode mode : oracle::all_modes) {
            for (int i = 0; i < 3000; ++i) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                const auto wide = static_cast<std::int64_t>(state) >> (i % 64);
                if (wide == 0) {
                    CHECK(from_integer(wide, f.ours, ours(mode)).bits == 0);
                    continue;
                }
                check(f, from_integer(wide, f.ours, ours(mode)), f.theirs.round({wide, 1}, mode),
                      static_cast<std::uint64_t>(wide), "integer");
                const auto unsigned_wide = static_cast<std::uint64_t>(wide);
                check(f, from_integer(unsigned_wide, f.ours, ours(mode)), f.theirs.round({unsigned_wide, 1}, mode),
                      unsigned_wide, "unsigned integer");
            }
        }
    }
}
