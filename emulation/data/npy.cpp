#include "emulation/data/npy.h"

#include "emulation/data/file_bytes.h"
#include "emulation/number/round_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace halfscope::data {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
/// More axes or elements than any data set has; keeps products inside int64.
constexpr std::size_t most_axes = 32;
constexpr std::int64_t most_elements = std::int64_t{1} << 48;

/// The header is a Python dict literal; this reads just the three keys NumPy writes.
class HeaderParser {
  public:
    HeaderParser(std::string_view text, const std::string &where) : text_(text), where_(where) {}

    void parse() {
        expect('{');
        while (peek() != '}') {
            const std::string key = quoted();
            expect(':');
            if (key == "descr")
                descr = quoted();
            else if (key == "fortran_order")
                fortran = boolean();
            else if (key == "shape")
                shape = tuple();
            else
                fail(fmt::format("unknown key '{}'", key.substr(0, 40)));
            if (peek() == ',') ++at_;
        }
        if (!descr || !fortran || !shape) fail("descr, fortran_order or shape is missing");
    }

    std::optional<std::string> descr;
    std::optional<bool> fortran;
    std::optional<std::vector<std::int64_t>> shape;

  private:
    [[noreturn]] void fail(const std::string &reason) const {
        throw std::runtime_error(fmt::format("{}: the .npy header is damaged ({})", where_, reason));
    }
    char peek() {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
        if (at_ == text_.size()) fail("it ends early");
        return text_[at_];
    }
    void expect(char wanted) {
        if (peek() != wanted) fail(fmt::format("'{}' expected at character {}", wanted, at_));
        ++at_;
    }
    std::string quoted() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail(fmt::format("a string expected at character {}", at_));
        const std::size_t end = text_.find(quote, at_ + 1);
        if (end == std::string_view::npos) fail("a string does not end");
        std::string value(text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        return value;
    }
    bool boolean() {
        peek();
        if (text_.substr(at_, 4) == "True") return at_ += 4, true;
        if (text_.substr(at_, 5) == "False") return at_ += 5, false;
        fail("fortran_order is neither True nor False");
    }
    std::vector<std::int64_t> tuple() {
        std::vector<std::int64_t> sizes;
        expect('(');
        while (peek() != ')') {
            std::int64_t size = 0;
            const std::size_t first = at_;
            for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_) {
                size = size * 10 + (text_[at_] - '0');
                if (size > most_elements) fail("the shape is absurdly large");
            }
            if (at_ == first) fail("a size in the shape is not a number");
            if (at_ < text_.size() && text_[at_] == 'L') ++at_; // Python 2 wrote longs
            sizes.push_back(size);
            if (sizes.size() > most_axes) fail("too many axes");
            if (peek() == ',')
                ++at_;
            else if (peek() != ')')
                fail("the shape is not a tuple");
        }
        ++at_;
        return sizes;
    }

    std::string_view text_;
    const std::string &where_;
    std::size_t at_ = 0;
};

ElementType element_type(std::string_view descr, const std::string &where, bool &swap) {
    const char order = descr.empty() ? ' ' : descr.front();
    if (descr.size() == 3 && (order == '<' || order == '>' || order == '|' || order == '=')) {
        for (int i = 0; i <= static_cast<int>(ElementType::f64); ++i) {
            const auto type = static_cast<ElementType>(i);
            if (name_of(type) != descr.substr(1)) continue;
            swap = order == '>' && size_of(type) > 1;
            return type;
        }
    }
    throw std::runtime_error(fmt::format("{}: element type '{}' is not supported; save the array as float32, float64, "
                                         "float16, int64, int32, int16, int8, uint8 or bool",
                                         where, descr.substr(0, 40)));
}

void swap_bytes(Array &array) {
    const std::size_t width = size_of(array.type);
    for (std::size_t at = 0; at + width <= array.bytes.size(); at += width)
        std::reverse(array.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                     array.bytes.begin() + static_cast<std::ptrdiff_t>(at + width));
}

/// Fortran order (first axis fastest) to row-major.
void reorder(Array &array) {
    const std::size_t rank = array.shape.size();
    if (rank < 2) return;
    const std::size_t width = size_of(array.type);
    std::vector<std::byte> ordered(array.bytes.size());
    std::vector<std::int64_t> index(rank, 0);
    const std::int64_t total = array.elements();
    for (std::int64_t out = 0; out < total; ++out) {
        std::int64_t in = 0;
        for (std::size_t axis = rank; axis-- > 0;) in = in * array.shape[axis] + index[axis];
        std::memcpy(ordered.data() + static_cast<std::size_t>(out) * width,
                    array.bytes.data() + static_cast<std::size_t>(in) * width, width);
        for (std::size_t axis = rank; axis-- > 0;) {
            if (++index[axis] < array.shape[axis]) break;
            index[axis] = 0;
        }
    }
    array.bytes = std::move(ordered);
}

