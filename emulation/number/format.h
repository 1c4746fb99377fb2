// A number format is one row of data; arithmetic never mentions a format by name.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace halfscope::number {

enum class FormatId : std::uint8_t { fp64, fp32, tf32, bf16, fp16, fp8_e4m3, fp8_e5m2 };

/// How a format spends its highest exponent code.
enum class NonFinite : std::uint8_t {
    ieee,     ///< all-ones exponent: infinity (significand 0) and NaN
    nan_only, ///< no infinity; only the all-ones code is NaN (fp8 E4M3, OCP OFP8)
};

/// A binary floating-point format. A normal value is (-1)^s * 1.f * 2^e with emin <= e <= emax;
/// subnormals share emin. `precision` counts significand bits with the hidden one.
struct Format {
    FormatId id;
    std::string_view name;
    int storage_bits; ///< width of the encoding; tf32 is kept in 32 bits with its low 13 bits zero
    int precision;
    int exponent_bits;
    int emin;
    int emax;
    NonFinite non_finite;

    /// Bits below the encoding's significand field (13 for tf32, which lives in an fp32 word).
    [[nodiscard]] constexpr int padding_bits() const { return storage_bits - 1 - exponent_bits - (precision - 1); }
    [[nodiscard]] constexpr int bias() const { return 1 - emin; }
};

inline constexpr std::array<Format, 7> formats{{
    {FormatId::fp64, "fp64", 64, 53, 11, -1022, 1023, NonFinite::ieee},
    {FormatId::fp32, "fp32", 32, 24, 8, -126, 127, NonFinite::ieee},
    {FormatId::tf32, "tf32", 32, 11, 8, -126, 127, NonFinite::ieee},
    {FormatId::bf16, "bf16", 16, 8, 8, -126, 127, NonFinite::ieee},
    {FormatId::fp16, "fp16", 16, 11, 5, -14, 15, NonFinite::ieee},
    {FormatId::fp8_e4m3, "fp8-e4m3", 8, 4, 4, -6, 8, NonFinite::nan_only},
    {FormatId::fp8_e5m2, "fp8-e5m2", 8, 3, 5, -14, 15, NonFinite::ieee},
}};

[[nodiscard]] constexpr const Format &format_of(FormatId id) { return formats[static_cast<std::size_t>(id)]; }

} // namespace halfscope::number
