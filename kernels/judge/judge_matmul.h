// Judges the results of a matrix product: whose bits they are, or what else explains the difference.
#pragma once

#include "kernels/judge/judgement.h"
#include "kernels/judge/product_variant.h"

#include "emulation/ops/operation.h"
#include "emulation/ops/thread_pool.h"

namespace halfscope::kernels::judge {

/// `tested` are results for `inputs` in fp32, fp16 or bf16; `model` is how they are said to be accumulated. fp32
/// operands of a matrix unit's model are tf32, cut before anything else: the exact result is that of the cut operands.
///
/// Evidence, strongest first:
///   1. the bits: of the model asked for, of another, of another order, or of one more rounding (identify_product.h);
///   2. results that all fit in fewer bits than they are stored in: a rounding of the result;
///   3. an error beyond the bound (error_bound.h): a real bug, with what it looks like (product_mistakes.h);
///   4. within the bound, but further from the exact result than every order tried leaves such results (a factor of
///      typical_error_limit): everywhere, then something is rounded more than was said; in a few elements, a real bug;
///   5. else another order of accumulation.
/// The first three are proofs, the fourth is a statistical statement and says so.
[[nodiscard]] Judgement judge_matmul(const ProductInputs &inputs, const ops::TensorView &tested,
                                     ops::Accumulation model, ops::ThreadPool &threads);

/// The most that the root mean square of |error| / sum |a b| (of all but the largest few) of one order may exceed that
/// of every order tried (chains, blocks, cut blocks). An order changes which partial sums are rounded: those of random
/// signs grow as the square root of their length in any order that does not sort the terms, those of one sign are
/// largest in a chain, which is among the orders tried. A rounding to bf16, fp16 or tf32 in place of fp32 is 2^16, 2^13
/// times a step's, so that even one such rounding among the thousands of a long product stands out.
inline constexpr double typical_error_limit = 4;
/// The same for the largest error of a single element against the largest found among the orders tried on some
/// hundred elements; the maximum of a million normal errors is about twice that of a hundred.
inline constexpr double single_error_limit = 12;

} // namespace halfscope::kernels::judge
