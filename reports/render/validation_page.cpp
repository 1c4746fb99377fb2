#include "reports/render/validation_page.h"

#include "reports/document/output_file.h"
#include "reports/render/escaped.h"
#include "reports/render/plain_page.h"
#include "reports/render/validation_text.h"

#include <fmt/format.h>

#include <iterator>

namespace halfscope::reports {
namespace {

using kernels::Validation;
using kernels::judge::Verdict;

std::string_view tone_of(Verdict verdict) {
    return verdict == Verdict::bit_equal ? "good" : verdict == Verdict::different_order ? "fine" : "bad";
}

} // namespace

std::string validation_page(const kernels::ValidationRun &run) {
    std::string rows, skipped;
    std::int64_t passed = 0, failed = 0, left_out = 0;
    TerminalStyle plain;
    plain.width = 100;
    for (const Validation &validation : run.validations) {
        const auto &judgement = validation.judgement;
        if (judgement.verdict == Verdict::skipped) {
            ++left_out;
            fmt::format_to(std::back_inserter(skipped), "<tr><td><code>{}</code></td><td>{}</td></tr>\n",
                           escaped(validation.kernel), escaped(judgement.explanation));
            continue;
        }
        ++(kernels::judge::is_pass(judgement.verdict) ? passed : failed);
        const std::int64_t equal = judgement.bit_equal + judgement.nan_payload_differences;
        fmt::format_to(std::back_inserter(rows),
                       "<tr><td><details><summary><code>{}</code></summary><p class=\"quiet\">{}; {}</p>"
                       "<pre>{}</pre></details></td><td class=\"number\">{}</td><td class=\"number\">{}</td>"
                       "<td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"{}\">{}</td></tr>\n",
                       escaped(validation.kernel), escaped(validation.order), escaped(validation.inputs),
                       escaped(judgement_text(judgement, plain)), judgement.elements, equal, judgement.worst_ulp,
                       judgement.errors ? fmt::format("{:.3g}", judgement.errors->worst_of_bound) : "",
                       tone_of(judgement.verdict), kernels::judge::name_of(judgement.verdict));
    }
    std::string page;
    fmt::format_to(std::back_inserter(page),
                   "<p class=\"quiet\">HalfScope {}</p><h1>{} of {} kernels passed, {} skipped</h1>\n",
                   escaped(run.halfscope_version), passed, passed + failed, left_out);
    if (!rows.empty())
        page += "<div class=\"wide\"><table><thead><tr><th>Kernel</th><th class=\"number\">Elements</th>"
                "<th class=\"number\">Bit-equal</th><th class=\"number\">Worst ulp</th>"
                "<th class=\"number\">Error / bound</th><th>Verdict</th></tr></thead><tbody>\n" +
                rows + "</tbody></table></div>\n";
    if (!skipped.empty())
        page += "<h2>Skipped, so not judged</h2><div class=\"wide\"><table>" + skipped + "</table></div>\n";
    page += "<h2>How this was made</h2><pre>" + escaped(run.command) + "</pre><table>\n";
    for (const auto &[name, value] : run.environment)
        page += "<tr><th>" + escaped(name) + "</th><td>" + escaped(value) + "</td></tr>\n";
    return plain_page("Kernels", page + "</table>");
}

void write_html(const kernels::ValidationRun &run, const std::filesystem::path &file) {
    write_output_file(file, validation_page(run));
}

} // namespace halfscope::reports
