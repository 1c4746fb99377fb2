#include "kernels/judge/exact_operands.h"
#include "kernels/judge/exact_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>

namespace halfscope::kernels::judge {
namespace {

/// Operands as floats, b transposed so that both run along k.
struct Product {
    ops::TensorView a, b;
    ops::TensorView c; ///< null data: none
    ops::Shape shape, batch, batch_a, batch_b;
    std::int64_t m = 0, n = 0, k = 0;
    std::vector<float> left, right, addend;
    bool aligned = false, flushes = false; ///< see Arithmetic::cut, Arithmetic::flushes
    float floor_a = 0, floor_b = 0;        ///< smallest normal of each operand
    ErrorBound bound, last;
    double largest = 0, result_overflow = 0;

    struct Where {
        const float *row = nullptr, *column = nullptr;
        std::int64_t first_a = 0, first_b = 0; ///< offsets of the row in a and of the column's top in b
        std::int64_t j = 0;
    };
    [[nodiscard]] Where where(std::int64_t index) const {
        Where w;
        w.j = index % n;
        const std::int64_t i = index / n % m, matrix = index / (n * m);
        const std::int64_t in_a = broadcast_index(batch_a, batch, matrix),
                           in_b = broadcast_index(batch_b, batch, matrix);
        w.first_a = (in_a * m + i) * k;
        w.first_b = in_b * k * n;
        w.row = left.data() + w.first_a;
        w.column = right.data() + (in_b * n + w.j) * k;
        return w;
    }
};

float smallest_normal(ops::DType dtype) {
    return static_cast<float>(std::ldexp(1.0, number::format_of(ops::format_id(dtype)).emin));
}

ExactResults::Value product_at(const Product &p, std::int64_t index) {
    const Product::Where w = p.where(index);
    ExactSum sum;
    double scale = 0, flushed = 0;
    for (std::int64_t k = 0; k < p.k; ++k) {
        const float x = w.row[k], y = w.column[k];
        const double product = static_cast<double>(x) * static_cast<double>(y);
        sum.add(product); // exact: 24 + 24 bits of significand, exponents far inside a double's
        if (product == 0 || !std::isfinite(product)) continue; // what is not finite has no error
        const float size_x = std::fabs(x), size_y = std::fabs(y);
        if (p.flushes && (size_x < p.floor_a || size_y < p.floor_b)) flushed += std::fabs(product);
        scale += p.aligned ? static_cast<double>(std::max(size_x, p.floor_a)) *
                                 static_cast<double>(std::max(size_y, p.floor_b))
                           : std::fabs(product);
    }
    if (p.c.data) {
        const float c = p.addend[static_cast<std::size_t>(broadcast_index(p.c.shape, p.shape, index))];
        sum.add(static_cast<double>(c));
        if (std::isfinite(c)) scale += static_cast<double>(std::fabs(c));
    }
    scale *= 1 + 0x1p-20; // its own additions, in double
    ExactResults::Value value;
    value.exact = sum.value();
    value.scale = scale;
    const double before = p.bound.of(scale) + flushed;
    value.bound = before + p.last.of(std::fabs(value.exact.high) + before);
    value.may_overflow = scale * (1 + p.bound.relative) >= p.largest ||
                         (std::isfinite(value.exact.high) && std::fabs(value.exact.high) + before >= p.result_overflow);
    return value;
}

std::vector<Operand> largest_products(const Product &p, std::int64_t index, std::size_t most, std::int64_t &left_out) {
    const Product::Where w = p.where(index);
    std::vector<std::int64_t> order(static_cast<std::size_t>(p.k));
    for (std::int64_t k = 0; k < p.k; ++k) order[static_cast<std::size_t>(k)] = k;
    const auto weight = [&](std::int64_t k) {
        const double product = std::fabs(static_cast<double>(w.row[k]) * static_cast<double>(w.column[k]));
        return std::isnan(product) ? HUGE_VAL : product;
    };
    const std::size_t kept = std::min(order.size(), std::max<std::size_t>(1, most / 2));
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                      [&](std::int64_t x, std::int64_t y) { return weight(x) > weight(y); });
    std::vector<Operand> operands;
    for (std::size_t i = 0; i < kept; ++i) {
        operands.push_back(operand_at("a", p.a, w.first_a + order[i]));
        operands.push_back(operand_at("b", p.b, w.first_b + order[i] * p.n + w.j));
    }
    if (p.c.data) operands.push_back(operand_at("c", p.c, broadcast_index(p.c.shape, p.shape, index)));
    left_out = 2 * (p.k - static_cast<std::int64_t>(kept));
    return operands;
}

} // namespace

