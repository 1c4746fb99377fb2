// All 2^32 floats through every function. The C library's double functions are the reference: their own error, at most
// 2 ulp of a double, is below 2^-27 ulp of a float. At the worst input found they are checked against 50 decimal
// digits.
#include "tests/ops/transcendental/accuracy.h"

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <thread>

using namespace halfscope::tests;
using Precise = boost::multiprecision::cpp_bin_float_50;

namespace {

/// Independent of the C library; erf by its Taylor series, which 50 digits carry up to |x| = 4.
Precise precise(std::string_view name, float input) {
    const Precise x = input;
    if (name == "exp") return exp(x);
    if (name == "log") return log(x);
    if (name == "tanh") return tanh(x);
    if (name == "sin") return sin(x);
    if (name == "cos") return cos(x);
    Precise power = x, sum = x;
    for (int k = 1; k < 400; ++k) {
        power *= -x * x / k;
        sum += power / (2 * k + 1);
    }
    return sum * 2 / sqrt(boost::math::constants::pi<Precise>());
}

} // namespace

TEST_CASE("all floats stay within the stated errors, scalar and array bits equal") {
    constexpr std::uint32_t parts = 256;
    for (const Function &function : functions()) {
        std::atomic<std::uint32_t> next{0};
        std::mutex mutex;
        Worst worst;
        const auto work = [&] {
            for (std::uint32_t part; (part = next++) < parts;) {
                const Worst found = sweep(function, part << 24, 1, std::uint64_t{1} << 24, true);
                const std::lock_guard lock(mutex);
                const std::uint64_t unequal = worst.unequal + found.unequal;
                if (found.error > worst.error) worst = found;
                worst.unequal = unequal;
            }
        };
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
        for (std::thread &thread : threads) thread.join();
        std::printf("%s: %.4f ulp at %a, got %a, want %a\n", function.name, worst.error,
                    static_cast<double>(worst.input), static_cast<double>(worst.got), worst.wanted);
        std::fflush(stdout);
        CAPTURE(function.name);
        CHECK(worst.error <= function.stated);
        CHECK(worst.unequal == 0);
        const Precise exact = precise(function.name, worst.input);
        // Two ulp of a double, as claimed above, relative to a double's precision.
        CHECK(abs(exact - Precise(worst.wanted)) <= abs(exact) * Precise(0x1p-51));
    }
}
