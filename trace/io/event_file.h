// TensorBoard's event files: records framed as TFRecord, each a protobuf message tensorflow.Event. Only scalars are
// written and read. Formats: tensorflow/core/lib/io/record_writer.cc (length, masked CRC-32C of the length, bytes,
// masked CRC-32C of the bytes), tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto; the CRC is
// Castagnoli's (RFC 3720, appendix B.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::trace {

struct Scalar {
    std::int64_t step = 0;
    std::string tag;
    double value = 0; ///< written as a 32-bit float
};

/// The bytes of an event file with these scalars, all stamped with the same wall time (seconds since 1970).
[[nodiscard]] std::string event_file(std::span<const Scalar> scalars, double wall_time);

/// Every scalar in file order, of simple_value as PyTorch writes it and of float or double tensors as TensorFlow 2
/// does; other records are passed over. A record cut short at the end is left out, as TensorBoard leaves it. Throws
/// std::runtime_error with one sentence naming `where` when the first record is no such frame or a checksum is wrong.
[[nodiscard]] std::vector<Scalar> parse_event_file(std::string_view bytes, const std::string &where);

/// CRC-32C of the bytes.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);

} // namespace halfscope::trace
