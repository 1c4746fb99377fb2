// An array as a file holds it: element type, shape, dense row-major little-endian bytes. Readers make it, data sets
// convert it to what the graph wants.
#pragma once

#include "emulation/ops/tensor.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace halfscope::data {

enum class ElementType : std::uint8_t { boolean, i8, i16, i32, i64, u8, u16, u32, f16, f32, f64 };

[[nodiscard]] constexpr std::size_t size_of(ElementType type) {
    switch (type) {
    case ElementType::boolean:
    case ElementType::i8:
    case ElementType::u8: return 1;
    case ElementType::i16:
    case ElementType::u16:
    case ElementType::f16: return 2;
    case ElementType::i32:
    case ElementType::u32:
    case ElementType::f32: return 4;
    case ElementType::i64:
    case ElementType::f64: return 8;
    }
    return 0;
}
[[nodiscard]] constexpr bool is_floating(ElementType type) { return type >= ElementType::f16; }
/// "f4", "i8", "b1": NumPy's name without byte order.
[[nodiscard]] std::string_view name_of(ElementType type);

struct Array {
    ElementType type = ElementType::f32;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes; ///< product(shape) * size_of(type), in the machine's byte order

    /// Product of the shape; 1 for a scalar.
    [[nodiscard]] std::int64_t elements() const;
    /// Element `index` in row-major order; exact (every type but i64 fits a double, i64 is rounded).
    [[nodiscard]] double number_at(std::int64_t index) const;
    /// Element `index` as an integer; floating values are truncated toward zero (saturated; NaN is 0).
    [[nodiscard]] std::int64_t integer_at(std::int64_t index) const;
};

/// Converts elements [first, first + count) of `source` into `destination` elements of `dtype` (fp32, fp64, fp16 and
/// bf16 rounded to nearest even, int64, boolean).
void convert(const Array &source, std::int64_t first, std::int64_t count, ops::DType dtype, void *destination);

} // namespace halfscope::data
