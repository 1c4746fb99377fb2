// The search against made-up judges: what is tried, in which order, and what it answers.
#include "cli/fix/search.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

using namespace halfscope;
using namespace halfscope::cli;
using analysis::Verdict;

namespace {

using Changes = std::vector<Change>;

Change layer(std::string name) { return {ChangeKind::layer, std::move(name)}; }
const Change scale{ChangeKind::loss_scale, "torch:init=4096"};
const Change masters{ChangeKind::masters};
const Change norms{ChangeKind::norms};

bool has(std::span<const Change> changes, const Change &change) {
    return std::find(changes.begin(), changes.end(), change) != changes.end();
}

Trial judged(bool safe, Changes suggestions = {}, double gap = 1) {
    return {safe ? Verdict::safe : Verdict::unsafe, safe ? "trains" : "does not train", gap, std::move(suggestions)};
}

Changes answer(const SearchResult &result) {
    REQUIRE(result.safe.has_value());
    CHECK(result.attempts[*result.safe].trial.verdict == Verdict::safe);
    return result.attempts[*result.safe].changes;
}

} // namespace

TEST_CASE("a loss scale that helps is found by one run") {
    SearchSpace space{.suggestions = {scale, layer("fc")}};
    const SearchResult result =
        search_fix(space, [](std::span<const Change> changes) { return judged(has(changes, scale)); });
    CHECK(answer(result) == Changes{scale});
    CHECK(result.attempts.size() == 1);
    CHECK(result.minimal);
}

TEST_CASE("each try names the next layer; what turned out superfluous is dropped") {
    // The scale is blamed first and is not at fault; behind the first overflow stand two more.
    const auto judge = [](std::span<const Change> changes) {
        for (const char *name : {"a", "b", "c"})
            if (!has(changes, layer(name))) return judged(false, {scale, layer(name)});
        return judged(true);
    };
    SearchSpace space{.suggestions = {scale, layer("a")}};
    const SearchResult result = search_fix(space, judge);
    Changes found = answer(result);
    std::sort(found.begin(), found.end());
    CHECK(found == Changes{layer("a"), layer("b"), layer("c")});
    CHECK(result.minimal);
    CHECK(!result.exhausted);
}

TEST_CASE("where blame runs out, all parts of the recipe are tried together and cut down") {
    SearchSpace space{
        .suggestions = {layer("fc")}, .parts = {scale, norms, masters}, .layers = {layer("fc"), layer("out")}};
    const SearchResult result =
        search_fix(space, [](std::span<const Change> changes) { return judged(has(changes, masters)); });
    CHECK(answer(result) == Changes{masters});
}

TEST_CASE("then every layer in fp32, of which delta debugging keeps the one that matters") {
    SearchSpace space;
    for (int i = 0; i < 40; ++i) space.layers.push_back(layer("layer" + std::to_string(i)));
    const SearchResult result =
        search_fix(space, [](std::span<const Change> changes) { return judged(has(changes, layer("layer29"))); });
    CHECK(answer(result) == Changes{layer("layer29")});
    CHECK(result.attempts.size() <= 1 + 12);
}

TEST_CASE("at last another recipe; of two loss scales the later one holds") {
    const Change other{ChangeKind::recipe, "bf16-amp"}, first{ChangeKind::recipe, "fp16-amp"};
    const Change fixed_scale{ChangeKind::loss_scale, "static:16"};
    const auto judge = [&](std::span<const Change> changes) {
        CHECK(std::count_if(changes.begin(), changes.end(),
                            [](const Change &change) { return change.kind == ChangeKind::loss_scale; }) <= 1);
        return judged(has(changes, other), has(changes, scale) ? Changes{fixed_scale} : Changes{scale});
    };
    SearchSpace space{.suggestions = {scale}, .recipes = {first, other}};
    const SearchResult result = search_fix(space, judge);
    CHECK(answer(result) == Changes{other});
    CHECK(result.attempts.size() == 4); // scale, static scale, fp16-amp, bf16-amp
}

TEST_CASE("nothing helps: said plainly, with what came nearest") {
    SearchSpace space{.suggestions = {scale}, .parts = {norms}, .layers = {layer("a"), layer("b")}};
    const auto judge = [](std::span<const Change> changes) {
        if (has(changes, norms) && !has(changes, layer("a"))) return judged(false, {}, 0.5);
        return judged(false, {}, std::numeric_limits<double>::infinity());
    };
    const SearchResult result = search_fix(space, judge);
    CHECK(!result.safe);
    REQUIRE(result.nearest.has_value());
    CHECK(result.attempts[*result.nearest].changes == Changes{scale, norms});
    CHECK(!result.exhausted);
    // A risky attempt is nearer than any unsafe one.
    const SearchResult risky = search_fix(space, [&](std::span<const Change> changes) {
        Trial trial = judge(changes);
        if (has(changes, layer("a")) && !has(changes, norms)) trial.verdict = Verdict::risky;
        return trial;
    });
    REQUIRE(risky.nearest.has_value());
    CHECK(risky.attempts[*risky.nearest].trial.verdict == Verdict::risky);
}

TEST_CASE("the bound on runs holds, and the best answer so far is given as not minimal") {
    SearchSpace space{.most_runs = 3};
    for (int i = 0; i < 64; ++i) space.layers.push_back(layer("layer" + std::to_string(i)));
    const auto judge = [](std::span<const Change> changes) { return judged(has(changes, layer("layer0"))); };
    const SearchResult result = search_fix(space, judge);
    CHECK(result.attempts.size() == 3);
    CHECK(result.exhausted);
    CHECK(!result.minimal);
    CHECK(answer(result).size() == 16);
}

TEST_CASE("an interruption ends the search at once; no set of changes is tried twice") {
    SearchSpace space{.suggestions = {scale}, .parts = {scale}, .layers = {layer("a")}};
    int runs = 0;
    const SearchResult result = search_fix(space, [&](std::span<const Change>) -> std::optional<Trial> {
        if (++runs == 2) return std::nullopt;
        return judged(false);
    });
    CHECK(result.interrupted);
    CHECK(result.attempts.size() == 1);
    CHECK(runs == 2); // {scale} again, as all parts, was not asked for: the second was {scale, a}
}

TEST_CASE("nothing to try is nothing found") {
    const SearchResult result = search_fix({}, [](std::span<const Change>) { return judged(true); });
    CHECK(!result.safe);
    CHECK(!result.nearest);
    CHECK(result.attempts.empty());
}
