// Which way of computing a product gives exactly the tested bits.
#pragma once

#include "kernels/judge/product_variant.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::kernels::judge {

/// What is known of a product before anything is tried.
struct ProductQuestion {
    const ProductInputs &inputs;
    ops::TensorView tested;
    ops::Accumulation asked;
    std::vector<std::int64_t> different; ///< some elements that are not the asked model's, spread over the result
};

struct ProductMatch {
    enum class Kind : std::uint8_t {
        model,          ///< a model's own chain over the whole k
        order,          ///< the same steps in another order
        extra_rounding, ///< something is rounded, or cut, more than was asked
    } kind = Kind::model;
    ProductVariant variant;
    std::string name;                  ///< "hopper", "hopper, k cut into 4 parts of 256, added in order"
    std::vector<std::string> the_same; ///< other models that give the same bits here
};

/// Tries, on a few elements first and on all when those agree: every model that takes such operands; k cut into 2 to 16
/// parts, into blocks as BLAS libraries cut it, dealt out to 2 to 64 accumulators; c first and last; then one more
/// rounding of the result, of the partial sums, or of the operands. The first that gives all bits.
[[nodiscard]] std::optional<ProductMatch> identify(const ProductQuestion &question, ops::ThreadPool &threads);

/// One way among several that give the bits of fp32 results.
struct ProductLikeness {
    std::string name;
    std::int64_t equal = 0; ///< results with all bits, of those that the ways before it do not give
};
/// Where nothing gives all bits: a kernel may take another order at the edges of its tiles. The order of the asked
/// model or of an fma chain that gives more than half of the results, then the one that gives more than half of the
/// others, and so on, at most four; other orders give a few percent by chance.
[[nodiscard]] std::vector<ProductLikeness> most_alike(const ProductQuestion &question, ops::ThreadPool &threads);

/// The accumulation models that take operands stored so.
[[nodiscard]] std::vector<ops::Accumulation> models_for(ops::DType operands);

/// `count` of `elements`, spread evenly.
[[nodiscard]] std::vector<std::int64_t> spread(std::int64_t elements, std::int64_t count);
/// Elements of a tensor, one after the other.
[[nodiscard]] ops::HostTensor elements_of(const ops::TensorView &tensor, const std::vector<std::int64_t> &elements);

} // namespace halfscope::kernels::judge
