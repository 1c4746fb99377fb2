#include "kernels/reveal/evaluate_tree.h"

#include "emulation/number/arithmetic.h"
#include "emulation/number/conversion.h"
#include "emulation/number/tensor_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace halfscope::kernels::reveal {
namespace {

using number::FormatId;

/// A value of the accumulator's format, held in double: every format here is narrower, so double holds it exactly.
class Rounder {
  public:
    explicit Rounder(const Steps &steps)
        : format_(number::format_of(steps.accumulator)),
          smallest_(std::ldexp(1.0, format_.emin)),
          flush_(steps.flush_subnormals) {}

    /// A sum of two values of the format: double keeps at least 2p + 2 of its bits, so rounding twice is harmless
    /// (Figueroa, "When is double rounding innocuous?", SIGNUM 1995).
    [[nodiscard]] double operator()(double value) const {
        if (format_.id == FormatId::fp64) return value;
        double result = 0;
        if (format_.id == FormatId::fp32)
            result = static_cast<double>(static_cast<float>(value));
        else {
            const auto bits = number::convert(fp64(), std::bit_cast<std::uint64_t>(value), format_).bits;
            result = std::bit_cast<double>(number::convert(format_, bits, fp64()).bits);
        }
        return flushed(result);
    }
    /// product + sum with one rounding; the product is exact in double.
    [[nodiscard]] double fused(double product, double sum) const {
        if (format_.id == FormatId::fp64) return product + sum;
        // Rounded to odd in double, so that the second rounding sees what the first one lost (Boldo and Melquiond).
        const double high = product + sum, virtual_sum = high - product;
        const double low = (product - (high - virtual_sum)) + (sum - virtual_sum);
        auto bits = std::bit_cast<std::int64_t>(high);
        if (high - high == 0 && low != 0 && (bits & 1) == 0) bits += (low > 0) == (high > 0) ? 1 : -1;
        return (*this)(std::bit_cast<double>(bits));
    }
    [[nodiscard]] double flushed(double value) const {
        return flush_ && std::fabs(value) < smallest_ ? std::copysign(0.0, value) : value;
    }

  private:
    static const number::Format &fp64() { return number::format_of(FormatId::fp64); }
    const number::Format &format_;
    double smallest_;
    bool flush_;
};

/// The exponent that a term is aligned by: of a product the sum of its operands', so that it may be one below that of
/// its value; of the rest the value's.
int exponent_of(double value) { return value == 0 ? -2000 : std::ilogb(value); }

class Evaluation {
  public:
    Evaluation(const SummationTree &tree, const Steps &steps, const Terms &terms)
        : tree_(tree), steps_(steps), terms_(terms), round_(steps) {}

    double run() {
        std::vector<double> values(tree_.nodes.size());
        const auto value_of = [&](std::int64_t id) {
            return tree_.is_term(id) ? term(id) : values[static_cast<std::size_t>(id - tree_.terms)];
        };
        if (tree_.nodes.empty()) return round_(term(0));
        for (std::size_t n = 0; n < tree_.nodes.size(); ++n) {
            const auto &children = tree_.nodes[n];
            values[n] = children.size() == 2 ? addition(children, value_of) : fused(children, value_of);
        }
        return values.back();
    }

  private:
    [[nodiscard]] bool is_product(std::int64_t id) const {
        return !terms_.b.empty() && id < static_cast<std::int64_t>(terms_.a.size());
    }
    /// Exact in double.
    [[nodiscard]] double term(std::int64_t id) const {
        const auto i = static_cast<std::size_t>(id);
        if (i >= terms_.a.size()) return round_.flushed(terms_.c.value_or(0));
        const double x = round_.flushed(terms_.a[i]);
        return terms_.b.empty() ? x : x * round_.flushed(terms_.b[i]);
    }

    template <typename ValueOf>
    double addition(const std::vector<std::int64_t> &children, const ValueOf &value_of) const {
        std::int64_t first = children[0], second = children[1];
        if (!is_product(second)) std::swap(first, second);
        const double x = value_of(first), y = value_of(second);
        if (!is_product(second)) return round_(x + y);
        if (steps_.products == Steps::Products::rounded) return round_((is_product(first) ? round_(x) : x) + round_(y));
        if (!is_product(first)) return round_.fused(y, x);
        return steps_.products == Steps::Products::fma ? round_.fused(y, round_(x)) : round_.fused(x, round_(y));
    }

