// One row of softmax, log_softmax and their gradients; definitions in ops/operation.h. `out` may be an operand; n >= 1.
#pragma once

#include <cstdint>

namespace halfscope::ops::softmax {

void softmax_row(const float *x, std::int64_t n, float *out);
void softmax_row(const double *x, std::int64_t n, double *out);
void softmax_gradient_row(const float *dy, const float *y, std::int64_t n, float *out);
void softmax_gradient_row(const double *dy, const double *y, std::int64_t n, double *out);
void log_softmax_row(const float *x, std::int64_t n, float *out);
void log_softmax_row(const double *x, std::int64_t n, double *out);
void log_softmax_gradient_row(const float *dy, const float *y, std::int64_t n, float *out);
void log_softmax_gradient_row(const double *dy, const double *y, std::int64_t n, double *out);

} // namespace halfscope::ops::softmax
