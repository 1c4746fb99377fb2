#include "emulation/data/array.h"

#include "emulation/number/round_array.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace halfscope::data {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are kept in little-endian order");

template <typename T> T read(const Array &array, std::int64_t index) {
    T value;
    std::memcpy(&value, array.bytes.data() + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
    return value;
}

/// Calls use(value) with the element in its own C++ type (f16 as float).
template <typename Use> auto with_element(const Array &array, std::int64_t index, Use use) {
    switch (array.type) {
    case ElementType::boolean: return use(static_cast<std::uint8_t>(read<std::uint8_t>(array, index) != 0));
    case ElementType::i8: return use(read<std::int8_t>(array, index));
    case ElementType::i16: return use(read<std::int16_t>(array, index));
    case ElementType::i32: return use(read<std::int32_t>(array, index));
    case ElementType::i64: return use(read<std::int64_t>(array, index));
    case ElementType::u8: return use(read<std::uint8_t>(array, index));
    case ElementType::u16: return use(read<std::uint16_t>(array, index));
    case ElementType::u32: return use(read<std::uint32_t>(array, index));
    case ElementType::f16: return use(number::widen_16bit(read<std::uint16_t>(array, index), number::FormatId::fp16));
    case ElementType::f32: return use(read<float>(array, index));
    case ElementType::f64: break;
    }
    return use(read<double>(array, index));
}

std::int64_t truncate(double value) {
    if (std::isnan(value)) return 0;
    // 2^63 is exact in double; anything at or beyond it saturates instead of being undefined.
    constexpr double limit = 9223372036854775808.0;
    if (value >= limit) return std::numeric_limits<std::int64_t>::max();
    if (value < -limit) return std::numeric_limits<std::int64_t>::min();
    return static_cast<std::int64_t>(value);
}

} // namespace

std::string_view name_of(ElementType type) {
    constexpr std::string_view names[] = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "f2", "f4", "f8"};
    return names[static_cast<std::size_t>(type)];
}

std::int64_t Array::elements() const {
    std::int64_t product = 1;
    for (std::int64_t size : shape) product *= size;
    return product;
}

double Array::number_at(std::int64_t index) const {
    return with_element(*this, index, [](auto value) { return static_cast<double>(value); });
}

std::int64_t Array::integer_at(std::int64_t index) const {
    return with_element(*this, index, [](auto value) {
        if constexpr (std::is_floating_point_v<decltype(value)>)
            return truncate(static_cast<double>(value));
        else
            return static_cast<std::int64_t>(value);
    });
}

void convert(const Array &source, std::int64_t first, std::int64_t count, ops::DType dtype, void *destination) {
    const auto n = static_cast<std::size_t>(count);
    switch (dtype) {
    case ops::DType::fp32:
        if (source.type == ElementType::f32) {
            std::memcpy(destination, source.bytes.data() + static_cast<std::size_t>(first) * sizeof(float),
                        n * sizeof(float));
            return;
        }
        for (std::size_t i = 0; i < n; ++i)
            static_cast<float *>(destination)[i] =
                static_cast<float>(source.number_at(first + static_cast<std::int64_t>(i)));
        return;
    case ops::DType::fp64:
        for (std::size_t i = 0; i < n; ++i)
            static_cast<double *>(destination)[i] = source.number_at(first + static_cast<std::int64_t>(i));
        return;
    case ops::DType::fp16:
    case ops::DType::bf16:
        for (std::size_t i = 0; i < n; ++i)
            static_cast<std::uint16_t *>(destination)[i] = number::round_to_16bit(
                static_cast<float>(source.number_at(first + static_cast<std::int64_t>(i))), ops::format_id(dtype));
        return;
    case ops::DType::int64:
        for (std::size_t i = 0; i < n; ++i)
            static_cast<std::int64_t *>(destination)[i] = source.integer_at(first + static_cast<std::int64_t>(i));
        return;
    case ops::DType::boolean:
        for (std::size_t i = 0; i < n; ++i)
            static_cast<std::uint8_t *>(destination)[i] =
                source.number_at(first + static_cast<std::int64_t>(i)) != 0.0 ? 1 : 0;
        return;
    }
}

} // namespace halfscope::data
