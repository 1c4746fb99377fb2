// What a row of a or a column of b holds, for leaving out products that are known: most of a tile lies outside of a
// small matrix.
#pragma once

#include "emulation/number/format.h"

#include <cstdint>
#include <span>

namespace simt {

struct OperandLine {
    bool zero = true, finite = true;

    OperandLine() = default;
    /// Encodings of fp16, bf16 or tf32 (in 32 bits).
    OperandLine(std::span<const std::uint32_t> line, halfscope::number::FormatId format) {
        using halfscope::number::FormatId;
        const std::uint32_t infinity = format == FormatId::fp16   ? 0x7c00
                                       : format == FormatId::bf16 ? 0x7f80
                                                                  : 0x7f800000;
        const std::uint32_t magnitude = format == FormatId::tf32 ? 0x7fffffff : 0x7fff;
        for (const std::uint32_t bits : line) {
            zero = zero && (bits & magnitude) == 0;
            finite = finite && (bits & magnitude) < infinity;
        }
    }
};

/// Whether the sum of a row times a column onto +0 is +0 in every model.
inline bool is_nothing(const OperandLine &a, const OperandLine &b, std::uint64_t c) {
    return c == 0 && ((a.zero && b.finite) || (a.finite && b.zero));
}

} // namespace simt
