// Delta debugging against synthetic oracles, monotone and not.
#include "cli/fix/delta_debugging.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

using namespace halfscope::cli;

namespace {

Subset first(std::size_t count) {
    Subset all(count);
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
}

/// Counts questions and fails on a repeated one.
struct Counting {
    std::function<bool(const Subset &)> works;
    std::set<Subset> asked{};
    std::size_t most = 100000;

    Oracle oracle() {
        return [this](const Subset &subset) -> std::optional<bool> {
            CHECK(std::is_sorted(subset.begin(), subset.end()));
            CHECK(!subset.empty());
            if (asked.size() == most) return std::nullopt;
            CHECK(asked.insert(subset).second);
            return works(subset);
        };
    }
};

bool has(const Subset &subset, std::size_t element) {
    return std::binary_search(subset.begin(), subset.end(), element);
}

bool is_minimal(const Subset &kept, const std::function<bool(const Subset &)> &works) {
    if (!works(kept)) return false;
    for (const std::size_t element : kept) {
        Subset fewer = kept;
        std::erase(fewer, element);
        if (!fewer.empty() && works(fewer)) return false;
    }
    return true;
}

} // namespace

TEST_CASE("one element of 64 is found in two questions a halving, the first in one each") {
    for (const std::size_t culprit : {0U, 1U, 31U, 40U, 63U}) {
        Counting counting{[&](const Subset &subset) { return has(subset, culprit); }};
        const Minimised found = minimise(first(64), counting.oracle());
        CHECK(found.kept == Subset{culprit});
        CHECK(found.minimal);
        CHECK(counting.asked.size() <= 12);
        if (culprit == 0) CHECK(counting.asked.size() == 6);
    }
}

TEST_CASE("two elements far apart") {
    Counting counting{[](const Subset &subset) { return has(subset, 3) && has(subset, 60); }};
    const Minimised found = minimise(first(64), counting.oracle());
    CHECK(found.kept == Subset{3, 60});
    CHECK(found.minimal);
    CHECK(counting.asked.size() < 64); // less than dropping one after the other
}

TEST_CASE("all are needed: every single one is tried without, at most n^2 + 3n questions") {
    constexpr std::size_t n = 8;
    Counting counting{[](const Subset &subset) { return subset.size() == n; }};
    const Minimised found = minimise(first(n), counting.oracle());
    CHECK(found.kept.size() == n);
    CHECK(found.minimal);
    CHECK(counting.asked.size() <= n * n + 3 * n);
}

TEST_CASE("one element alone is not asked about") {
    Counting counting{[](const Subset &) { return true; }};
    const Minimised found = minimise({7}, counting.oracle());
    CHECK(found.kept == Subset{7});
    CHECK(found.minimal);
    CHECK(counting.asked.empty());
}

TEST_CASE("not monotone: a set may work while a larger one does not; the result is 1-minimal all the same") {
    std::mt19937 random(1);
    for (int trial = 0; trial < 300; ++trial) {
        const std::size_t n = 2 + random() % 9;
        const std::uint32_t salt = random();
        const auto works = [&](const Subset &subset) {
            if (subset.size() == n) return true;
            std::uint32_t hash = salt;
            for (const std::size_t element : subset)
                hash = (hash ^ static_cast<std::uint32_t>(element + 1)) * 16777619U;
            return (hash >> 16) % 4 == 0;
        };
        Counting counting{works};
        const Minimised found = minimise(first(n), counting.oracle());
        CHECK(found.minimal);
        CHECK(is_minimal(found.kept, works));
    }
}

TEST_CASE("an oracle that stops answering leaves the smallest set that worked, not called minimal") {
    Counting counting{[](const Subset &subset) { return has(subset, 63); }};
    counting.most = 4;
    const Minimised found = minimise(first(64), counting.oracle());
    CHECK(!found.minimal);
    CHECK(found.kept.size() == 16); // two halvings, two questions each
    CHECK(has(found.kept, 63));
}
