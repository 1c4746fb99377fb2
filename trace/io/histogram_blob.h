// The exponent histogram as stored in tensor_steps.exponents; the layout is described in trace/schema/schema.sql.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace halfscope::trace {

/// Replaces `blob` by the encoding: 0 bytes for an empty histogram, else 2 + 1 to 10 bytes a binade in use.
void encode_histogram(const std::array<std::uint64_t, 256> &exponents, std::vector<std::uint8_t> &blob);

/// The inverse. Throws std::runtime_error when `blob` is not exactly one encoded histogram (a damaged file).
void decode_histogram(std::span<const std::uint8_t> blob, std::array<std::uint64_t, 256> &exponents);

} // namespace halfscope::trace