ExactResults exact_matmul(const ops::TensorView &a, const ops::TensorView &b, const ops::TensorView *c,
                          const ops::Shape &shape, const Arithmetic &arithmetic, number::FormatId result) {
    const int rank = shape.rank();
    if (a.shape.rank() < 2 || b.shape.rank() < 2 || rank < 2)
        throw std::invalid_argument(
            fmt::format("a matrix product needs matrices, got {} and {}", a.shape.text(), b.shape.text()));
    auto p = std::make_shared<Product>();
    p->a = a;
    p->b = b;
    p->shape = shape;
    p->m = a.shape[a.shape.rank() - 2];
    p->k = a.shape[a.shape.rank() - 1];
    p->n = b.shape[b.shape.rank() - 1];
    if (b.shape[b.shape.rank() - 2] != p->k || shape[rank - 2] != p->m || shape[rank - 1] != p->n)
        throw std::invalid_argument(
            fmt::format("matrices of shapes {} and {} do not make {}", a.shape.text(), b.shape.text(), shape.text()));
    p->batch = leading_axes(shape);
    p->batch_a = leading_axes(a.shape);
    p->batch_b = leading_axes(b.shape);
    p->left = values_of(a);
    const std::vector<float> columns = values_of(b);
    p->right.resize(columns.size());
    const std::int64_t matrices = p->k * p->n == 0 ? 0 : static_cast<std::int64_t>(columns.size()) / (p->k * p->n);
    constexpr std::int64_t tile = 32; // both sides of a tile of the transposition stay in cache
    for (std::int64_t matrix = 0; matrix < matrices; ++matrix) {
        const float *from = columns.data() + matrix * p->k * p->n;
        float *to = p->right.data() + matrix * p->k * p->n;
        for (std::int64_t k0 = 0; k0 < p->k; k0 += tile)
            for (std::int64_t j = 0; j < p->n; ++j)
                for (std::int64_t k = k0; k < std::min(p->k, k0 + tile); ++k) to[j * p->k + k] = from[k * p->n + j];
    }
    if (c) {
        p->c = *c;
        p->addend = values_of(*c);
    }
    p->aligned = arithmetic.cut > 0;
    p->flushes = arithmetic.flushes;
    p->floor_a = smallest_normal(a.dtype);
    p->floor_b = smallest_normal(b.dtype);
    p->bound = dot_product_bound(arithmetic, p->k, c != nullptr);
    p->largest = arithmetic.largest;
    p->result_overflow = overflow_threshold(result);
    ExactResults exact;
    exact.derivation = p->bound.derivation;
    if (result != number::FormatId::fp32) { // an fp32 result is what the accumulation left
        p->last = rounding_bound(result, true);
        exact.derivation += "; then " + p->last.derivation;
    }
    exact.elements = shape.elements();
    exact.work = std::max<std::int64_t>(1, p->k);
    exact.rtol = p->last.relative;
    exact.relative = p->bound.relative;
    exact.scale_name = c ? "(|a| @ |b| + |c|)" : "(|a| @ |b|)";
    exact.at = [p](std::int64_t index) { return product_at(*p, index); };
    exact.operands = [p](std::int64_t index, std::size_t most, std::int64_t &left_out) {
        return largest_products(*p, index, most, left_out);
    };
    return exact;
}

} // namespace halfscope::kernels::judge
