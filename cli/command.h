// What main.cpp and the subcommands share: every subcommand is one file that adds itself to the parser.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace halfscope::cli {

/// Exit codes of the program; scripts rely on them.
enum ExitCode : int { done = 0, unsafe = 1, usage_error = 2, no_verdict = 3, internal_error = 4 };

/// State that outlives parsing: each command's callback sets `exit_code`.
struct Invocation {
    int exit_code = done;
    std::string command_line; ///< as typed, for the report's "reproduce" line
};

void add_profile_command(CLI::App &app, Invocation &invocation);
void add_converge_command(CLI::App &app, Invocation &invocation);
void add_validate_command(CLI::App &app, Invocation &invocation);
void add_emulate_command(CLI::App &app, Invocation &invocation);
void add_report_command(CLI::App &app, Invocation &invocation);
void add_analyze_command(CLI::App &app, Invocation &invocation);
void add_testfloat_command(CLI::App &app, Invocation &invocation);
void add_formats_command(CLI::App &app, Invocation &invocation);
void add_zoo_command(CLI::App &app, Invocation &invocation);
void add_explain_command(CLI::App &app, Invocation &invocation);
void add_doctor_command(CLI::App &app, Invocation &invocation);

} // namespace halfscope::cli