    template <typename ValueOf> double fused(const std::vector<std::int64_t> &children, const ValueOf &value_of) const {
        int largest = -2000;
        double special = 0;
        for (const std::int64_t id : children) {
            const double value = value_of(id);
            if (!std::isfinite(value)) special += value;
            largest = std::max(largest, alignment(id, value));
        }
        if (special != 0) return special;
        std::int64_t sum = 0;
        for (const std::int64_t id : children)
            sum += static_cast<std::int64_t>(std::ldexp(value_of(id), steps_.fraction_bits - largest)); // toward zero
        if (sum == 0) return 0;
        const number::Format &f = number::format_of(steps_.accumulator);
        number::RoundingMode mode;
        mode.rounding = steps_.fused_to_nearest ? number::Rounding::nearest_even : number::Rounding::toward_zero;
        const number::Exact<std::uint64_t> exact{sum < 0, largest - steps_.fraction_bits,
                                                 static_cast<std::uint64_t>(sum < 0 ? -sum : sum), false};
        const number::Result result = number::round(f, exact, mode);
        const std::uint64_t bits = result.status & number::overflow ? number::infinity(f, sum < 0) : result.bits;
        return std::bit_cast<double>(number::convert(f, bits, number::format_of(FormatId::fp64)).bits);
    }

    [[nodiscard]] int alignment(std::int64_t id, double value) const {
        if (!is_product(id) || value == 0) return exponent_of(value);
        const auto i = static_cast<std::size_t>(id);
        return exponent_of(terms_.a[i]) + exponent_of(terms_.b[i]);
    }

    const SummationTree &tree_;
    const Steps &steps_;
    const Terms &terms_;
    Rounder round_;
};

} // namespace

std::string Steps::name(bool has_products, bool has_fused) const {
    const auto format = number::format_of(accumulator).name;
    std::string text;
    if (!has_products)
        text = fmt::format("additions in {}", format);
    else if (products == Products::rounded)
        text = fmt::format("products and sums each rounded to {}", format);
    else
        text = fmt::format("an fma in {} a product", format);
    if (has_products && products == Products::fma_reverse) text += ", of two first products the second rounded";
    if (flush_subnormals) text += ", subnormals flushed";
    if (has_fused)
        text += fmt::format("; fused adds cut to {} bits below the largest, rounded {}", fraction_bits,
                            fused_to_nearest ? "to nearest" : "toward zero");
    return text;
}

double evaluate(const SummationTree &tree, const Steps &steps, const Terms &terms) {
    return Evaluation(tree, steps, terms).run();
}

std::vector<Steps> likely_steps(const SummationTree &tree, bool products, number::FormatId accumulator) {
    std::vector<Steps> all;
    const bool fused = tree.widest() > 2;
    std::vector<std::pair<int, bool>> cuts{{24, false}};
    if (fused) {
        // The widths that tensor cores are known to have first, then what else a unit might keep.
        cuts.clear();
        for (const number::TensorCore &core : number::tensor_cores)
            cuts.emplace_back(core.fraction_bits, accumulator == FormatId::fp16);
        for (int bits = 10; bits <= 36; ++bits)
            for (const bool nearest : {false, true}) cuts.emplace_back(bits, nearest);
    }
    std::vector<FormatId> accumulators{accumulator};
    for (const FormatId other : {FormatId::fp32, FormatId::fp64, FormatId::fp16, FormatId::bf16})
        if (other != accumulator) accumulators.push_back(other);
    for (const FormatId format : accumulators)
        for (const auto &[bits, nearest] : cuts)
            for (const auto kind : {Steps::Products::fma, Steps::Products::rounded, Steps::Products::fma_reverse})
                for (const bool flush : {false, true}) {
                    if (!products && kind != Steps::Products::fma) continue;
                    if (fused && (format != accumulator || kind != Steps::Products::fma)) continue;
                    all.push_back({kind, format, flush, bits, nearest});
                }
    return all;
}

} // namespace halfscope::kernels::reveal
