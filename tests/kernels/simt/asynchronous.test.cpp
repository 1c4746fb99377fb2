// Mistakes around wgmma and cp.async that a device forgives most of the time, and the executor never does.
#include "tests/kernels/simt/executor.h"
#include "tests/kernels/simt/faulty_products.h"

#include <doctest/doctest.h>

#include <string>

using simt::faulty::Mistake;
using simt::faulty::multiply_by_warpgroup;

namespace {

constexpr simt::Order orders[] = {simt::Order::ascending, simt::Order::descending, simt::Order::scattered};

std::string message_of(Mistake mistake) {
    try {
        return multiply_by_warpgroup(mistake) ? "right" : "wrong";
    } catch (const std::exception &error) {
        return error.what();
    }
}

/// Orders of threads in which the mistake shows in the bits.
int times_wrong(Mistake mistake) {
    int wrong = 0;
    for (const simt::Order order : orders) {
        simt::device() = {9, 0, order};
        wrong += message_of(mistake) == "wrong" ? 1 : 0;
    }
    simt::device() = {};
    return wrong;
}

} // namespace

TEST_CASE("a warpgroup's product needs its operands where the descriptors say") {
    CHECK(times_wrong(Mistake::none) == 0);
    CHECK(times_wrong(Mistake::stride) == 3);
    CHECK(times_wrong(Mistake::swizzle) == 3);
}

TEST_CASE("registers of a product that is under way are not its result") {
    CHECK(times_wrong(Mistake::early_results) > 0);
}

TEST_CASE("copies and products that are not ordered are refused") {
    struct Refusal {
        Mistake mistake;
        const char *words;
    };
    for (const Refusal &refusal : {Refusal{Mistake::no_copy_wait, "no fence.proxy.async has shown"},
                                   Refusal{Mistake::no_proxy_fence, "no fence.proxy.async has shown"},
                                   Refusal{Mistake::no_wgmma_fence, "without a wgmma.fence"},
                                   Refusal{Mistake::other_descriptor, "differ in instruction or descriptors"},
                                   Refusal{Mistake::no_product_wait, "without waiting for its wgmma"}})
        for (const simt::Order order : orders) {
            simt::device() = {9, 0, order};
            const std::string said = message_of(refusal.mistake);
            CHECK_MESSAGE(said.find(refusal.words) != std::string::npos, said);
        }
    simt::device() = {};
    CHECK(times_wrong(Mistake::early_overwriting) > 0);
    CHECK(multiply_by_warpgroup(Mistake::none)); // the machine goes on after an error
}

TEST_CASE("a device without wgmma says so") {
    simt::device() = {8, 0};
    CHECK(message_of(Mistake::none).find("compute capability 9.0") != std::string::npos);
    simt::device() = {};
}
