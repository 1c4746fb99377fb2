// The documents for continuous integration, read as their readers read them.
#include "reports/document/junit.h"
#include "reports/document/markdown.h"
#include "tests/reports/sample_assessment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace halfscope;

namespace {

std::size_t count(const std::string &text, const std::string &part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

/// Every element is closed in order and text holds no bare & or control character.
bool well_formed(const std::string &xml) {
    std::vector<std::string> open;
    for (std::size_t at = 0; at < xml.size(); ++at) {
        const auto c = static_cast<unsigned char>(xml[at]);
        if (c < 0x20 && c != '\n' && c != '\t') return false;
        if (xml[at] == '&') {
            const std::string entity = xml.substr(at + 1, xml.find(';', at) - at - 1);
            if (entity != "amp" && entity != "lt" && entity != "gt" && entity != "quot" && entity != "#10")
                return false;
        }
        if (xml[at] != '<') continue;
        const std::size_t end = xml.find('>', at);
        if (end == std::string::npos) return false;
        const std::string tag = xml.substr(at + 1, end - at - 1), name = tag.substr(0, tag.find(' '));
        if (count(tag, "\"") % 2 != 0) return false;
        if (name[0] == '?') continue;
        if (name[0] != '/')
            open.push_back(name);
        else if (open.empty() || "/" + open.back() != name)
            return false;
        else
            open.pop_back();
        at = end;
    }
    return open.empty();
}

} // namespace

TEST_CASE("JUnit: a test case a recipe; unsafe fails, no verdict is an error, text stays text") {
    auto assessment = tests::sample_assessment({.layers = 4, .steps = 24});
    assessment.recipes[0].verdict = analysis::Verdict::no_verdict;
    assessment.recipes[0].headline = "a < b && \"c\"\x01\n</testcase>";
    const std::string xml = reports::to_junit(assessment);
    CAPTURE(xml);
    CHECK(well_formed(xml));
    CHECK(count(xml, "<testcase ") == assessment.recipes.size());
    CHECK(count(xml, "<failure ") == 1);
    CHECK(count(xml, "<error ") == 1);
    CHECK(xml.find("tests=\"4\" failures=\"1\" errors=\"1\"") != std::string::npos);
    CHECK(xml.find("name=\"fp16-pure\"") != std::string::npos);
    CHECK(xml.find("type=\"gradient-underflow\"") != std::string::npos);
    CHECK(xml.find("a &lt; b &amp;&amp; &quot;c&quot;?&#10;&lt;/testcase&gt;") != std::string::npos);
}

TEST_CASE("Markdown: a row a recipe, causes of what is not safe, and the fix folded away") {
    auto assessment = tests::sample_assessment({.layers = 4, .steps = 24});
    assessment.recipes[3].headline = "one | two <script>";
    const std::string text = reports::to_markdown(assessment);
    CAPTURE(text);
    CHECK(count(text, "\n| `") == assessment.recipes.size());
    CHECK(count(text, "\n#### ") == 2); // risky and unsafe
    CHECK(text.find("❌ unsafe") != std::string::npos);
    CHECK(text.find("one \\| two &lt;script>") != std::string::npos);
    CHECK(text.find("<script") == std::string::npos);
    CHECK(count(text, "```toml\n") == 1);
    CHECK(count(text, "```") == 4);
    for (std::size_t at = 0; at < text.size();) { // every row of the table has its five cells
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        if (line.starts_with("|")) CHECK(count(line, "|") - count(line, "\\|") == 6);
        at = end + 1;
    }
}
