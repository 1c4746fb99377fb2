// Shapes, storage types and non-owning tensor views: what a backend operation reads and writes.
#pragma once

#include "emulation/number/format.h"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::ops {

/// Storage type of a tensor's elements, dense and row-major. 16-bit formats are stored in 16 bits.
/// fp64 exists for reference runs (gradient checks, exact anchors), never in a recipe.
enum class DType : std::uint8_t { fp32, fp16, bf16, fp64, int64, boolean };

[[nodiscard]] constexpr std::size_t size_of(DType dtype) {
    switch (dtype) {
    case DType::fp16:
    case DType::bf16: return 2;
    case DType::fp32: return 4;
    case DType::fp64:
    case DType::int64: return 8;
    case DType::boolean: return 1;
    }
    return 0;
}

[[nodiscard]] constexpr std::string_view name_of(DType dtype) {
    constexpr std::array<std::string_view, 6> names{"fp32", "fp16", "bf16", "fp64", "int64", "boolean"};
    return names[static_cast<std::size_t>(dtype)];
}

[[nodiscard]] constexpr bool is_floating(DType dtype) { return dtype != DType::int64 && dtype != DType::boolean; }
[[nodiscard]] constexpr bool is_16bit(DType dtype) { return dtype == DType::fp16 || dtype == DType::bf16; }

/// The number format of a floating storage type.
[[nodiscard]] constexpr number::FormatId format_id(DType dtype) {
    switch (dtype) {
    case DType::fp16: return number::FormatId::fp16;
    case DType::bf16: return number::FormatId::bf16;
    case DType::fp64: return number::FormatId::fp64;
    default: return number::FormatId::fp32;
    }
}

/// Sizes per axis, outermost first; rank 0 is a scalar. At most `max_rank` axes.
class Shape {
  public:
    static constexpr int max_rank = 8;

    Shape() = default;
    Shape(std::initializer_list<std::int64_t> sizes)
        : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}
    explicit Shape(std::span<const std::int64_t> sizes) {
        if (sizes.size() > max_rank) throw std::invalid_argument("a tensor may have at most 8 axes");
        for (std::int64_t size : sizes) sizes_[static_cast<std::size_t>(rank_++)] = size;
    }

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] std::int64_t operator[](int axis) const { return sizes_[static_cast<std::size_t>(axis)]; }
    std::int64_t &operator[](int axis) { return sizes_[static_cast<std::size_t>(axis)]; }
    [[nodiscard]] std::int64_t elements() const {
        std::int64_t product = 1;
        for (std::int64_t size : sizes()) product *= size;
        return product;
    }
    [[nodiscard]] std::span<const std::int64_t> sizes() const {
        return {sizes_.data(), static_cast<std::size_t>(rank_)};
    }
    void append(std::int64_t size) {
        if (rank_ == max_rank) throw std::invalid_argument("a tensor may have at most 8 axes");
        sizes_[static_cast<std::size_t>(rank_++)] = size;
    }
    friend bool operator==(const Shape &a, const Shape &b) {
        if (a.rank_ != b.rank_) return false;
        for (int axis = 0; axis < a.rank_; ++axis)
            if (a[axis] != b[axis]) return false;
        return true;
    }
    /// "[64, 3, 32, 32]"
    [[nodiscard]] std::string text() const {
        std::string out = "[";
        for (int axis = 0; axis < rank_; ++axis) out += (axis ? ", " : "") + std::to_string((*this)[axis]);
        return out + "]";
    }

  private:
    std::array<std::int64_t, max_rank> sizes_{};
    int rank_ = 0;
};

/// A dense row-major tensor that somebody else owns, in the memory of the backend that made it.
struct TensorView {
    void *data = nullptr;
    DType dtype = DType::fp32;
    Shape shape;

    [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(shape.elements()) * size_of(dtype); }
    template <typename T> [[nodiscard]] T *as() const { return static_cast<T *>(data); }
};

/// An owning tensor in host memory: initial weights, constants, batches, results brought back from a device.
struct HostTensor {
    DType dtype = DType::fp32;
    Shape shape;
    std::vector<std::byte> bytes; ///< shape.elements() * size_of(dtype)

    HostTensor() = default;
    HostTensor(DType type, const Shape &dims)
        : dtype(type), shape(dims), bytes(static_cast<std::size_t>(dims.elements()) * size_of(type)) {}
    template <typename T> [[nodiscard]] std::span<T> as() {
        assert(sizeof(T) == size_of(dtype));
        return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
    }
    template <typename T> [[nodiscard]] std::span<const T> as() const {
        assert(sizeof(T) == size_of(dtype));
        return {reinterpret_cast<const T *>(bytes.data()), bytes.size() / sizeof(T)};
    }
    [[nodiscard]] TensorView view() { return {bytes.data(), dtype, shape}; }
};

} // namespace halfscope::ops
