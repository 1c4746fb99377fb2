// Prints the terminal summary of the sample report:  print_sample_summary
#include "reports/render/progress.h"
#include "reports/render/terminal.h"
#include "sample_assessment.h"

#include <cstdio>

int main() {
    using namespace halfscope;
    const auto style = reports::TerminalStyle::of(stdout);
    std::fputs(reports::terminal_summary(tests::sample_assessment(), style, "out/report.html").c_str(), stdout);
    return 0;
}
