#include "reports/document/csv.h"
#include "reports/document/document.h"
#include "sample_assessment.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace halfscope;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> lines_of(const std::string &text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

struct TemporaryFolder {
    fs::path path = fs::temp_directory_path() / ("halfscope-reports-" + std::to_string(::getpid()));
    TemporaryFolder() { fs::create_directories(path); }
    ~TemporaryFolder() { fs::remove_all(path); }
};

std::string contents(const fs::path &file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
}

std::string message_of(const fs::path &file) {
    try {
        reports::write_csv(tests::sample_assessment({1, 2, 1}), file);
    } catch (const std::runtime_error &error) {
        return error.what();
    }
    return "";
}

} // namespace

TEST_CASE("the table has a line per run and step, the twin first") {
    const auto assessment = tests::sample_assessment({2, 10, 1});
    const auto lines = lines_of(reports::to_csv(assessment));
    REQUIRE(lines.size() == 1 + 10 * (1 + 2 + 4));
    CHECK(lines[0] == "run,step,loss,loss_scale,skipped,gradient_norm");
    CHECK(lines[1].starts_with("fp32,0,"));
    CHECK(lines[11].starts_with("fp32#2,0,"));
    CHECK(lines[11].ends_with(",,,"));
    CHECK(lines[31].starts_with("fp16-amp,0,"));
    CHECK(lines[31].ends_with(",65536,1,inf"));
    CHECK(lines.back().starts_with("fp16-pure,9,nan,1,0,nan"));
}

TEST_CASE("a loss reads back to the same double") {
    const auto assessment = tests::sample_assessment({1, 3, 1});
    const std::string line = lines_of(reports::to_csv(assessment))[2];
    const std::string field = line.substr(7, line.find(',', 7) - 7);
    CHECK(std::stod(field) == assessment.reference.steps[1].loss);
}

TEST_CASE("a name with a comma or a quote is quoted") {
    auto assessment = tests::sample_assessment({1, 1, 1});
    assessment.recipes.resize(1);
    assessment.recipes[0].run.recipe = "mine, \"own\"";
    CHECK(lines_of(reports::to_csv(assessment)).back().starts_with("\"mine, \"\"own\"\"\",0,"));
}

TEST_CASE("a file that cannot be written is one sentence that names it") {
    const TemporaryFolder folder;
    CHECK(message_of(folder.path / "missing" / "steps.csv") ==
          "Cannot write " + (folder.path / "missing" / "steps.csv").string() + ": the directory " +
              (folder.path / "missing").string() + " does not exist.");
    CHECK(message_of(folder.path) == "Cannot write " + folder.path.string() + ": it is a directory.");
    CHECK(message_of("/dev/full").find("Cannot write /dev/full: ") == 0);
}

TEST_CASE("a document replaces the older one as a whole, and a link stays a link") {
    const TemporaryFolder folder;
    const auto assessment = tests::sample_assessment({1, 2, 1});
    const fs::path file = folder.path / "report.json", link = folder.path / "latest.json";
    std::ofstream(file) << "older";
    fs::create_symlink("report.json", link);
    reports::write_json(assessment, link);
    CHECK(fs::is_symlink(link));
    CHECK(contents(file) == reports::to_text(reports::to_document(assessment)));
    CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 2);
}
