// Operand layout and arithmetic of the optimizer operations.
//
// sgd_step (PyTorch's order):
//   inputs  weight, gradient (unscaled), [momentum buffer], [kahan compensation]; on step 1 the buffer's content is
//   ignored outputs new weight, [new momentum buffer], [new compensation] g = fma(weight_decay, w, g)              when
//   weight_decay != 0 b = step == 1 ? g : fma(momentum, b, (1 - dampening) * g)   when momentum != 0; b is ROUNDED to
//   its storage here g = nesterov ? fma(momentum, b, g) : b   (from the rounded b) w = fma(-learning_rate, g, w)
//   rounded to the weight's storage
//
// adam_step (PyTorch's single-tensor order):
//   inputs  weight, gradient (unscaled), m, v, [kahan compensation]; outputs new weight, new m, new v, [new
//   compensation] decoupled: w = w * (1 - learning_rate * weight_decay); else g = fma(weight_decay, w, g) m = fma(1 -
//   beta1, g - m, m)             ROUNDED to its storage v = fma((1 - beta2) * g, g, beta2 * v)   ROUNDED to its storage
//   step_size = learning_rate / (1 - beta1^step); bias2 = sqrt(1 - beta2^step)   (computed in double, then to C)
//   w = w - step_size * (m / (sqrt(v) / bias2 + epsilon))   from the rounded m and v; fma(-step_size, quotient, w)
//
// pure 16-bit runs (weight, gradient and state all 16-bit) go through the same steps in C, except that, as eager
// kernels do, every intermediate that would be a tensor of its own (w * (1 - lr*wd), sqrt(v), sqrt(v)/bias2, + epsilon)
// is rounded to the weight's storage type when `intermediate rounding` is on: it is on exactly when the weight is
// stored in 16 bits.
//
// kahan: with u the (negated) update, y = u - c; t = w + y; c = (t - w) - y; w = t; w, c and t in the weight's storage
// type.
#pragma once

#include "emulation/ops/operation.h"
