#include "kernels/inputs/elementwise_cases.h"

#include "emulation/number/arithmetic.h"
#include "emulation/number/conversion.h"
#include "kernels/inputs/draw.h"

#include <stdexcept>

namespace halfscope::kernels {
namespace {

using number::Format;

std::uint32_t word(std::uint64_t bits) { return static_cast<std::uint32_t>(bits); }

/// Around every value of `to` and every midpoint between neighbours: the nearest values of `from`.
void add_rounding_boundaries(const Format &from, const Format &to, std::vector<std::uint32_t> &out) {
    const auto widened = [&](std::uint64_t bits) { return word(number::convert(to, bits, from).bits); };
    const auto infinite = static_cast<std::uint32_t>(number::infinity(to, false));
    for (std::uint32_t code = 0; code < infinite; ++code) {
        const std::uint32_t low = widened(code), high = widened(code + 1);
        // Beyond the largest finite value the midpoint is half a step above it.
        const std::uint32_t step = code + 1 < infinite ? high - low : low - widened(code - 1);
        const std::uint32_t middle = low + step / 2;
        for (const std::uint32_t place : {low, middle})
            for (const std::uint32_t x : {place - 1, place, place + 1}) {
                if (place == 0 && x != 0 && x != 1) continue;
                out.push_back(x);
                out.push_back(x | 0x80000000u);
            }
    }
}

void add_every_exponent(const Format &f, Draw &draw, std::vector<std::uint32_t> &out) {
    for (std::uint64_t exponent = 0; exponent <= number::ones(f.exponent_bits); ++exponent)
        for (const bool negative : {false, true}) {
            for (const std::uint64_t fraction : {std::uint64_t{0}, std::uint64_t{1}, number::ones(f.precision - 1)})
                out.push_back(word(number::encode(f, negative, exponent, fraction)));
            for (int i = 0; i < 4; ++i)
                out.push_back(word(number::encode(f, negative, exponent, draw.word() & number::ones(f.precision - 1))));
        }
}

void add_nan_payloads(const Format &f, std::vector<std::uint32_t> &out) {
    for (const bool negative : {false, true})
        for (int bit = 0; bit < f.precision - 1; ++bit)
            for (const std::uint64_t payload : {std::uint64_t{1} << bit, number::ones(bit + 1)})
                out.push_back(word(number::encode(f, negative, number::ones(f.exponent_bits), payload)));
}

ElementwiseCases conversion_cases(const Format &from, const Format &to, std::size_t elements, Draw &draw) {
    std::vector<std::uint32_t> x;
    if (from.storage_bits == 16) {
        for (std::uint32_t code = 0; code < 65536; ++code) x.push_back(code);
        return {x};
    }
    if (to.storage_bits == 16) add_rounding_boundaries(from, to, x);
    add_every_exponent(from, draw, x);
    add_nan_payloads(from, x);
    while (x.size() < elements)
        x.push_back(draw.coin() ? draw.pattern(from) : draw.normal(from, to.emin - to.precision - 2, to.emax + 1));
    return {x};
}

/// Operands of which at least one result is interesting by construction.
struct CaseWriter {
    ElementwiseCases cases;
    void add(std::initializer_list<std::uint32_t> operands) {
        std::size_t i = 0;
        for (const std::uint32_t bits : operands)
            if (i < cases.size()) cases[i++].push_back(bits);
    }
};

std::uint32_t nudged(const Format &f, std::uint32_t bits, Draw &draw) {
    const auto magnitude = static_cast<std::int64_t>(bits & number::ones(f.storage_bits - 1));
    const std::int64_t step = std::int64_t{draw.between(-2, 2)} << f.padding_bits();
    const std::int64_t moved = magnitude + step;
    const bool fits = moved >= 0 && moved < static_cast<std::int64_t>(number::infinity(f, false));
    return word((bits & number::sign_bit(f, true)) | static_cast<std::uint64_t>(fits ? moved : magnitude));
}

std::uint32_t negated(const Format &f, std::uint32_t bits) { return bits ^ word(number::sign_bit(f, true)); }

ElementwiseCases unary_cases(const Format &f, std::size_t elements, Draw &draw) {
    std::vector<std::uint32_t> x;
    add_every_exponent(f, draw, x);
    add_nan_payloads(f, x);
    while (x.size() < elements) x.push_back(draw.pattern(f));
    return {x};
}

ElementwiseCases binary_cases(const Format &f, std::size_t elements, Draw &draw) {
    CaseWriter out{ElementwiseCases(2)};
    const std::vector<std::uint32_t> specials = special_values(f);
    for (const std::uint32_t x : specials)
        for (const std::uint32_t y : specials) out.add({x, y});
    for (int i = f.emin; i <= f.emax; ++i)
        for (int j = f.emin; j <= f.emax; ++j) out.add({draw.normal(f, i, i), draw.normal(f, j, j)});
    while (out.cases[0].size() < elements) {
        const std::uint32_t x = draw.normal(f, f.emin, f.emax);
        switch (draw.below(5)) {
        case 0: out.add({x, negated(f, nudged(f, x, draw))}); break; // nearly cancels; quotient about one
        case 1: {                                                    // the sum's rounding is decided by y's tail
            const int e = number::unpack(f, x).exponent + f.precision - 1;
            out.add({x, draw.normal(f, e - f.precision - 1, e)});
            break;
        }
        case 2: { // product and quotient about the smallest normal
            const int e = number::unpack(f, x).exponent + f.precision - 1;
            const std::uint32_t y = draw.normal(f, f.emin - e - 2, f.emin - e + 1);
            out.add({x, y});
            out.add({draw.subnormal(f), y});
            break;
        }
        case 3: { // about the largest finite value
            const int e = number::unpack(f, x).exponent + f.precision - 1;
            out.add({x, draw.normal(f, f.emax - e - 1, f.emax - e + 1)});
            break;
        }
        default: out.add({draw.pattern(f), draw.pattern(f)}); break;
        }
    }
    return out.cases;
}

ElementwiseCases ternary_cases(const Format &f, std::size_t elements, Draw &draw) {
    CaseWriter out{ElementwiseCases(3)};
    const std::vector<std::uint32_t> specials = special_values(f);
    for (const std::uint32_t x : specials)
        for (const std::uint32_t y : specials)
            for (const std::uint32_t z : specials) out.add({x, y, z});
    while (out.cases[0].size() < elements) {
        const std::uint32_t x = draw.normal(f, f.emin / 2, f.emax / 2), y = draw.normal(f, f.emin / 2, f.emax / 2);
        const std::uint32_t product = word(number::multiply(f, x, y).bits);
        const int e = number::unpack(f, product).exponent + f.precision - 1;
        switch (draw.below(4)) {
        case 0: out.add({x, y, negated(f, nudged(f, product, draw))}); break; // what is left is the product's tail
        case 1: out.add({x, y, draw.normal(f, e - 2 * f.precision - 1, e + f.precision + 1)}); break;
        case 2: // the product is below the range, or about its end
            out.add({draw.normal(f, f.emin, 0), draw.normal(f, f.emin, 0), draw.subnormal(f)});
            break;
        default: out.add({draw.pattern(f), draw.pattern(f), draw.pattern(f)}); break;
        }
    }
    return out.cases;
}

} // namespace

std::vector<std::uint32_t> special_values(const Format &f) {
    const std::uint64_t top = number::ones(f.precision - 1), quiet = std::uint64_t{1} << (f.precision - 2);
    const auto bias = static_cast<std::uint64_t>(f.bias()), end = number::ones(f.exponent_bits);
    std::vector<std::uint32_t> values;
    for (const bool negative : {false, true}) {
        const auto add = [&](std::uint64_t exponent, std::uint64_t fraction) {
            values.push_back(word(number::encode(f, negative, exponent, fraction)));
        };
        for (const std::uint64_t fraction : {std::uint64_t{0}, std::uint64_t{1}, top / 2 + 1, top}) add(0, fraction);
        for (const std::uint64_t fraction : {std::uint64_t{0}, std::uint64_t{1}, top}) add(1, fraction);
        add(bias - 1, top);
        for (const std::uint64_t fraction : {std::uint64_t{0}, std::uint64_t{1}, top / 2 + 1}) add(bias, fraction);
        add(bias + 1, 0);
        add(bias + static_cast<std::uint64_t>(f.precision) - 1, 0); // spacing one above
        add(bias + static_cast<std::uint64_t>(f.precision), 1);
        for (const std::uint64_t fraction : {std::uint64_t{0}, top - 1, top}) add(end - 1, fraction);
        for (const std::uint64_t fraction : {std::uint64_t{0}, quiet, quiet | 1, std::uint64_t{1}, quiet - 1, top})
            add(end, fraction);
    }
    return values;
}

ElementwiseCases elementwise_cases(Task task, const Format &operands, const Format &result, std::size_t elements,
                                   std::uint64_t seed) {
    Draw draw(seed, static_cast<std::uint32_t>(task));
    switch (task) {
    case Task::convert: return conversion_cases(operands, result, elements, draw);
    case Task::square_root: return unary_cases(operands, elements, draw);
    case Task::add:
    case Task::subtract:
    case Task::multiply:
    case Task::divide: return binary_cases(operands, elements, draw);
    case Task::fused_multiply_add: return ternary_cases(operands, elements, draw);
    default: break;
    }
    throw std::invalid_argument(std::string(name_of(task)) + " is not elementwise");
}

} // namespace halfscope::kernels
