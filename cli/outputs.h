// Where a judged run goes: documents on disk, the summary on the terminal, the exit code.
#pragma once

#include "analysis/verdict/assessment.h"
#include "cli/command.h"

#include <filesystem>
#include <string>

namespace halfscope::cli {

/// 1 when a recipe is unsafe, else 3 when one has no verdict (or nothing but a twin that does not train was run), else
/// 0.
[[nodiscard]] int exit_code_of(const analysis::Assessment &assessment);

/// Documents for a continuous integration system; empty: not wanted.
struct CheckDocuments {
    std::string junit, markdown;
};

/// Declares --junit and --markdown.
void add_check_documents(CLI::App &command, CheckDocuments &documents);
void write_check_documents(const analysis::Assessment &assessment, const CheckDocuments &documents);

/// The summary, on standard output; `html` is named at its end when it is not empty.
void print_summary(const analysis::Assessment &assessment, const std::filesystem::path &html);

} // namespace halfscope::cli
