// The judge of the device's special functions, on results whose errors are known.
#include "tests/gpu/special_functions/errors.h"

#include "emulation/number/conversion.h"

#include <doctest/doctest.h>

#include <bit>
#include <vector>

using namespace halfscope;
using namespace halfscope::gpu;

namespace {

std::vector<std::uint16_t> correctly_rounded(SpecialFunction function, number::FormatId id) {
    const number::Format &format = number::format_of(id), &wide = number::format_of(number::FormatId::fp64);
    std::vector<std::uint16_t> results(all_inputs);
    for (std::size_t pattern = 0; pattern < all_inputs; ++pattern) {
        const double x = std::bit_cast<double>(number::convert(format, pattern, wide).bits);
        results[pattern] = static_cast<std::uint16_t>(
            number::convert(wide, std::bit_cast<std::uint64_t>(exactly(function, x)), format).bits);
    }
    return results;
}

FunctionErrors judged(SpecialFunction function, number::FormatId id, const std::vector<std::uint16_t> &results) {
    return function_errors(function, id, std::span<const std::uint16_t, all_inputs>(results.data(), all_inputs));
}

} // namespace

TEST_CASE("a correctly rounded function is within half a unit in the last place") {
    for (const number::FormatId id : {number::FormatId::fp16, number::FormatId::bf16})
        for (std::size_t f = 0; f < special_function_names.size(); ++f) {
            const auto function = static_cast<SpecialFunction>(f);
            CAPTURE(special_function_names[f]);
            const FunctionErrors errors = judged(function, id, correctly_rounded(function, id));
            CHECK(errors.compared > 10000);
            CHECK(errors.worst_ulp <= 0.5);
            CHECK(errors.worst_ulp > (function == SpecialFunction::sqrt ? 0.3 : 0.4));
            CHECK(errors.not_rounded == 0);
            CHECK(errors.wrong_kind == 0);
        }
}

TEST_CASE("wrong results are found where they are") {
    auto results = correctly_rounded(SpecialFunction::rcp, number::FormatId::fp16);
    results[0x4000] = 0x3802; // 1/2 and two places more
    results[0x0000] = 0x7bff; // 1/0 is infinite
    results[0x7e00] = 0;      // of NaN
    const FunctionErrors errors = judged(SpecialFunction::rcp, number::FormatId::fp16, results);
    CHECK(errors.worst_ulp == 2);
    CHECK(errors.worst_input == 0x4000);
    CHECK(errors.not_rounded == 1);
    CHECK(errors.wrong_kind == 2);
}
