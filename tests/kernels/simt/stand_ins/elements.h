// Elements of the stand-ins' matrices, in fp32 and back.
#pragma once

#include "emulation/number/round_array.h"

namespace halfscope::stand_in {

inline float read(const void *data, std::int64_t at, number::FormatId format) {
    if (format == number::FormatId::fp32) return static_cast<const float *>(data)[at];
    float value = 0;
    number::widen_array(static_cast<const std::uint16_t *>(data) + at, 1, format, &value);
    return value;
}

inline void write(void *data, std::int64_t at, number::FormatId format, float value) {
    if (format == number::FormatId::fp32)
        static_cast<float *>(data)[at] = value;
    else
        static_cast<std::uint16_t *>(data)[at] = number::round_to_16bit(value, format);
}

} // namespace halfscope::stand_in
