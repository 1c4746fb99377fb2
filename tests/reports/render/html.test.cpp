#include "reports/render/html.h"
#include "reports/document/document.h"
#include "reports/document/validation_document.h"
#include "reports/render/page_data.h"
#include "sample_assessment.h"
#include "sample_validation.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace halfscope;
using reports::Json;

namespace {

std::string between(const std::string &text, const std::string &from, const std::string &to) {
    const auto begin = text.find(from);
    REQUIRE(begin != std::string::npos);
    const auto end = text.find(to, begin + from.size());
    REQUIRE(end != std::string::npos);
    return text.substr(begin + from.size(), end - begin - from.size());
}

std::size_t occurrences(const std::string &text, const std::string &word) {
    std::size_t count = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
    return count;
}

} // namespace

TEST_CASE("the page holds the whole report, whatever its text says") {
    const auto assessment = tests::sample_assessment({3, 20, 1}); // its notes hold "</script><script>"
    const std::string html = reports::to_html(assessment);
    const std::string data = between(html, "<script type=\"application/json\" id=\"data\">", "</script>");
    CHECK(Json::parse(data)["report"] == reports::to_document(assessment));
    CHECK(occurrences(html, "<script") == 2);
    CHECK(occurrences(html, "{{") == 0);
}

TEST_CASE("what validate found beside the trace joins the page") {
    const auto folder = std::filesystem::temp_directory_path() / fmt::format("halfscope-page-{}", getpid());
    std::filesystem::create_directories(folder);
    std::filesystem::remove(folder / "validation.json");
    CHECK(reports::read_validation(folder).is_null());
    const auto run = tests::sample_validation();
    reports::write_json(run, folder / "validation.json");
    const Json validation = reports::read_validation(folder);
    CHECK(validation == reports::to_document(run));
    const std::string html = reports::to_html(tests::sample_assessment({1, 2, 1}), validation);
    const std::string data = between(html, "<script type=\"application/json\" id=\"data\">", "</script>");
    CHECK(Json::parse(data)["validation"] == validation);
    std::ofstream(folder / "validation.json") << "{\"schema\": \"halfscope.report/1\"}";
    CHECK_THROWS_WITH_AS((void)reports::read_validation(folder), doctest::Contains("validation.json is no document"),
                         std::runtime_error);
    std::filesystem::remove_all(folder);
}

TEST_CASE("the page asks for nothing from anywhere") {
    const std::string html = reports::to_html(tests::sample_assessment({1, 2, 1}));
    for (const char *reference : {"src=", "<link", "@import", "fetch(", "XMLHttpRequest"})
        CHECK(occurrences(html, reference) == 0);
    CHECK(occurrences(html, "url(") == occurrences(html, "url(#")); // patterns within the page
    CHECK(occurrences(html, "default-src 'none'") == 1);
}

TEST_CASE("without scripts the verdicts can still be read") {
    auto assessment = tests::sample_assessment({1, 2, 1});
    assessment.recipes[0].headline = "a < b & c";
    const std::string html = reports::to_html(assessment);
    CHECK(occurrences(html, "<strong>fp16-pure: unsafe.</strong>") == 1);
    CHECK(occurrences(html, "a &lt; b &amp; c") == 1);
}

TEST_CASE("heat maps have a row per tensor and leave out planes of zeros") {
    const auto assessment = tests::sample_assessment({3, 20, 1});
    const Json data = reports::page_data(assessment);
    REQUIRE(data["heat"].size() == 4);
    const Json &heat = data["heat"][3]; // fp16-pure
    CHECK(heat["rows"].size() == 3 * 5);
    CHECK(heat["columns"].size() == 20);
    const auto has = [&](std::size_t recipe, const std::string &tensor, const char *plane) {
        for (const auto &row : data["heat"][recipe]["rows"])
            if (row["tensor"] == tensor) return row.contains(plane);
        FAIL("no row " << tensor);
        return false;
    };
    CHECK(has(3, "stem.conv.output.grad", "underflow"));
    CHECK(has(3, "stem.conv.output.grad", "non_finite"));
    CHECK_FALSE(has(1, "stem.conv.output.grad", "underflow")); // bf16
    CHECK(has(1, "stem.conv.output.grad", "amax"));
}

TEST_CASE("long runs are gathered into columns, of which the worst step counts") {
    auto assessment = tests::sample_assessment({1, 3000, 1});
    assessment.recipes.resize(1);
    assessment.recipes[0].layers[0].tensors.resize(1);
    auto &tensor = assessment.recipes[0].layers[0].tensors[0];
    std::fill(tensor.overflow_by_step.begin(), tensor.overflow_by_step.end(), 0.0F);
    tensor.overflow_by_step[2994] = 1.0F; // neither the first nor the last of its column
    const Json heat = reports::page_data(assessment)["heat"][0];
    CHECK(heat["columns"].size() == 375); // 8 steps each, at most 400 columns
    CHECK(heat["columns"][1] == 8);
    CHECK(heat["last"] == 2999);
    CHECK(heat["rows"][0].contains("overflow"));
}

TEST_CASE("runs whose tensors were traced at different steps share one axis") {
    auto assessment = tests::sample_assessment({1, 8, 1});
    auto &tensor = assessment.recipes[0].layers[0].tensors[0];
    tensor.steps = {0, 4, 100};
    tensor.underflow_by_step = tensor.overflow_by_step = tensor.subnormal_by_step = tensor.amax_by_step = {1, 1, 1};
    tensor.non_finite_by_step = {0, 0, 0};
    const Json heat = reports::page_data(assessment)["heat"][0];
    CHECK(heat["columns"] == Json::array({0, 1, 2, 3, 4, 5, 6, 7, 100}));
}
