// `halfscope report DIR [OTHER]`: documents from a trace, also from one that was cut short; two runs side by side.
#include "analysis/compare/run_difference.h"
#include "analysis/verdict/assess.h"
#include "cli/command.h"
#include "cli/outputs.h"
#include "reports/document/csv.h"
#include "reports/document/document.h"
#include "reports/document/fix_document.h"
#include "reports/document/output_file.h"
#include "reports/document/validation_document.h"
#include "reports/render/difference_page.h"
#include "reports/render/difference_text.h"
#include "reports/render/html.h"
#include "trace/io/lockstep_table.h"
#include "trace/io/reader.h"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>
#include <utility>

namespace halfscope::cli {
namespace {

struct Options {
    std::string directory, other, html, json, csv;
    CheckDocuments checks;
};

analysis::Assessment assessment_of(const std::string &directory) {
    analysis::Assessment assessment = analysis::assess(trace::Reader(directory));
    assessment.lockstep = trace::read_lockstep(directory);
    reports::restore_fixes(assessment, directory);
    return assessment;
}

int report_difference(const Options &options) {
    for (const auto &[flag, value] : {std::pair("--json", &options.json),
                                      {"--csv", &options.csv},
                                      {"--junit", &options.checks.junit},
                                      {"--markdown", &options.checks.markdown}})
        if (!value->empty())
            throw std::invalid_argument(fmt::format("{} is written of one run; of two there is --html", flag));
    const analysis::Assessment before = assessment_of(options.directory), after = assessment_of(options.other);
    const analysis::RunDifference difference = analysis::difference_of(before, after);
    if (!options.html.empty())
        reports::write_output_file(options.html,
                                   reports::difference_page(difference, options.directory, options.other));
    fmt::print("{}", reports::difference_text(difference, options.directory, options.other,
                                              reports::TerminalStyle::of(stdout)));
    return difference.worse() ? unsafe : done;
}

int report(const Options &options) {
    if (!options.other.empty()) return report_difference(options);
    const analysis::Assessment assessment = assessment_of(options.directory);
    if (!options.html.empty())
        reports::write_html(assessment, options.html, reports::read_validation(options.directory));
    if (!options.json.empty()) reports::write_json(assessment, options.json);
    if (!options.csv.empty()) reports::write_csv(assessment, options.csv);
    write_check_documents(assessment, options.checks);
    print_summary(assessment, options.html);
    return exit_code_of(assessment);
}

} // namespace

void add_report_command(CLI::App &app, Invocation &invocation) {
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("report", "Summary and documents from a trace, finished or cut short");
    command->add_option("DIR", options->directory, "The --out directory of a profile")->required();
    command->add_option(
        "OTHER", options->other,
        "A second one: the two side by side; exit code 1 when a recipe's verdict is graver in this one");
    command->add_option("--html", options->html, "Write the HTML report here");
    command->add_option("--json", options->json, "Write the JSON document here");
    command->add_option("--csv", options->csv, "Write loss, scale and skips per step here");
    add_check_documents(*command, options->checks);
    command->callback([options, &invocation] { invocation.exit_code = report(*options); });
}

} // namespace halfscope::cli
