#include "trace/io/event_file.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <stdexcept>

namespace halfscope::trace {
namespace {

static_assert(std::endian::native == std::endian::little, "frames and protobuf's fixed fields are little-endian");

constexpr std::array<std::uint32_t, 256> castagnoli = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
        table[byte] = crc;
    }
    return table;
}();

/// A CRC of bytes that hold CRCs is weak, so the stored one is rotated and shifted.
std::uint32_t masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

template <typename T> void put(std::string &out, T value) {
    std::array<char, sizeof(T)> bytes{};
    std::memcpy(bytes.data(), &value, sizeof(T));
    out.append(bytes.data(), bytes.size());
}

template <typename T> T get(std::string_view bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
}

// --- protobuf: a field is a varint (number << 3 | wire type), then its content
enum Wire : std::uint8_t { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };

// Field numbers of event.proto, summary.proto and tensor.proto.
constexpr std::uint32_t event_wall_time = 1, event_step = 2, event_file_version = 3, event_summary = 5;
constexpr std::uint32_t summary_value = 1, value_tag = 1, value_simple = 2, value_tensor = 8;
constexpr std::uint32_t tensor_type = 1, tensor_content = 4, tensor_floats = 5, tensor_doubles = 6;
constexpr std::uint64_t type_float = 1, type_double = 2;

void put_varint(std::string &out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}
void put_key(std::string &out, std::uint32_t field, Wire wire) { put_varint(out, field << 3 | wire); }
void put_bytes(std::string &out, std::uint32_t field, std::string_view bytes) {
    put_key(out, field, delimited);
    put_varint(out, bytes.size());
    out += bytes;
}

struct Field {
    std::uint32_t number = 0;
    std::uint64_t integer = 0; ///< varint
    std::string_view bytes;    ///< everything else
};

std::optional<std::uint64_t> take_varint(std::string_view &rest) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
        const auto byte = static_cast<std::uint8_t>(rest.front());
        rest.remove_prefix(1);
        value |= std::uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return value;
    }
    return std::nullopt;
}

/// The next field; nothing at the end of the message or where it is damaged.
std::optional<Field> take_field(std::string_view &rest) {
    const auto key = take_varint(rest);
    if (!key) return std::nullopt;
    Field field{static_cast<std::uint32_t>(*key >> 3), 0, {}};
    std::uint64_t length = 0;
    switch (*key & 7) {
    case varint: {
        const auto value = take_varint(rest);
        if (!value) return std::nullopt;
        field.integer = *value;
        return field;
    }
    case fixed64: length = 8; break;
    case fixed32: length = 4; break;
    case delimited: {
        const auto value = take_varint(rest);
        if (!value) return std::nullopt;
        length = *value;
        break;
    }
    default: return std::nullopt;
    }
    if (length > rest.size()) return std::nullopt;
    field.bytes = rest.substr(0, length);
    rest.remove_prefix(length);
    return field;
}

std::optional<double> scalar_of_tensor(std::string_view message) {
    std::uint64_t type = 0;
    std::string_view content;
    while (const auto field = take_field(message)) {
        if (field->number == tensor_type) type = field->integer;
        if (field->number == tensor_content || field->number == tensor_floats || field->number == tensor_doubles)
            content = field->bytes;
    }
    if (type == type_float && content.size() == 4) return static_cast<double>(get<float>(content));
    if (type == type_double && content.size() == 8) return get<double>(content);
    return std::nullopt;
}

void read_value(std::string_view message, std::int64_t step, std::vector<Scalar> &scalars) {
    Scalar scalar{step, {}, 0};
    bool known = false;
    while (const auto field = take_field(message)) {
        if (field->number == value_tag) scalar.tag = field->bytes;
        if (field->number == value_simple && field->bytes.size() == 4) {
            scalar.value = static_cast<double>(get<float>(field->bytes));
            known = true;
        }
        if (field->number == value_tensor)
            if (const auto value = scalar_of_tensor(field->bytes)) {
                scalar.value = *value;
                known = true;
            }
    }
    if (known) scalars.push_back(std::move(scalar));
}

void read_event(std::string_view message, std::vector<Scalar> &scalars) {
    std::int64_t step = 0;
    std::string_view summary;
    while (const auto field = take_field(message)) {
        if (field->number == event_step) step = static_cast<std::int64_t>(field->integer);
        if (field->number == event_summary) summary = field->bytes;
    }
    while (const auto field = take_field(summary))
        if (field->number == summary_value) read_value(field->bytes, step, scalars);
}

void put_record(std::string &out, std::string_view message) {
    std::string length;
    put(length, static_cast<std::uint64_t>(message.size()));
    out += length;
    put(out, masked(crc32c(length)));
    out += message;
    put(out, masked(crc32c(message)));
}

} // namespace

std::uint32_t crc32c(std::string_view bytes) {
    std::uint32_t crc = ~0u;
    for (const char byte : bytes) crc = castagnoli[(crc ^ static_cast<std::uint8_t>(byte)) & 0xff] ^ crc >> 8;
    return ~crc;
}

std::string event_file(std::span<const Scalar> scalars, double wall_time) {
    std::string file, event;
    put_key(event, event_wall_time, fixed64);
    put(event, wall_time);
    put_bytes(event, event_file_version, "brain.Event:2");
    put_record(file, event);
    for (const Scalar &scalar : scalars) {
        std::string value, summary;
        put_bytes(value, value_tag, scalar.tag);
        put_key(value, value_simple, fixed32);
        put(value, static_cast<float>(scalar.value));
        put_bytes(summary, summary_value, value);
        event.clear();
        put_key(event, event_wall_time, fixed64);
        put(event, wall_time);
        put_key(event, event_step, varint);
        put_varint(event, static_cast<std::uint64_t>(scalar.step));
        put_bytes(event, event_summary, summary);
        put_record(file, event);
    }
    return file;
}

std::vector<Scalar> parse_event_file(std::string_view bytes, const std::string &where) {
    std::vector<Scalar> scalars;
    bool first = true;
    while (bytes.size() >= 12) {
        const auto length = get<std::uint64_t>(bytes);
        if (masked(crc32c(bytes.substr(0, 8))) != get<std::uint32_t>(bytes.substr(8)))
            throw std::runtime_error(fmt::format(
                "{}: {}", where, first ? "it is not a TensorBoard event file" : "a record's checksum is wrong"));
        if (bytes.size() - 12 < 4 || length > bytes.size() - 16) break;
        const std::string_view message = bytes.substr(12, length);
        if (masked(crc32c(message)) != get<std::uint32_t>(bytes.substr(12 + length)))
            throw std::runtime_error(fmt::format("{}: a record's checksum is wrong", where));
        read_event(message, scalars);
        bytes.remove_prefix(16 + length);
        first = false;
    }
    if (first) throw std::runtime_error(fmt::format("{}: it is not a TensorBoard event file", where));
    return scalars;
}

} // namespace halfscope::trace
