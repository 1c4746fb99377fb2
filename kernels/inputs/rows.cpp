#include "kernels/inputs/rows.h"

#include "emulation/number/conversion.h"

#include <algorithm>
#include <bit>

namespace halfscope::kernels {
namespace {

std::uint32_t rounded(const number::Format &f, float value) {
    const auto &fp32 = number::format_of(number::FormatId::fp32);
    return static_cast<std::uint32_t>(number::convert(fp32, std::bit_cast<std::uint32_t>(value), f).bits);
}

std::uint32_t negated(const number::Format &f, std::uint32_t bits) {
    return bits ^ static_cast<std::uint32_t>(number::sign_bit(f, true));
}

/// Every pattern up to an exponent equally likely.
std::uint32_t finite(const number::Format &f, int highest, Draw &draw) {
    return draw.below(static_cast<std::uint32_t>(highest - f.emin + 2)) == 0 ? draw.subnormal(f)
                                                                             : draw.normal(f, f.emin, highest);
}

} // namespace

void fill_row(RowKind kind, const number::Format &f, int highest, Draw &draw, std::span<std::uint32_t> row) {
    highest = std::min(highest, f.emax);
    const auto fill = [&](auto &&value) {
        for (std::uint32_t &element : row) element = value();
    };
    const auto somewhere = [&]() -> std::uint32_t & { return row[draw.below(static_cast<std::uint32_t>(row.size()))]; };
    const auto ordinary = [&] { return rounded(f, draw.bell(0)); };
    if (row.empty()) return;
    switch (kind) {
    case RowKind::ordinary: return fill(ordinary);
    case RowKind::positive: return fill([&] { return rounded(f, std::abs(draw.bell(0))); });
    case RowKind::same: std::fill(row.begin(), row.end(), ordinary()); return;
    case RowKind::any_exponent: return fill([&] { return finite(f, highest, draw); });
    case RowKind::cancelling: {
        fill([&] { return draw.normal(f, std::min(-6, highest - 1), std::min(6, highest)); });
        for (std::size_t i = 0; i + 1 < row.size(); i += 2) {
            row[i + 1] = negated(f, row[i]);
            if (draw.below(8) == 0) row[i + 1] ^= 1u << f.padding_bits(); // all but the last place cancels
        }
        for (std::size_t i = row.size(); i > 1; --i)
            std::swap(row[i - 1], row[draw.below(static_cast<std::uint32_t>(i))]);
        return;
    }
    case RowKind::giant:
        fill(ordinary);
        somewhere() = draw.normal(f, std::min(20, highest - 1), std::min(21, highest));
        return;
    case RowKind::ties:
        // 1, and halves of the last place of 1 in fp32 and in this format, so that partial sums land on midpoints.
        return fill([&] {
            constexpr int fp32_half_place = -24;
            const int steps[] = {0, 0, 1, -f.precision, 1 - f.precision, fp32_half_place / 2};
            const int biased = std::max(steps[draw.below(6)], f.emin) + f.bias();
            return static_cast<std::uint32_t>(number::encode(f, draw.coin(), static_cast<std::uint64_t>(biased), 0));
        });
    case RowKind::subnormal:
        return fill([&] { return draw.below(8) == 0 ? draw.normal(f, f.emin, f.emin + 2) : draw.subnormal(f); });
    case RowKind::zeros: return fill([&] { return static_cast<std::uint32_t>(number::zero(f, draw.coin())); });
    case RowKind::largest:
        return fill([&] {
            return draw.below(4) == 0 && highest == f.emax
                       ? static_cast<std::uint32_t>(number::max_finite(f, draw.coin()))
                       : draw.normal(f, highest - 1, highest);
        });
    case RowKind::infinite:
        fill(ordinary);
        somewhere() = static_cast<std::uint32_t>(number::infinity(f, draw.coin()));
        if (draw.coin()) somewhere() = static_cast<std::uint32_t>(number::infinity(f, draw.coin()));
        return;
    case RowKind::nan:
        fill(ordinary);
        somewhere() = static_cast<std::uint32_t>(number::encode(f, draw.coin(), number::ones(f.exponent_bits),
                                                                1 + draw.below((1u << (f.precision - 1)) - 1)));
        return;
    case RowKind::count: break;
    }
}

RowKind row_kind(std::size_t row) {
    constexpr RowKind turn[] = {
        RowKind::ordinary,   RowKind::positive, RowKind::any_exponent, RowKind::cancelling,
        RowKind::giant,      RowKind::ordinary, RowKind::ties,         RowKind::subnormal,
        RowKind::same,       RowKind::ordinary, RowKind::zeros,        RowKind::any_exponent,
        RowKind::cancelling, RowKind::largest,  RowKind::infinite,     RowKind::nan,
    };
    return turn[row % std::size(turn)];
}

} // namespace halfscope::kernels
