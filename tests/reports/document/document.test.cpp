#include "reports/document/document.h"
#include "sample_assessment.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

using namespace halfscope;
using reports::Json;

namespace {

const Json &recipe_named(const Json &document, const std::string &name) {
    for (const auto &recipe : document["recipes"])
        if (recipe["name"] == name) return recipe;
    throw std::logic_error("no recipe " + name);
}

std::set<std::string> keys_of(const Json &object) {
    std::set<std::string> keys;
    for (const auto &[key, value] : object.items()) keys.insert(key);
    return keys;
}

/// Every value in the tree, objects' and arrays' own included.
template <class Visit> void for_each_value(const Json &value, const Visit &visit) {
    visit(value);
    if (value.is_structured())
        for (const auto &item : value) for_each_value(item, visit);
}

} // namespace

TEST_CASE("the document has the fields that the command line promises") {
    const Json document = reports::to_document(tests::sample_assessment());
    CHECK(document["schema"] == "halfscope.report/1");
    for (const char *key : {"model", "data", "environment", "reference", "recipes"}) CHECK(document.contains(key));
    CHECK(document["reference"]["loss"].size() == 120);
    CHECK(document["reference"]["layers"].size() == 12);
    CHECK(document["recipes"].size() == 4);
    for (const auto &recipe : document["recipes"]) {
        for (const char *key : {"name", "verdict", "findings", "loss", "loss_scale", "layers", "fidelity"})
            CHECK(recipe.contains(key));
        CHECK(recipe["loss"].size() == 120);
        CHECK(recipe["loss_scale"]["trajectory"].size() == 120);
        for (const auto &finding : recipe["findings"])
            CHECK(keys_of(finding) == std::set<std::string>{"detector", "severity", "layer", "tensor", "first_step",
                                                            "evidence", "cause", "remedy"});
    }
    CHECK(recipe_named(document, "fp16-amp")["loss_scale"]["window_log2"] == Json::array({12, 18}));
    CHECK(recipe_named(document, "fp16-pure")["loss_scale"]["window_log2"].is_null());
    CHECK(recipe_named(document, "fp16-pure")["verdict"] == "unsafe");
    CHECK(recipe_named(document, "fp16-pure")["findings"][0]["detector"] == "gradient-underflow");
    CHECK(recipe_named(document, "fp16-pure")["findings"][0]["severity"] == "critical");
}

TEST_CASE("a device in lockstep is in the document, and only then") {
    auto assessment = tests::sample_assessment();
    CHECK_FALSE(reports::to_document(assessment).contains("lockstep"));
    assessment.lockstep = {{"fc1", "matmul", 2, 100, 100, 0}, {"", "adam_step", 2, 50, 49, 1}};
    const Json lockstep = reports::to_document(assessment)["lockstep"];
    CHECK(lockstep["elements"] == 150);
    CHECK(lockstep["bit_equal"] == 149);
    CHECK(lockstep["different_statistics"] == 1);
    CHECK(lockstep["operations"][1]["operation"] == "adam_step");
    CHECK(keys_of(lockstep["operations"][0]) ==
          std::set<std::string>{"layer", "operation", "runs", "elements", "bit_equal", "different_statistics"});
}

TEST_CASE("skipped steps are counted and named") {
    const auto assessment = tests::sample_assessment();
    const Json document = reports::to_document(assessment);
    const Json &scale = recipe_named(document, "fp16-amp")["loss_scale"];
    REQUIRE(scale["skipped_steps"] > 0);
    CHECK(scale["skipped_at"].size() == scale["skipped_steps"]);
    for (const auto &step : scale["skipped_at"]) CHECK(assessment.recipes[0].steps[step.get<std::size_t>()].skipped);
}

TEST_CASE("numbers that are not finite are words, and the text is JSON that reads back the same") {
    const Json document = reports::to_document(tests::sample_assessment());
    const Json &loss = recipe_named(document, "fp16-pure")["loss"];
    CHECK(loss[80] == "inf");
    CHECK(loss[81] == "nan");
    CHECK(reports::number_or_name(-std::numeric_limits<double>::infinity()) == "-inf");
    for_each_value(document, [](const Json &value) {
        if (value.is_number_float()) REQUIRE(std::isfinite(value.get<double>()));
    });
    CHECK(Json::parse(reports::to_text(document)) == document);
}

