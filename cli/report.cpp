// `halfscope report DIR`: documents from a trace, also from one that was cut short.
#include "analysis/verdict/assess.h"
#include "cli/command.h"
#include "cli/outputs.h"
#include "reports/document/csv.h"
#include "reports/document/document.h"
#include "reports/document/fix_document.h"
#include "reports/document/validation_document.h"
#include "reports/render/html.h"
#include "trace/io/reader.h"

#include <fmt/format.h>

#include <memory>

namespace halfscope::cli {
namespace {

struct Options {
    std::string directory, html, json, csv;
    CheckDocuments checks;
};

int report(const Options &options) {
    const trace::Reader reader(options.directory);
    analysis::Assessment assessment = analysis::assess(reader);
    reports::restore_fixes(assessment, options.directory);
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
    command->add_option("--html", options->html, "Write the HTML report here");
    command->add_option("--json", options->json, "Write the JSON document here");
    command->add_option("--csv", options->csv, "Write loss, scale and skips per step here");
    add_check_documents(*command, options->checks);
    command->callback([options, &invocation] { invocation.exit_code = report(*options); });
}

} // namespace halfscope::cli
