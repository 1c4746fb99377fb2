// Softmax and layer normalisation in 113 bits of significand (Boost.Multiprecision), a row at a time.
#include "kernels/judge/exact_operands.h"
#include "kernels/judge/exact_results.h"

#include <boost/multiprecision/cpp_bin_float.hpp>

#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <stdexcept>

namespace halfscope::kernels::judge {
namespace {

using Quad = boost::multiprecision::cpp_bin_float_quad;

ExactValue split(const Quad &value) {
    const auto high = static_cast<double>(value);
    if (!std::isfinite(high)) return {high, 0};
    return {high, static_cast<double>(Quad(value - Quad(high)))};
}

/// Keeps a row's figures for as long as its elements are asked for one after the other on a thread.
template <typename Figures> class RowCache {
  public:
    template <typename Make> const Figures &of(std::int64_t row, Make make) const {
        struct Kept {
            std::uint64_t owner = 0;
            std::int64_t row = -1;
            Figures figures;
        };
        thread_local Kept kept;
        if (kept.owner != id_ || kept.row != row) kept = {id_, row, make(row)};
        return kept.figures;
    }

  private:
    static std::uint64_t next() {
        static std::atomic<std::uint64_t> last{0};
        return ++last;
    }
    std::uint64_t id_ = next();
};

std::int64_t last_axis(const ops::TensorView &x, const char *task) {
    if (x.shape.rank() < 1) throw std::invalid_argument(fmt::format("{} needs an axis to go along", task));
    return x.shape[x.shape.rank() - 1];
}

/// Quads cost about this many additions of ExactSum each.
constexpr std::int64_t work_of_quads = 400;

auto own_element(const ops::TensorView &x) {
    return [x](std::int64_t index, std::size_t, std::int64_t &left_out) {
        left_out = x.shape[x.shape.rank() - 1] - 1;
        return std::vector<Operand>{operand_at("x", x, index)};
    };
}

} // namespace

// The bound, u = arithmetic.rounding, d_i = x_i - max: the difference is rounded once (u), the exponential's own
// argument reduction or its multiplication by log2(e) may lose 2 u of it more, so the exponent errs by 3 u |d_i|; the
// function itself is good to 2 ulp (4 u). The sum of n of them errs by their own weighted errors and n - 1 additions; a
// quotient or a reciprocal and a product err by 3 u. Exponentials below the smallest normal may be flushed: an absolute
// 2^emin / sum. A running (online) softmax rescales by e^(m' - m) per block: its exponents add up to the same d_i, and
// its additions and rescalings are fewer than n - 1 for blocks of 8 or more.
ExactResults exact_softmax(const ops::TensorView &x, const Arithmetic &arithmetic, number::FormatId result) {
    struct Row {
        Quad sum;
        double largest = 0, weighted = 0;
        bool finite = true;
    };
    const std::int64_t n = last_axis(x, "softmax");
    const double u = arithmetic.rounding;
    const auto values = std::make_shared<const std::vector<float>>(values_of(x));
    const auto cache = std::make_shared<const RowCache<Row>>();
    const ErrorBound last = rounding_bound(result, true);
    const auto exponent_error = [u](double d) { return std::expm1(3 * u * std::fabs(d) + 4 * u); };
    const auto figures = [=](std::int64_t row) {
        const float *in = values->data() + row * n;
        Row r;
        r.largest = -HUGE_VAL;
        for (std::int64_t i = 0; i < n; ++i) {
            r.finite = r.finite && !std::isnan(in[i]) && in[i] < HUGE_VALF;
            r.largest = std::max(r.largest, static_cast<double>(in[i]));
        }
        r.finite = r.finite && std::isfinite(r.largest);
        r.sum = 0;
        for (std::int64_t i = 0; r.finite && i < n; ++i) {
            const double d = static_cast<double>(in[i]) - r.largest; // of two floats: exact but for far exponents
            if (std::isinf(d)) continue;                             // exp(-inf) = 0
            const Quad power = exp(Quad(in[i]) - Quad(r.largest));
            r.sum += power;
            r.weighted += static_cast<double>(power) * exponent_error(d);
        }
        r.weighted /= static_cast<double>(r.sum);
        return r;
    };
    ExactResults exact;
    exact.elements = x.shape.elements();
    exact.work = work_of_quads;
    exact.derivation =
        fmt::format("softmax in arithmetic of {:.3g}: exponents err by {:.3g} |x - max|, exponentials by "
                    "{:.3g}, {} additions, the division by {:.3g}; then {}",
                    u, 3 * u, 4 * u, n - 1, 3 * u, last.derivation);
    exact.rtol = last.relative;
    exact.scale_name = "softmax(x)";
    exact.relative = compounded(u, static_cast<double>(n + 2)) + 8 * u;
    exact.at = [=](std::int64_t index) {
        const Row &row = cache->of(index / n, figures);
        ExactResults::Value v;
        if (!row.finite) { // NaN or +inf in the row, or -inf alone
            v.exact.high = std::nan("");
            return v;
        }
        const float value = (*values)[static_cast<std::size_t>(index)];
        const double d = static_cast<double>(value) - row.largest;
        if (!std::isinf(d)) v.exact = split(Quad(exp(Quad(value) - Quad(row.largest)) / row.sum));
        v.scale = v.exact.high;
        const double sum_error = (1 + row.weighted) * (1 + compounded(u, static_cast<double>(n - 1))) - 1;
        const double relative =
            (1 + exponent_error(std::isinf(d) ? 0 : d)) * (1 + compounded(u, 3)) / (1 - sum_error) - 1;
        const double flushed = std::ldexp(1.0, -126) / static_cast<double>(row.sum) + std::ldexp(1.0, -126);
        const double before = sum_error < 1 ? relative * v.exact.high + flushed : HUGE_VAL;
        v.bound = before + last.of(v.exact.high + before);
        return v;
    };
    exact.operands = own_element(x);
    return exact;
}

// The bound, u = arithmetic.rounding, A = mean |x|, v = variance, K = sqrt(1 + mean^2 / v). The mean errs by e1 =
// ((1 + u)^n - 1) A. Two passes: sum (x - mean')^2 / n = v + e1^2, and each term passes n + 3 roundings (two of the
// difference, the square, n - 1 additions, the division). Updating formulas (Welford, Chan) err by n u K v (Chan,
// Golub, LeVeque, "Algorithms for computing the sample variance", The American Statistician 37, 1983, table 1), which
// is never less: the variance's error is ((1 + u)^(n+3) - 1) (K v + e1^2) + e1^2. Mean of squares less square of mean
// errs by n u K^2 v and is no right kernel. rstd errs by the root of that, an addition and 2 ulp of a reciprocal root
// (4 u); the rest by one rounding an operation.
ExactResults exact_layer_norm(const ops::TensorView &x, const ops::TensorView *gamma, const ops::TensorView *beta,
                              double epsilon, const Arithmetic &arithmetic, number::FormatId result) {
    struct Row {
        Quad mean, rstd;
        double mean_error = 0, rstd_error = 0; ///< absolute; relative
        bool finite = true, overflows = false;
    };
    const std::int64_t n = last_axis(x, "layer normalisation");
    for (const ops::TensorView *weights : {gamma, beta})
        if (weights && weights->shape.elements() != n)
            throw std::invalid_argument(
                fmt::format("weights of shape {} do not fit rows of {}", weights->shape.text(), n));
    const double u = arithmetic.rounding;
    const auto values = std::make_shared<const std::vector<float>>(values_of(x));
    const auto scales = std::make_shared<const std::vector<float>>(gamma ? values_of(*gamma) : std::vector<float>{});
    const auto shifts = std::make_shared<const std::vector<float>>(beta ? values_of(*beta) : std::vector<float>{});
    const auto cache = std::make_shared<const RowCache<Row>>();
    const ErrorBound last = rounding_bound(result, true);
    const double largest = arithmetic.largest;
    // Epsilon as kernels hold it.
    const auto held_epsilon = static_cast<double>(static_cast<float>(epsilon));
    const auto figures = [=](std::int64_t row) {
        const float *in = values->data() + row * n;
        Row r;
        ExactSum sum;
        double magnitude = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            r.finite = r.finite && std::isfinite(in[i]);
            sum.add(static_cast<double>(in[i]));
            magnitude += static_cast<double>(std::fabs(in[i]));
        }
        if (!r.finite) return r;
        // (|x| + |mean|)^2 summed is at most 4 (sum |x|)^2: the variance, or its sum, may leave the format's range.
        r.overflows = 4 * magnitude * magnitude >= largest;
        const ExactValue total = sum.value();
        r.mean = (Quad(total.high) + Quad(total.low)) / n;
        Quad variance = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            const Quad d = Quad(in[i]) - r.mean;
            variance += d * d;
        }
        variance /= n;
        r.rstd = 1 / sqrt(Quad(variance + Quad(held_epsilon)));
        const double v = static_cast<double>(variance), mean = static_cast<double>(r.mean);
        r.mean_error = compounded(u, static_cast<double>(n)) * magnitude / static_cast<double>(n);
        const double square = r.mean_error * r.mean_error;
        const double variance_error =
            compounded(u, static_cast<double>(n + 3)) * (std::sqrt(v * (v + mean * mean)) + square) + square;
        const double relative = variance_error / (v + held_epsilon) + u;
        r.rstd_error = relative < 1 ? (1 / std::sqrt(1 - relative)) * (1 + 4 * u) - 1 : HUGE_VAL;
        return r;
    };
    ExactResults exact;
    exact.elements = x.shape.elements();
    exact.work = work_of_quads / 4;
    exact.derivation = fmt::format("layer norm in arithmetic of {:.3g}: mean of {} terms, variance in two passes or by "
                                   "updates, reciprocal root good to {:.3g}; then {}",
                                   u, n, 4 * u, last.derivation);
    exact.rtol = last.relative;
    exact.scale_name = "|gamma| (|h| + mean|x| rstd) + |beta|";
    exact.relative = compounded(u, static_cast<double>(2 * n + 8));
    exact.at = [=](std::int64_t index) {
        const Row &row = cache->of(index / n, figures);
        ExactResults::Value v;
        if (!row.finite) {
            v.exact.high = std::nan("");
            return v;
        }
        const auto column = static_cast<std::size_t>(index % n);
        const double g = scales->empty() ? 1 : static_cast<double>((*scales)[column]);
        const double b = shifts->empty() ? 0 : static_cast<double>((*shifts)[column]);
        const Quad d = Quad((*values)[static_cast<std::size_t>(index)]) - row.mean;
        v.exact = split(Quad(d * row.rstd * Quad(g) + Quad(b)));
        const double rstd = static_cast<double>(row.rstd), centred = std::fabs(static_cast<double>(d));
        const double h = centred * rstd,
                     worst_h = (centred + row.mean_error) * (1 + row.rstd_error) * rstd * (1 + u) * (1 + u);
        const double scaled = std::fabs(g) * worst_h * (1 + u);
        // A product and a sum, each rounded; fma rounds once.
        const double before = (scaled - std::fabs(g) * h) + u * (scaled + std::fabs(b)) + std::ldexp(1.0, -126);
        v.scale = std::fabs(g) * (h + row.mean_error / u * rstd / static_cast<double>(n)) + std::fabs(b);
        v.bound = before + last.of(std::fabs(v.exact.high) + before);
        v.may_overflow = row.overflows || std::fabs(v.exact.high) + v.bound >= overflow_threshold(result);
        if (row.overflows) v.bound = HUGE_VAL; // an infinite variance leaves beta, or NaN
        return v;
    };
    exact.operands = own_element(x);
    return exact;
}

} // namespace halfscope::kernels::judge