/// Everything before the data: magic, version and header.
std::vector<std::byte> preamble(const std::string &descr, std::span<const std::int64_t> sizes) {
    std::string shape;
    for (const std::int64_t size : sizes) shape += fmt::format("{}, ", size);
    if (sizes.size() > 1)
        shape.resize(shape.size() - 2);
    else if (sizes.size() == 1)
        shape.pop_back();
    std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
    // Data starts at a multiple of 64 bytes, as NumPy aligns it.
    const std::size_t unpadded = 10 + header.size() + 1;
    header.append((64 - unpadded % 64) % 64, ' ');
    header += '\n';

    std::string image(magic);
    image += '\x01';
    image += '\x00';
    image += static_cast<char>(header.size() & 0xff);
    image += static_cast<char>(header.size() >> 8);
    image += header;
    std::vector<std::byte> bytes(image.size());
    std::memcpy(bytes.data(), image.data(), image.size());
    return bytes;
}

} // namespace

Array parse_npy(std::span<const std::byte> bytes, const std::string &where) {
    const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
    if (bytes.size() < 10 || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
        throw std::runtime_error(fmt::format("{}: not a .npy array (its first bytes are not \\x93NUMPY)", where));
    const std::uint32_t version = byte(6);
    if (version < 1 || version > 3)
        throw std::runtime_error(fmt::format("{}: .npy version {} is not supported (1, 2 and 3 are)", where, version));
    const std::size_t prefix = version == 1 ? 10 : 12;
    std::size_t length = byte(8) | byte(9) << 8;
    if (version > 1) {
        if (bytes.size() < prefix) throw std::runtime_error(fmt::format("{}: the .npy header is cut short", where));
        length |= static_cast<std::size_t>(byte(10)) << 16 | static_cast<std::size_t>(byte(11)) << 24;
    }
    if (length > bytes.size() - prefix)
        throw std::runtime_error(fmt::format("{}: the .npy header is cut short", where));

    HeaderParser header({reinterpret_cast<const char *>(bytes.data()) + prefix, length}, where);
    header.parse();
    Array array;
    bool swap = false;
    array.type = element_type(*header.descr, where, swap);
    array.shape = *header.shape;
    std::int64_t elements = 1;
    for (std::int64_t size : array.shape) {
        if (size != 0 && elements > most_elements / size)
            throw std::runtime_error(fmt::format("{}: the .npy header is damaged (absurd shape)", where));
        elements *= size;
    }
    const auto payload = bytes.subspan(prefix + length);
    const std::size_t wanted = static_cast<std::size_t>(elements) * size_of(array.type);
    if (payload.size() != wanted)
        throw std::runtime_error(
            fmt::format("{}: holds {} bytes of data where its header announces {}", where, payload.size(), wanted));
    array.bytes.assign(payload.begin(), payload.end());
    if (swap) swap_bytes(array);
    if (*header.fortran) reorder(array);
    return array;
}

Array read_npy(const std::filesystem::path &file) { return parse_npy(read_file(file), file.string()); }

std::vector<std::byte> npy_image(const ops::TensorView &tensor) {
    const char *descr = "<f4";
    switch (tensor.dtype) {
    case ops::DType::fp16: descr = "<f2"; break;
    case ops::DType::fp32:
    case ops::DType::bf16: break;
    case ops::DType::fp64: descr = "<f8"; break;
    case ops::DType::int64: descr = "<i8"; break;
    case ops::DType::boolean: descr = "|b1"; break;
    }
    std::vector<std::byte> bytes = preamble(descr, tensor.shape.sizes());
    const std::size_t first = bytes.size();
    const auto count = static_cast<std::size_t>(tensor.shape.elements());
    const bool widen = tensor.dtype == ops::DType::bf16;
    bytes.resize(first + (widen ? count * sizeof(float) : tensor.bytes()));
    if (widen) {
        std::vector<float> values(count);
        number::widen_array(tensor.as<const std::uint16_t>(), count, number::FormatId::bf16, values.data());
        std::memcpy(bytes.data() + first, values.data(), count * sizeof(float));
    } else if (count > 0) {
        std::memcpy(bytes.data() + first, tensor.data, tensor.bytes());
    }
    return bytes;
}

std::vector<std::byte> npy_image(const Array &array) {
    const char *order = size_of(array.type) == 1 ? "|" : "<";
    std::vector<std::byte> bytes = preamble(order + std::string(name_of(array.type)), array.shape);
    bytes.insert(bytes.end(), array.bytes.begin(), array.bytes.end());
    return bytes;
}

void write_npy(const std::filesystem::path &file, const ops::TensorView &tensor) {
    write_file(file, npy_image(tensor));
}

void write_npy(const std::filesystem::path &file, const Array &array) { write_file(file, npy_image(array)); }

} // namespace halfscope::data
