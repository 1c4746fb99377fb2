// What HalfScope says of a kernel's results, with the evidence: bits against the emulator's, errors against the exact
// result beside a derived bound, and what explains a difference.
//
// What counts as equal: two results are bit-equal when all their bits are. Two NaN are equal values whatever their
// payload (which NaN an operation leaves is the machine's choice); pairs of different payload are counted apart. +0 and
// -0 differ in bits and are 0 ulp apart; they are counted apart too.
#pragma once

#include "emulation/number/format.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::kernels::judge {

enum class Verdict : std::uint8_t {
    bit_equal,       ///< the bits of the emulator's result, by the model asked for or by another that is named
    different_order, ///< other bits, but within what any order of the same arithmetic may leave
    extra_rounding,  ///< a value was rounded once more, or to fewer bits, than the operation says
    real_bug,        ///< further from the exact result than any order of the arithmetic explains
    skipped,         ///< not judged; `explanation` says why. Never a pass
};
/// "bit-equal", "different order", "extra rounding", "real bug", "skipped".
[[nodiscard]] std::string_view name_of(Verdict verdict);
/// bit_equal and different_order.
[[nodiscard]] constexpr bool is_pass(Verdict verdict) { return verdict <= Verdict::different_order; }

/// One value that went into an element.
struct Operand {
    std::string name; ///< "a[3, 17]"
    number::FormatId format = number::FormatId::fp32;
    std::uint64_t bits = 0;
    double value = 0;
};

/// One element of the result, seen closely.
struct Element {
    std::int64_t index = 0; ///< row-major
    std::vector<std::int64_t> position;
    std::uint64_t tested_bits = 0, emulated_bits = 0;
    double tested = 0, emulated = 0;
    std::optional<double> exact, bound; ///< the exact result to double, and the most it may be missed by
    std::vector<Operand> operands;      ///< the few that weigh most
    std::int64_t operands_left_out = 0;
};

/// Errors against the exact result. Unit in the last place: the spacing of the result's format at the exact value.
struct ExactErrors {
    std::int64_t elements = 0; ///< held against the exact result; means are of the finite ones
    double worst_ulp = 0, mean_ulp = 0;
    double worst_relative = 0, mean_relative = 0; ///< |error| / |exact|, of elements whose exact result is not zero
    double worst_of_bound = 0;                    ///< largest |error| / bound
    std::int64_t beyond_bound = 0;                ///< elements with an error above the bound, or wrongly not finite
    double typical_of_scale = 0; ///< root mean square of |error| / scale; scale: sum |a_k b_k| of a product
    /// The same of the emulator's result by the model asked for, to compare with.
    double emulated_worst_ulp = 0, emulated_mean_ulp = 0, emulated_typical_of_scale = 0;
};

/// Which elements of a result, by row-major index.
using ElementChoice = std::function<bool(std::int64_t index)>;

/// What to put into numpy.allclose(kernel, exact, rtol=, atol=), for inputs like these; of adversarial inputs, like the
/// ordinary ones among them.
struct Tolerance {
    double rtol = 0, atol = 0;
    std::string derivation; ///< one line: where the two come from, for other inputs
};

struct Judgement {
    Verdict verdict = Verdict::skipped;
    std::string explanation;               ///< one sentence
    std::string model;                     ///< what `emulated` was made by: "hopper"
    std::optional<std::string> identified; ///< what gives all the tested bits: "hopper", "fma-chain, split-k 4"
    std::vector<std::string> evidence;     ///< further sentences

    number::FormatId format = number::FormatId::fp32; ///< of the results
    std::vector<std::int64_t> shape;
    std::int64_t elements = 0;
    std::int64_t bit_equal = 0;               ///< elements with all bits equal, NaN payloads included
    std::int64_t nan_payload_differences = 0; ///< both NaN, other bits: equal values
    std::int64_t zero_sign_differences = 0;   ///< +0 for -0 or the other way round
    std::int64_t nan_mismatches = 0;          ///< one is NaN, the other is not
    std::int64_t infinity_mismatches = 0;     ///< one is infinite, the other finite or of the other sign
    std::uint64_t worst_ulp = 0;              ///< among pairs of finite values
    std::optional<Element> worst;             ///< where; a NaN or infinity mismatch comes before any ulp distance
    std::optional<ExactErrors> errors;
    std::optional<Element> worst_error; ///< the largest share of the bound
    std::string bound;                  ///< how the bound was derived
    std::optional<Tolerance> tolerance;

    /// Equal values everywhere: same bits but for NaN payloads.
    [[nodiscard]] bool same_bits() const { return bit_equal + nan_payload_differences == elements; }
    [[nodiscard]] double bit_equal_share() const {
        return elements ? static_cast<double>(bit_equal) / static_cast<double>(elements) : 1.0;
    }
};

} // namespace halfscope::kernels::judge
