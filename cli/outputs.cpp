#include "cli/outputs.h"

#include "reports/document/junit.h"
#include "reports/document/markdown.h"
#include "reports/render/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace halfscope::cli {

int exit_code_of(const analysis::Assessment &assessment) {
    const auto &recipes = assessment.recipes;
    const auto any = [&](analysis::Verdict verdict) {
        return std::any_of(recipes.begin(), recipes.end(),
                           [&](const auto &recipe) { return recipe.verdict == verdict; });
    };
    if (any(analysis::Verdict::unsafe)) return unsafe;
    if (any(analysis::Verdict::no_verdict)) return no_verdict;
    if (recipes.empty() && !assessment.reference.sound) return no_verdict;
    return done;
}

void add_check_documents(CLI::App &command, CheckDocuments &documents) {
    command.add_option("--junit", documents.junit, "Write the verdicts as JUnit XML here: a test case a recipe");
    command.add_option("--markdown", documents.markdown, "Write a summary for a pull request here");
}

void write_check_documents(const analysis::Assessment &assessment, const CheckDocuments &documents) {
    if (!documents.junit.empty()) reports::write_junit(assessment, documents.junit);
    if (!documents.markdown.empty()) reports::write_markdown(assessment, documents.markdown);
}

void print_summary(const analysis::Assessment &assessment, const std::filesystem::path &html) {
    fmt::print("{}", reports::terminal_summary(assessment, reports::TerminalStyle::of(stdout), html));
    std::fflush(stdout);
}

} // namespace halfscope::cli
