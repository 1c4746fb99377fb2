// The hot array formulas of the norms and optimizers, at SIMD speed for fp32: fused multiply-adds need an instruction
// that the baseline build may not assume. Definitions are in formulas/definition.inl; the same bits at every level.
// `out` may be any of the operands. Declared for float and double.
#pragma once

#include <cstddef>

namespace halfscope::ops::formulas {

// NOLINTBEGIN(bugprone-macro-parentheses): C is a type
#define HALFSCOPE_FORMULAS(C)                                                                                          \
    /* fma((x - mean) * rstd, gamma, beta), one gamma and beta for all */                                              \
    void normalise(const C *x, C mean, C rstd, C gamma, C beta, C *out, std::size_t count);                            \
    /* fma((x - mean) * rstd, gamma, beta), element by element */                                                      \
    void normalise_each(const C *x, const C *gamma, const C *beta, C mean, C rstd, C *out, std::size_t count);         \
    /* fma(-(x - mean), slope, dy - offset) * factor */                                                                \
    void centred_gradient(const C *dy, const C *x, C mean, C slope, C offset, C factor, C *out, std::size_t count);    \
    /* fma(-h, slope, g - offset) * factor */                                                                          \
    void row_gradient(const C *g, const C *h, C slope, C offset, C factor, C *out, std::size_t count);                 \
    /* fma(a, x, y) */                                                                                                 \
    void multiply_add(C a, const C *x, const C *y, C *out, std::size_t count);                                         \
    /* fma(a, x, b * y) */                                                                                             \
    void weighted_sum(C a, const C *x, C b, const C *y, C *out, std::size_t count);                                    \
    /* fma(rate, x - mean, mean) */                                                                                    \
    void move_towards(C rate, const C *x, const C *mean, C *out, std::size_t count);                                   \
    /* fma(a * x, x, y) */                                                                                             \
    void add_square(C a, const C *x, const C *y, C *out, std::size_t count);                                           \
    /* sqrt(x) */                                                                                                      \
    void square_root(const C *x, C *out, std::size_t count);                                                           \
    /* m / (sqrt(v) / bias + epsilon) */                                                                               \
    void adam_quotient(const C *m, const C *v, C bias, C epsilon, C *out, std::size_t count);
// NOLINTEND(bugprone-macro-parentheses)
HALFSCOPE_FORMULAS(float)
HALFSCOPE_FORMULAS(double)
#undef HALFSCOPE_FORMULAS

} // namespace halfscope::ops::formulas
