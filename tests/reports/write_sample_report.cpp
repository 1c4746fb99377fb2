// Writes the sample report's documents to a folder: for the browser and schema tests, and to look at the page.
//   write_sample_report FOLDER [LAYERS [STEPS [TRACE_EVERY]]]
#include "reports/document/csv.h"
#include "reports/document/document.h"
#include "reports/document/validation_document.h"
#include "reports/render/html.h"
#include "sample_assessment.h"
#include "sample_validation.h"

#include <cstdio>
#include <cstdlib>
#include <exception>

int main(int argc, char **argv) try {
    if (argc < 2) {
        std::fputs("usage: write_sample_report FOLDER [LAYERS [STEPS [TRACE_EVERY]]]\n", stderr);
        return 2;
    }
    halfscope::tests::SampleSize size;
    if (argc > 2) size.layers = std::atoi(argv[2]);
    if (argc > 3) size.steps = std::atoi(argv[3]);
    if (argc > 4) size.trace_every = std::atoi(argv[4]);
    const std::filesystem::path folder = argv[1];
    std::filesystem::create_directories(folder);
    const auto assessment = halfscope::tests::sample_assessment(size);
    halfscope::reports::write_json(assessment, folder / "report.json");
    halfscope::reports::write_csv(assessment, folder / "steps.csv");
    halfscope::reports::write_json(halfscope::tests::sample_validation(),
                                   folder / halfscope::reports::validation_file_name);
    halfscope::reports::write_html(assessment, folder / "report.html", halfscope::reports::read_validation(folder));
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
