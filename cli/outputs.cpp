#include "cli/outputs.h"

#include "cli/command.h"
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

void print_summary(const analysis::Assessment &assessment, const std::filesystem::path &html) {
    fmt::print("{}", reports::terminal_summary(assessment, reports::TerminalStyle::of(stdout), html));
    std::fflush(stdout);
}

} // namespace halfscope::cli
