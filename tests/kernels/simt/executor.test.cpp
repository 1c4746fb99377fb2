// The executor finds what it is there for: kernels with one mistake each.
#include "tests/kernels/simt/executor.h"
#include "tests/kernels/simt/faulty_kernels.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

namespace {

template <typename Body> std::string message_of(Body body) {
    try {
        body();
    } catch (const std::exception &error) {
        return error.what();
    }
    return "";
}

} // namespace

TEST_CASE("a missing barrier shows, whichever thread goes first") {
    for (const simt::Order order : {simt::Order::ascending, simt::Order::descending, simt::Order::scattered}) {
        simt::device() = {9, 0, order};
        std::vector<float> expected(64);
        for (int i = 0; i < 64; ++i) expected[static_cast<std::size_t>(i)] = static_cast<float>(63 - i);
        CHECK(simt::faulty::reverse(true) == expected);
        CHECK_FALSE(simt::faulty::reverse(false) == expected);
    }
    simt::device() = {};
}

TEST_CASE("shared memory that nobody wrote is NaN") { CHECK(std::isnan(simt::faulty::read_unwritten())); }

TEST_CASE("threads that wait for others in vain are named") {
    const std::string said = message_of([] { simt::faulty::part_ways(); });
    CHECK_MESSAGE(said.find("thread 0 waits at __syncthreads") != std::string::npos, said);
    CHECK_MESSAGE(message_of([] { simt::faulty::ask_the_departed(); }).find("reads lane 0, which is not there") !=
                      std::string::npos,
                  "");
    CHECK(simt::faulty::reverse(true)[0] == 63); // the machine goes on after an error
}

TEST_CASE("memory that an instruction may not have is refused") {
    CHECK(message_of([] { simt::faulty::take_host_memory(); }).find("not the device's") != std::string::npos);
    CHECK(message_of([] { simt::faulty::load_unaligned(); }).find("16 aligned bytes") != std::string::npos);
}

TEST_CASE("a matrix product needs its fragments in their registers") {
    CHECK(simt::faulty::multiply(false));
    CHECK_FALSE(simt::faulty::multiply(true));
}
