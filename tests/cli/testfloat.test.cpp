// TestFloat's pipe: lines in, lines out, in its verifier's form; every function by its name.
#include "cli/testfloat_functions.h"
#include "tests/cli/program.h"

#include <doctest/doctest.h>

#include <set>

using namespace halfscope::cli;

namespace {

std::string answer(const std::string &function, const std::string &lines, const std::string &flags = "") {
    const auto file = scratch("testfloat") / "cases";
    std::ofstream(file) << lines;
    return run("testfloat " + function + " " + flags + " <" + file.string()).out;
}

} // namespace

TEST_CASE("operands, result, flags") {
    CHECK(answer("f16_add", "87FF E850\n") == "87FF E850 E850 01\n");
    CHECK(answer("f16_mulAdd", "3C00 3C00 1000\n3C00 3C00 BC00\n") ==
          "3C00 3C00 1000 3C00 01\n3C00 3C00 BC00 0000 00\n");
    CHECK(answer("f16_add", "3C00 1000\n", "--rounding max") == "3C00 1000 3C01 01\n");
    CHECK(answer("f16_div", "3C00 0000\n") == "3C00 0000 7C00 08\n");
    CHECK(answer("f16_eq", "3C00 3C00\n7E00 3C00\n") == "3C00 3C00 1 00\n7E00 3C00 0 00\n");
    CHECK(answer("f16_lt", "7E00 3C00\n") == "7E00 3C00 0 10\n");
    CHECK(answer("f16_to_i32", "C100\n") == "C100 FFFFFFFE 00\n");
    CHECK(answer("f16_to_i32", "C100\n", "--exact") == "C100 FFFFFFFE 01\n");
    CHECK(answer("i64_to_f16", "FFFFFFFFFFFFFFFF\n") == "FFFFFFFFFFFFFFFF BC00 00\n");
    CHECK(answer("f32_to_f16", "477FF000\n") == "477FF000 7C00 05\n");
    CHECK(answer("f16_to_f64", "0001\n") == "0001 3E70000000000000 00\n");
    CHECK(answer("bf16_mul", "3F81 3F81\n") == "3F81 3F81 3F82 01\n");
    CHECK(answer("f16_roundToInt", "3E00\n") == "3E00 4000 00\n");
    CHECK(answer("f16_rem", "4500 4200\n") == "4500 4200 BC00 00\n");
    // 2^-14 (1 - 2^-12): rounds to the smallest normal; tiny before rounding, and after it too with unlimited
    // exponents.
    CHECK(answer("f32_to_f16", "387FF000\n", "--tininess before") == "387FF000 0400 03\n");
    CHECK(answer("f32_to_f16", "387FF800\n", "--tininess after") == "387FF800 0400 01\n");
}

TEST_CASE("a line that is not a case is refused with its number; cases before it stand") {
    const auto file = scratch("testfloat-bad") / "cases";
    std::ofstream(file) << "3C00 3C00\n3C00\n";
    const Finished finished = run("testfloat f16_add <" + file.string());
    CHECK(finished.exit_code == 2);
    CHECK(finished.err.find("line 2") != std::string::npos);
    CHECK(finished.out == "3C00 3C00 4000 00\n");
}

TEST_CASE("every function of the suite is there for f16 and bf16") {
    const auto names = testfloat_function_names();
    const std::set<std::string> known(names.begin(), names.end());
    for (const std::string format : {"f16", "bf16", "f32", "f64"}) {
        for (const char *suffix : {"add", "sub", "mul", "div", "rem", "mulAdd", "sqrt", "roundToInt", "eq", "le", "lt",
                                   "eq_signaling", "le_quiet", "lt_quiet", "to_ui32", "to_ui64", "to_i32", "to_i64"})
            CHECK_MESSAGE(known.contains(format + "_" + suffix), format << "_" << suffix);
        for (const std::string integer : {"ui32", "ui64", "i32", "i64"})
            CHECK(known.contains(integer + "_to_" + format));
    }
    for (const char *name : {"f16_to_f32", "f32_to_f16", "f16_to_f64", "f64_to_bf16", "bf16_to_f32", "f16_to_bf16"})
        CHECK(known.contains(name));
}
