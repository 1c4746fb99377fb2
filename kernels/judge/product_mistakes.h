// Products that a wrong kernel may have computed instead: named when the tested results fit one.
#pragma once

#include "kernels/judge/error_bound.h"
#include "kernels/judge/product_variant.h"

#include <string>

namespace halfscope::kernels::judge {

/// A sentence such as "The results fit a b with b transposed.", or "" when none of these fits: a or b transposed, the
/// result transposed, c ignored, taken twice or subtracted, the end of k beyond whole tiles dropped, all results scaled
/// by one factor. A mistake fits when every one of some hundred results, spread evenly, is within the bound of what it
/// would give.
[[nodiscard]] std::string fitting_mistake(const ProductInputs &inputs, const ops::TensorView &tested,
                                          const Arithmetic &arithmetic);

} // namespace halfscope::kernels::judge
