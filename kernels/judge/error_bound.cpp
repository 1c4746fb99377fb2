#include "kernels/judge/error_bound.h"

#include "emulation/number/tensor_core.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace halfscope::kernels::judge {
namespace {

double unit_roundoff(const number::Format &f) { return std::ldexp(1.0, -f.precision); }
double smallest_subnormal(const number::Format &f) { return std::ldexp(1.0, f.emin - f.precision + 1); }
double largest_finite(const number::Format &f) { return std::ldexp(2.0 - std::ldexp(1.0, 1 - f.precision), f.emax); }

constexpr std::string_view narrow_suffix = "-fp16acc";

/// The matrix unit of a model's name, with or without fp16 accumulation; null when it is none.
const number::TensorCore *tensor_core_named(std::string_view model) {
    if (model.ends_with(narrow_suffix)) model.remove_suffix(narrow_suffix.size());
    for (const number::TensorCore &core : number::tensor_cores)
        if (core.name == model) return &core;
    return nullptr;
}

} // namespace

double compounded(double u, double n) { return std::expm1(n * std::log1p(u)); }

double overflow_threshold(number::FormatId format) {
    const number::Format &f = number::format_of(format);
    return largest_finite(f) + std::ldexp(unit_roundoff(f), f.emax);
}

Arithmetic arithmetic_in(number::FormatId format) {
    const number::Format &f = number::format_of(format);
    Arithmetic arithmetic;
    arithmetic.name = fmt::format("{} additions", f.name);
    arithmetic.rounding = unit_roundoff(f);
    arithmetic.smallest = smallest_subnormal(f) / 2;
    arithmetic.largest = overflow_threshold(format);
    if (format == number::FormatId::fp16 || format == number::FormatId::bf16) {
        // Made in fp32 and then rounded: two roundings a step.
        const double fp32 = unit_roundoff(number::format_of(number::FormatId::fp32));
        arithmetic.rounding = arithmetic.rounding + fp32 + arithmetic.rounding * fp32;
    }
    return arithmetic;
}

Arithmetic arithmetic_of(ops::Accumulation model, number::FormatId operands) {
    const std::string name(ops::name_of(model));
    Arithmetic arithmetic;
    if (const number::TensorCore *core = tensor_core_named(name)) {
        const bool narrow = name.ends_with(narrow_suffix);
        const number::Format &accumulator = number::format_of(narrow ? number::FormatId::fp16 : number::FormatId::fp32);
        arithmetic.block = operands == number::FormatId::tf32 ? core->block_tf32 : core->block;
        arithmetic.cut = std::ldexp(1.0, -core->fraction_bits);
        // fp16 to nearest: half an ulp; fp32 truncated: an ulp.
        arithmetic.rounding = unit_roundoff(accumulator) * (narrow ? 1 : 2);
        arithmetic.smallest = smallest_subnormal(accumulator) / (narrow ? 2 : 1);
        arithmetic.floor = std::ldexp(1.0, accumulator.emin);
        arithmetic.largest = narrow ? overflow_threshold(accumulator.id) : std::ldexp(1.0, accumulator.emax + 1);
        if (arithmetic.block == 0)
            throw std::invalid_argument(fmt::format("{} takes no {} operands", name, number::format_of(operands).name));
    } else if (model == ops::Accumulation::fp16_fma_chain) {
        arithmetic = arithmetic_in(number::FormatId::fp16);
    } else if (model == ops::Accumulation::bf16_fma_chain) {
        arithmetic = arithmetic_in(number::FormatId::bf16);
    } else {
        arithmetic =
            arithmetic_in(operands == number::FormatId::fp64 ? number::FormatId::fp64 : number::FormatId::fp32);
        arithmetic.flushes = model == ops::Accumulation::cpu_avx512bf16;
        if (arithmetic.flushes) arithmetic.smallest = std::ldexp(1.0, number::format_of(number::FormatId::fp32).emin);
    }
    arithmetic.name = name;
    return arithmetic;
}

ErrorBound dot_product_bound(const Arithmetic &a, std::int64_t k, bool with_c) {
    ErrorBound bound;
    if (a.cut == 0) {
        const double n = static_cast<double>(k + (with_c ? 1 : 0));
        bound.relative = compounded(a.rounding, n);
        bound.absolute = static_cast<double>(k) * a.smallest * (1 + bound.relative);
        bound.derivation =
            fmt::format("{}: {:.0f} roundings of {:.3g} above each product, in any order", a.name, n, a.rounding);
        return bound;
    }
    const double blocks = std::ceil(static_cast<double>(k) / static_cast<double>(a.block));
    const double joins = blocks - (with_c ? 0 : 1);
    const double growth = 1 + compounded(a.rounding, 2 * blocks);
    const double per_block = static_cast<double>(a.block + 1) * a.cut + a.rounding;
    bound.relative = (blocks * per_block + std::max(0.0, joins) * a.rounding) * growth;
    bound.absolute = blocks * (2 * a.smallest + static_cast<double>(a.block + 1) * a.cut * a.floor) * growth;
    bound.derivation = fmt::format("{}: {:.0f} blocks of {} products, {} terms each cut by {:.3g} of the largest, then "
                                   "rounded by {:.3g}; {:.0f} additions of partial sums; in any order",
                                   a.name, blocks, a.block, a.block + 1, a.cut, a.rounding, std::max(0.0, joins));
    return bound;
}

ErrorBound sum_bound(const Arithmetic &a, std::int64_t n) {
    ErrorBound bound;
    const double additions = std::max(0.0, static_cast<double>(n - 1));
    bound.relative = compounded(a.rounding, additions);
    bound.derivation = fmt::format("{}: {:.0f} roundings of {:.3g}, in any order", a.name, additions, a.rounding);
    return bound;
}

ErrorBound rounding_bound(number::FormatId result, bool to_nearest) {
    const number::Format &f = number::format_of(result);
    const double ulps = to_nearest ? 0.5 : 1;
    return {2 * ulps * unit_roundoff(f), ulps * smallest_subnormal(f),
            fmt::format("one rounding to {}, {} ulp", f.name, ulps)};
}

const ErrorBound &looser(const ErrorBound &a, const ErrorBound &b) { return a.relative >= b.relative ? a : b; }

} // namespace halfscope::kernels::judge
