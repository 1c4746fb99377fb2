#include "tests/kernels/simt/warpgroup_product.h"

#include "emulation/number/tensor_core.h"
#include "tests/kernels/simt/asynchronous.h"
#include "tests/kernels/simt/operand_line.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>

namespace simt {
namespace {

using halfscope::number::FormatId;

constexpr int unit_k = 16, warp_rows = 16;

struct Shape {
    int columns;
    FormatId operands, accumulator;
};

std::optional<Shape> shape_of(const std::string &name) {
    const std::string head = "wgmma.mma_async.sync.aligned.m64n";
    if (!name.starts_with(head)) return std::nullopt;
    int columns = 0;
    const char *const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + head.size(), end, columns);
    static const std::map<std::string, std::pair<FormatId, FormatId>> types = {
        {"k16.f32.f16.f16", {FormatId::fp16, FormatId::fp32}},
        {"k16.f16.f16.f16", {FormatId::fp16, FormatId::fp16}},
        {"k16.f32.bf16.bf16", {FormatId::bf16, FormatId::fp32}}};
    const auto type = types.find(std::string(rest, end));
    if (error != std::errc() || type == types.end() || columns % 8 != 0 || columns < 8 || columns > 256)
        return std::nullopt;
    return Shape{columns, type->second.first, type->second.second};
}

/// A matrix of 16-bit elements behind a descriptor: `line` is a row of a or a column of b.
class Described {
  public:
    Described(std::uint64_t descriptor, bool transposed)
        : start_(bytes(descriptor)),
          leading_(bytes(descriptor >> 16)),
          stride_(bytes(descriptor >> 32)),
          transposed_(transposed) {
        constexpr std::array<std::uint32_t, 4> spans = {16, 128, 64, 32}; // by the swizzling mode
        span_ = spans[descriptor >> 62];
        if ((descriptor >> 49 & 7) != 0) throw std::runtime_error("wgmma: a base offset is not modelled here");
    }

    [[nodiscard]] std::uint32_t at(int line, int k) const {
        const std::uint32_t address = swizzled(start_ + (transposed_ ? of_lines(line, k) : of_k(line, k)));
        require_shown(address);
        std::uint16_t bits = 0;
        std::memcpy(&bits, shared_memory() + address, sizeof bits);
        return bits;
    }

  private:
    static std::uint32_t bytes(std::uint64_t field) { return static_cast<std::uint32_t>(field & 0x3fff) * 16; }

    /// k side by side: eight lines make a matrix of 8 rows, a span apart; the next eight are a stride away. Eight of k
    /// fill 16 bytes; the next eight follow in the span, or, where it is no longer, lie a leading offset away.
    [[nodiscard]] std::uint32_t of_k(int line, int k) const {
        const auto l = static_cast<std::uint32_t>(line), at = static_cast<std::uint32_t>(k);
        return l % 8 * span_ + l / 8 * stride_ + at / 8 * (span_ == 16 ? leading_ : 16) + at % 8 * 2;
    }
    /// Lines side by side, a span of them; eight of k are a span apart each. What comes next along the lines, and after
    /// eight of k: leading and stride, and without swizzling stride and leading.
    [[nodiscard]] std::uint32_t of_lines(int line, int k) const {
        const auto l = static_cast<std::uint32_t>(line), at = static_cast<std::uint32_t>(k), lines = span_ / 2;
        const std::uint32_t next_lines = span_ == 16 ? stride_ : leading_, next_k = span_ == 16 ? leading_ : stride_;
        return l % lines * 2 + l / lines * next_lines + at % 8 * span_ + at / 8 * next_k;
    }
    /// The 16-byte chunk's number within the span, exclusive or the address' bits from 7 on.
    [[nodiscard]] std::uint32_t swizzled(std::uint32_t address) const {
        return address ^ ((address >> 7 & (span_ / 16 - 1)) << 4);
    }

    std::uint32_t start_, leading_, stride_, span_ = 0;
    bool transposed_;
};

/// Value i of a lane: where it is in the warp's 16 rows.
struct Place {
    int row, column;
    Place(int lane, int i) : row(lane / 4 + ((i & 2) != 0 ? 8 : 0)), column((i >> 2) * 8 + lane % 4 * 2 + (i & 1)) {}
};

} // namespace

bool is_warpgroup_product(const std::string &name) { return shape_of(name).has_value(); }

void multiply_for_warp(const WarpgroupProduct &product, int warp) {
    if (device().major != 9) throw std::runtime_error("wgmma is an instruction of compute capability 9.0");
    const Shape shape = *shape_of(product.name); // NOLINT: asked before
    const bool narrow = shape.accumulator == FormatId::fp16;
    const Described left(product.a, product.a_transposed), right(product.b, product.b_transposed);
    const auto *const unit =
        std::find_if(halfscope::number::tensor_cores.begin(), halfscope::number::tensor_cores.end(),
                     [](const auto &core) { return core.name == "hopper"; });
    std::array<std::array<std::uint32_t, unit_k>, warp_rows> a{};
    std::vector<std::array<std::uint32_t, unit_k>> b(static_cast<std::size_t>(shape.columns));
    for (int k = 0; k < unit_k; ++k) {
        const auto at = static_cast<std::size_t>(k);
        for (int row = 0; row < warp_rows; ++row)
            a[static_cast<std::size_t>(row)][at] = left.at(warp % 4 * warp_rows + row, k);
        for (int column = 0; column < shape.columns; ++column)
            b[static_cast<std::size_t>(column)][at] = right.at(column, k);
    }
    std::vector<OperandLine> in_a, in_b;
    for (const auto &row : a) in_a.emplace_back(row, shape.operands);
    for (const auto &column : b) in_b.emplace_back(column, shape.operands);
    for (int lane = 0; lane < warp_size; ++lane) {
        const std::vector<Register> &registers = product.lanes[static_cast<std::size_t>(lane)];
        for (int i = 0; i < shape.columns / 2; ++i) {
            const Place place(lane, i);
            const Register &mine = registers.at(static_cast<std::size_t>(narrow ? i / 2 : i));
            const std::uint32_t whole = mine.read(), shift = narrow ? 16 * (static_cast<std::uint32_t>(i) & 1) : 0;
            const std::uint32_t c = narrow ? whole >> shift & 0xffff : whole;
            if (is_nothing(in_a[static_cast<std::size_t>(place.row)], in_b[static_cast<std::size_t>(place.column)], c))
                continue;
            const auto d = static_cast<std::uint32_t>(halfscope::number::fused_dot_add(
                *unit, halfscope::number::format_of(shape.operands), a[static_cast<std::size_t>(place.row)],
                b[static_cast<std::size_t>(place.column)], halfscope::number::format_of(shape.accumulator), c));
            mine.write(narrow ? (whole & ~(0xffffu << shift)) | d << shift : d);
        }
    }
}

} // namespace simt
