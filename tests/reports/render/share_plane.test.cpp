#include "reports/render/share_plane.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace halfscope;

namespace {

// A second reading of the encoding's description, for the test alone.
const std::string alphabet = "!#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}";

std::vector<unsigned> codes_of(const std::string &text) {
    const auto code = [&](std::size_t at) {
        return static_cast<unsigned>(88 * alphabet.find(text[at]) + alphabet.find(text[at + 1]));
    };
    std::vector<unsigned> codes;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == '~') {
            codes.insert(codes.end(), code(i + 3), code(i + 1));
            i += 5;
        } else {
            codes.push_back(code(i));
            i += 2;
        }
    }
    return codes;
}

double value_of(unsigned code, double lowest, double highest) {
    return code == 0 ? 0 : std::exp2(lowest + (code - 1) / 7741.0 * (highest - lowest));
}

/// Half a code's width in log2, as a relative error, and as much again for the rounding of logarithms.
double relative_error(double lowest, double highest) { return std::exp2(0.5 * (highest - lowest) / 7741.0) - 1 + 1e-6; }

} // namespace

TEST_CASE("shares come back within the stated error; zero and 'not traced' exactly") {
    std::vector<float> shares = {0, 0, 0, 0, 1, 1, 0.5F, 1e-3F, 1e-3F, 1e-9F, std::numeric_limits<float>::quiet_NaN()};
    for (int i = 1; i <= 1000; ++i) shares.push_back(static_cast<float>(i) / 1000.0F);
    const auto codes = codes_of(reports::encode_shares(shares));
    REQUIRE(codes.size() == shares.size());
    CHECK(relative_error(-40, 0) < 0.002); // what the header states
    for (std::size_t i = 0; i < shares.size(); ++i) {
        if (std::isnan(shares[i]))
            CHECK(codes[i] == 7743);
        else if (shares[i] == 0)
            CHECK(codes[i] == 0);
        else
            CHECK(std::abs(value_of(codes[i], -40, 0) / static_cast<double>(shares[i]) - 1) <= relative_error(-40, 0));
    }
}

TEST_CASE("magnitudes cover what fp32 holds") {
    const std::vector<float> magnitudes = {1e-45F, 1e-38F, 6e-8F, 1, 65504, 3.4e38F, 0};
    const auto codes = codes_of(reports::encode_magnitudes(magnitudes));
    CHECK(relative_error(-150, 130) < 0.013);
    for (std::size_t i = 0; i + 1 < magnitudes.size(); ++i)
        CHECK(std::abs(value_of(codes[i], -150, 130) / static_cast<double>(magnitudes[i]) - 1) <=
              relative_error(-150, 130));
    CHECK(codes.back() == 0);
}

TEST_CASE("long runs are short, beyond what one count can hold too") {
    const std::vector<float> many(20000, 0.25F);
    const std::string text = reports::encode_shares(many);
    CHECK(text.size() == 15);
    CHECK(codes_of(text).size() == many.size());
}

TEST_CASE("nothing that JSON or HTML would have to escape") {
    std::vector<float> shares;
    for (unsigned code = 0; code < 7744; ++code) shares.push_back(static_cast<float>(value_of(code, -40, 0)));
    CHECK(reports::encode_shares(shares).find_first_of("\"\\<>&") == std::string::npos);
}
