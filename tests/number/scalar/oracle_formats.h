// Our rows beside the oracle's own description of the same formats, and the names of modes on both sides.
#pragma once

#include "emulation/number/format.h"
#include "emulation/number/rounding.h"
#include "tests/oracle/exact_rounding.h"

namespace halfscope::number {

struct JudgedFormat {
    const Format &ours;
    oracle::BinaryFormat theirs;
};
inline const JudgedFormat judged_formats[] = {
    {format_of(FormatId::fp16), oracle::BinaryFormat(5, 10)},
    {format_of(FormatId::bf16), oracle::BinaryFormat(8, 7)},
    {format_of(FormatId::fp32), oracle::BinaryFormat(8, 23)},
    {format_of(FormatId::fp64), oracle::BinaryFormat(11, 52)},
    {format_of(FormatId::fp8_e5m2), oracle::BinaryFormat(5, 2)},
};
inline const JudgedFormat &judged(FormatId id) {
    for (const auto &format : judged_formats)
        if (format.ours.id == id) return format;
    throw std::logic_error("no judge for this format");
}

inline RoundingMode ours(oracle::Mode mode) {
    switch (mode) {
    case oracle::Mode::near_even: return {Rounding::nearest_even};
    case oracle::Mode::near_away: return {Rounding::nearest_away};
    case oracle::Mode::zero: return {Rounding::toward_zero};
    case oracle::Mode::up: return {Rounding::up};
    case oracle::Mode::down: return {Rounding::down};
    }
    return {};
}

} // namespace halfscope::number
