#include "reports/document/csv.h"

#include "reports/document/csv_field.h"
#include "reports/document/output_file.h"

#include <fmt/format.h>

#include <iterator>

namespace halfscope::reports {
namespace {

void append_run(std::string &table, const std::string &name, const std::vector<trace::Step> &steps) {
    for (const auto &step : steps)
        fmt::format_to(std::back_inserter(table), "{},{},{},{},{},{}\n", csv_field(name), step.step,
                       csv_number(step.loss), csv_number(step.loss_scale), step.skipped ? 1 : 0,
                       csv_number(step.gradient_norm));
}

} // namespace

std::string to_csv(const analysis::Assessment &assessment) {
    std::string table = "run,step,loss,loss_scale,skipped,gradient_norm\n";
    const auto &reference = assessment.reference;
    const std::string twin = reference.run.recipe.empty() ? "fp32" : reference.run.recipe;
    append_run(table, twin, reference.steps);
    for (std::size_t i = 0; i < reference.sibling_losses.size(); ++i)
        for (std::size_t step = 0; step < reference.sibling_losses[i].size(); ++step)
            fmt::format_to(std::back_inserter(table), "{},{},{},,,\n", csv_field(fmt::format("{}#{}", twin, i + 2)),
                           step, csv_number(reference.sibling_losses[i][step]));
    for (const auto &recipe : assessment.recipes) append_run(table, recipe.run.recipe, recipe.steps);
    return table;
}

void write_csv(const analysis::Assessment &assessment, const std::filesystem::path &file) {
    write_output_file(file, to_csv(assessment));
}

} // namespace halfscope::reports
