#include "analysis/compare/run_difference.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::analysis;

namespace {

RecipeAssessment recipe(const std::string &name, Verdict verdict) {
    RecipeAssessment made;
    made.run.recipe = name;
    made.verdict = verdict;
    return made;
}

Finding finding(const std::string &detector, const std::string &layer) {
    Finding made;
    made.detector = detector;
    made.layer = layer;
    return made;
}

LayerSummary layer(const std::string &name, const std::string &tensor, double underflow) {
    LayerSummary made;
    made.name = name;
    made.tensors.emplace_back();
    made.tensors[0].name = tensor;
    made.tensors[0].underflow_share = underflow;
    return made;
}

} // namespace

TEST_CASE("a graver verdict is worse, a milder one and one without verdict are not") {
    const auto worse = [](Verdict was, Verdict is) {
        Assessment before, after;
        before.recipes = {recipe("fp16-amp", was)};
        after.recipes = {recipe("fp16-amp", is)};
        return difference_of(before, after).worse();
    };
    CHECK(worse(Verdict::safe, Verdict::risky));
    CHECK(worse(Verdict::risky, Verdict::unsafe));
    CHECK_FALSE(worse(Verdict::unsafe, Verdict::safe));
    CHECK_FALSE(worse(Verdict::safe, Verdict::safe));
    CHECK_FALSE(worse(Verdict::safe, Verdict::no_verdict));
    CHECK_FALSE(worse(Verdict::no_verdict, Verdict::unsafe));
}

TEST_CASE("recipes of one run alone are named, in the second run's order first") {
    Assessment before, after;
    before.recipes = {recipe("old", Verdict::safe), recipe("both", Verdict::safe)};
    after.recipes = {recipe("both", Verdict::safe), recipe("new", Verdict::unsafe)};
    const RunDifference difference = difference_of(before, after);
    REQUIRE(difference.recipes.size() == 3);
    CHECK(difference.recipes[0].name == "both");
    CHECK(difference.recipes[0].same_verdict());
    CHECK(difference.recipes[1].before == nullptr);
    CHECK(difference.recipes[2].name == "old");
    CHECK(difference.recipes[2].after == nullptr);
    CHECK_FALSE(difference.worse()); // nothing to hold "new" against
}

TEST_CASE("findings are matched by cause and place, layers by what they lose") {
    Assessment before, after;
    before.recipes = {recipe("r", Verdict::risky)};
    after.recipes = {recipe("r", Verdict::risky)};
    before.recipes[0].findings = {finding("gradient-underflow", "a"), finding("scale-collapse", "")};
    after.recipes[0].findings = {finding("gradient-underflow", "b"), finding("scale-collapse", "")};
    before.recipes[0].layers = {layer("a", "a.grad", 0.5), layer("b", "b.grad", 0.010), layer("c", "c.grad", 0.3)};
    after.recipes[0].layers = {layer("b", "b.grad", 0.015), layer("c", "c.grad", 0.1), layer("a", "a.grad", 0.0)};
    const RunDifference difference = difference_of(before, after);
    const RecipeChange &change = difference.recipes.at(0);
    REQUIRE(change.appeared.size() == 1);
    CHECK(change.appeared[0]->layer == "b");
    REQUIRE(change.gone.size() == 1);
    CHECK(change.gone[0]->layer == "a");
    REQUIRE(change.layers.size() == 2); // half a percentage point is none
    CHECK(change.layers[0].layer == "a");
    CHECK(change.layers[0].before == 0.5);
    CHECK(change.layers[1].layer == "c");
}

TEST_CASE("facts that differ are told, also those that one run lacks") {
    Assessment before, after;
    before.session.model = after.session.model = "zoo:mlp";
    before.session.settings = {{"lr", "0.1"}, {"seed", "0"}};
    after.session.settings = {{"lr", "0.2"}, {"seed", "0"}, {"clip", "1"}};
    const RunDifference difference = difference_of(before, after);
    REQUIRE(difference.facts.size() == 2);
    CHECK(difference.facts[0].name == "clip");
    CHECK(difference.facts[0].before.empty());
    CHECK(difference.facts[1].name == "lr");
    CHECK(difference.facts[1].after == "0.2");
}
