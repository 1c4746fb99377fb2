#include "emulation/ops/operation.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace halfscope::ops;

TEST_CASE("every operation has a name of its own") {
    std::set<std::string_view> names;
    for (int index = 0; index <= static_cast<int>(OpKind::adam_step); ++index) {
        const std::string_view name = name_of(static_cast<OpKind>(index));
        CAPTURE(index);
        CHECK(!name.empty());
        CHECK(names.insert(name).second);
    }
    // adam_step must be the last enumerator, or the loop above misses some.
    CHECK(name_of(static_cast<OpKind>(static_cast<int>(OpKind::adam_step) + 1)).empty());
    CHECK(name_of(OpKind::layer_norm_gradient) == "layer_norm_gradient");
}

TEST_CASE("accumulation models are found by the name they print") {
    std::set<std::string_view> names;
    for (int index = 0; index <= static_cast<int>(Accumulation::cpu_avx512bf16); ++index) {
        const auto model = static_cast<Accumulation>(index);
        CHECK(!name_of(model).empty());
        CHECK(names.insert(name_of(model)).second);
        CHECK(accumulation_from(name_of(model)) == model);
    }
    CHECK(name_of(static_cast<Accumulation>(static_cast<int>(Accumulation::cpu_avx512bf16) + 1)).empty());
    CHECK(name_of(Accumulation::hopper_fp16acc) == "hopper-fp16acc");
    std::string message;
    try {
        (void)accumulation_from("hoper");
    } catch (const std::invalid_argument &error) {
        message = error.what();
    }
    CHECK(message.find("'hoper'") != std::string::npos);
    CHECK(message.find("fma-chain, ") != std::string::npos);
    CHECK(message.find("cpu-avx512bf16") != std::string::npos);
}