TEST_CASE("the same assessment gives the same bytes") {
    const auto assessment = tests::sample_assessment();
    CHECK(reports::to_text(reports::to_document(assessment)) == reports::to_text(reports::to_document(assessment)));
}

TEST_CASE("statistics of a tensor follow from its counts") {
    analysis::TensorSummary tensor;
    tensor.name = "w.grad";
    tensor.role = "weight_gradient";
    tensor.format = "fp16";
    auto &total = tensor.total;
    total.count = 10; // 2 zeros, 1 inf, 7 values: 4 * 2^-30 and 3 * 1
    total.zeros = 2;
    total.infinities = 1;
    total.underflows = 4;
    total.exponents[127 - 30] = 4;
    total.exponents[127] = 3;
    total.amax = 1;
    total.amin = 0x1p-30F;
    total.sum = -3;
    total.sum_abs = 3;
    total.sum_squares = 3;
    tensor.underflow_share = 4.0 / 8;
    tensor.underflow_share_of_all = 4.0 / 10;
    tensor.steps = {0, 5, 10};
    tensor.underflow_by_step = {0, 0.25F, 0.5F};
    tensor.overflow_by_step = {0, 0, 0};
    tensor.non_finite_by_step = {0, 0, 1};
    analysis::Assessment assessment;
    assessment.reference.layers.emplace_back().tensors = {tensor};
    const Json document = reports::to_document(assessment);
    const Json &s = document["reference"]["layers"][0]["tensors"]["weight_gradient"];
    CHECK(s["underflows%"] == 40.0);
    CHECK(s["underflows%_of_nonzero"] == 50.0);
    CHECK(s["exponents"]["lowest"] == -30);
    CHECK(s["exponents"]["counts"].size() == 31);
    CHECK(s["exponents"]["counts"].front() == 4);
    CHECK(s["exponents"]["counts"].back() == 3);
    CHECK(s["mean_abs"].get<double>() == 3.0 / 9);
    CHECK(s["mean"].get<double>() == -3.0 / 9);
    CHECK(s["first_step"]["underflow"] == 5);
    CHECK(s["first_step"]["overflow"].is_null());
    CHECK(s["first_step"]["non_finite"] == 10);
    CHECK(s["worst_step"]["underflow"]["step"] == 10);
    CHECK(s["worst_step"]["underflow"]["%"] == 50.0);
    CHECK(s["worst_step"]["overflow"].is_null());
}

TEST_CASE("tensors that share a role are pooled, and each is kept") {
    const auto assessment = tests::sample_assessment({3, 10, 1});
    const Json document = reports::to_document(assessment);
    const Json &weight = document["recipes"][3]["layers"][0]["tensors"]["weight"];
    REQUIRE(weight["members"].size() == 2);
    const auto sum = [&](const char *key) {
        return weight["members"][0][key].get<std::uint64_t>() + weight["members"][1][key].get<std::uint64_t>();
    };
    for (const char *key : {"count", "num_zero", "underflows", "subnormals", "overflows", "num_inf", "num_nan"})
        CHECK(weight[key] == sum(key));
    const double non_zero = static_cast<double>(sum("count") - sum("num_zero"));
    CHECK(weight["underflows%_of_nonzero"].get<double>() == 100 * (static_cast<double>(sum("underflows")) / non_zero));
    CHECK(weight["amax"] == std::max(weight["members"][0]["amax"], weight["members"][1]["amax"]));
    CHECK_FALSE(document["recipes"][3]["layers"][0]["tensors"]["activation"].contains("members"));
}

TEST_CASE("text that is not UTF-8 does not stop the report") {
    auto assessment = tests::sample_assessment({1, 2, 1});
    assessment.session.model = "model\xFF.onnx";
    const std::string text = reports::to_text(reports::to_document(assessment));
    CHECK(Json::parse(text)["model"] == "model\uFFFD.onnx");
}

TEST_CASE("an empty assessment is a document too") {
    const Json document = reports::to_document({});
    CHECK(document["recipes"].empty());
    CHECK(document["environment"].is_object());
    CHECK(document["settings"].is_object());
}
