// The program: parses, sends to a subcommand, turns failures into one sentence and an exit code.
#include "cli/command.h"
#include "cli/nearest_name.h"
#include "cli/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace halfscope::cli;

/// The command line as it could be typed again.
std::string quoted_command_line(int argc, char **argv) {
    std::string line = "halfscope";
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const bool plain =
            !argument.empty() && argument.find_first_of(" '\"\\$*?[](){}|&;<>#~\t\n") == std::string::npos;
        std::string quoted;
        for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
        line += plain ? " " + argument : " '" + quoted + "'";
    }
    return line;
}

void complain(std::string_view sentence) { fmt::print(stderr, "halfscope: {}\n", sentence); }

/// The parser only says that a command is missing; a mistyped one deserves its nearest name.
void refuse_unknown_command(const CLI::App &app, int argc, char **argv) {
    if (argc < 2 || argv[1][0] == '-') return;
    std::vector<std::string> names;
    for (const CLI::App *command : app.get_subcommands({})) names.push_back(command->get_name());
    if (std::find(names.begin(), names.end(), argv[1]) == names.end())
        throw std::invalid_argument(fmt::format("'{}' is not a command; the nearest is '{}' (see 'halfscope --help')",
                                                argv[1], nearest_name(argv[1], names)));
}

/// Mistakes of the caller (a file, a flag, a shape) are invalid_argument, runtime_error and system errors of files;
/// anything else is a mistake of ours.
int run(int argc, char **argv) {
    CLI::App app("Will this model train in fp16 or bf16, which layers break, why, and what fixes it?", "halfscope");
    app.set_version_flag("--version", std::string(version));
    app.require_subcommand(1);
    app.get_formatter()->column_width(34);
    app.footer(
        "Exit codes: 0 safe or done, 1 a recipe is unsafe, 2 usage or input error, 3 no verdict, 4 internal error.");
    Invocation invocation;
    invocation.command_line = quoted_command_line(argc, argv);
    add_profile_command(app, invocation);
    add_converge_command(app, invocation);
    add_emulate_command(app, invocation);
    add_report_command(app, invocation);
    add_analyze_command(app, invocation);
    add_validate_command(app, invocation);
    add_explain_command(app, invocation);
    add_formats_command(app, invocation);
    add_zoo_command(app, invocation);
    add_doctor_command(app, invocation);
    add_testfloat_command(app, invocation);
    try {
        refuse_unknown_command(app, argc, argv);
        app.parse(argc, argv);
    } catch (const CLI::Success &help) {
        return app.exit(help);
    } catch (const CLI::ParseError &error) {
        const std::string parsed = app.get_subcommands().empty() ? "" : " " + app.get_subcommands().front()->get_name();
        complain(fmt::format("{} (see 'halfscope{} --help')", error.what(), parsed));
        return usage_error;
    }
    return invocation.exit_code;
}

} // namespace

int main(int argc, char **argv) {
    try {
        return run(argc, argv);
    } catch (const std::logic_error &error) {
        if (dynamic_cast<const std::invalid_argument *>(&error) == nullptr) {
            complain(fmt::format("internal error: {}", error.what()));
            return internal_error;
        }
        complain(error.what());
        return usage_error;
    } catch (const std::runtime_error &error) {
        complain(error.what());
        return usage_error;
    } catch (const std::bad_alloc &) {
        complain("out of memory: take a smaller --batch or a smaller model");
        return usage_error;
    } catch (const std::exception &error) {
        complain(fmt::format("internal error: {}", error.what()));
        return internal_error;
    }
}
