#include "reports/render/plain_page.h"

#include "reports/render/escaped.h"

namespace halfscope::reports {
namespace {

constexpr std::string_view before_title = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>)";

constexpr std::string_view style = R"( · HalfScope</title><style>
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #5b6570; --line: #d9dee3; --page: #fff; --good: #1a7f37; --fine: #9a6700; --bad: #cf222e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9aa4ae; --line: #30363d; --page: #0d1117; --good: #3fb950; --fine: #d29922; --bad: #f85149 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 500; color: var(--quiet) } th, td { padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line) }
.number { text-align: right } .good { color: var(--good) } .fine { color: var(--fine) } .bad { color: var(--bad) } .quiet { color: var(--quiet) }
summary { cursor: pointer } pre { white-space: pre-wrap; font-size: 13px } code { font-size: 13px }
</style></head><body><main>
)";

} // namespace

std::string plain_page(std::string_view title, std::string_view body) {
    std::string page(before_title);
    page += escaped(title);
    page += style;
    page += body;
    return page + "</main></body></html>\n";
}

} // namespace halfscope::reports
