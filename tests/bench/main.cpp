// halfscope_bench: the hot paths beside their peers. --json prints one JSON object of ratios on standard output.
#include "tests/bench/benchmark.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>

int main(int argc, char **argv) {
    using namespace halfscope::bench;
    CLI::App app{"The hot paths of HalfScope as ratios to their peers, measured in one run."};
    Options options;
    bool as_json = false;
    std::string only;
    app.add_flag("--json", as_json, "print one JSON object of ratios; a ratio that could not be measured is null");
    app.add_option("--only", only, "run the benchmarks whose name contains this");
    app.add_option("--threads", options.threads, "threads of the benchmarks that use several (0: all cores)");
    app.add_option("--repetitions", options.repetitions, "rounds of interleaved runs (0: each benchmark's own choice)");
    CLI11_PARSE(app, argc, argv);

    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (const Benchmark &benchmark : registry()) {
        if (benchmark.name.find(only) == std::string::npos) continue;
        for (const Figure &figure : benchmark.run(options)) {
            object[figure.key] = figure.ratio ? nlohmann::ordered_json(*figure.ratio) : nlohmann::ordered_json();
            if (!as_json)
                std::printf("%-28s %8s  %s\n", figure.key.c_str(),
                            figure.ratio ? std::to_string(*figure.ratio).substr(0, 6).c_str() : "-",
                            figure.detail.c_str());
            else if (!figure.ratio)
                std::fprintf(stderr, "halfscope_bench: no %s: %s\n", figure.key.c_str(), figure.detail.c_str());
            std::fflush(stdout);
        }
    }
    if (as_json) std::printf("%s\n", object.dump(2).c_str());
    return 0;
}
