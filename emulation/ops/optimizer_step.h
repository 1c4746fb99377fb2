// Operand layout and arithmetic of the optimizer operations. Outputs may be the memory of the inputs of the same name
// (an update in place). Hyperparameters are doubles; each factor below (1 - beta1, learning_rate * weight_decay, ...)
// is computed in double, then converted to C.
//
// sgd_step (PyTorch's order)
//   inputs   weight, gradient (unscaled), momentum buffer when momentum != 0, compensation when kahan
//   outputs  new weight, new momentum buffer, new compensation (of those that are inputs)
//     g = fma(weight_decay, w, g)                                      when weight_decay != 0
//     b = step == 1 ? g : fma(momentum, b, (1 - dampening) * g)        when momentum != 0; the buffer's content is
//                                                                      ignored on step 1
//     b is ROUNDED to its storage
//     g = nesterov ? fma(momentum, b, g) : b                           from the rounded b
//     w = fma(-learning_rate, g, w)                                    ROUNDED to the weight's storage
//
// adam_step (PyTorch's single-tensor order)
//   inputs   weight, gradient (unscaled), m, v, compensation when kahan
//   outputs  new weight, new m, new v, new compensation when kahan
//     decoupled: w = w * (1 - learning_rate * weight_decay), else g = fma(weight_decay, w, g), when weight_decay != 0
//     m = fma(1 - beta1, g - m, m)                                     ROUNDED to its storage
//     v = fma((1 - beta2) * g, g, beta2 * v)                           ROUNDED to its storage
//     q = m / (sqrt(v) / bias2 + epsilon)                              from the rounded m and v;
//                                                                      bias2 = sqrt(1 - beta2^step)
//     w = fma(-step_size, q, w)                                        ROUNDED to the weight's storage;
//                                                                      step_size = learning_rate / (1 - beta1^step)
//
// Intermediate rounding, on exactly when the weight is stored in 16 bits: eager kernels leave tensors between the
// steps, and each of these is rounded (nearest even) to the type that tensor would have: the storage of the operand it
// updates or is made from (two operands of different types: the wider; fp16 with bf16 gives fp32). They are
//     w * (1 - learning_rate * weight_decay)      [weight]          g + weight_decay * w          [gradient with
//     weight] momentum * b, after which b = fma(1 - dampening, g, that)     [buffer] g + momentum * b (nesterov) [g
//     with buffer] beta2 * v        [v]        sqrt(v), then / bias2, then + epsilon    [v]
// So epsilon = 1e-8 is lost in fp16, and a zero gradient gives 0/0.
//
// kahan: with u the update (-learning_rate * g or -step_size * q, rounded in C), y = u - c; t = w + y; w = t, then
// c = (t - w_old) - y. t is rounded to the weight's storage and c to the compensation's; the decay of w comes before.
//
// Operation::rounding (stochastic, say) applies to the new weight alone; states, compensation and intermediates are
// rounded to nearest even.
//
// round_hyperparameters: learning_rate, momentum, dampening, beta1, beta2, epsilon and weight_decay are first rounded
// to the storage of the state (the momentum buffer, m; the weight when there is no state).
//
// unscale_check: (g..., inverse scale [1]) -> g * inverse scale..., found [1]; see operation.h.
#pragma once

#include "emulation/ops/operation.h"
