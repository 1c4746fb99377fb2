// A benchmark compares us with a peer doing the same work, in the same process and the same minute: machines are
// shared, so only ratios mean anything. One file per benchmark; each registers itself.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace halfscope::bench {

struct Options {
    int threads = 0;     ///< for benchmarks that use several; 0 takes all cores
    int repetitions = 0; ///< rounds of interleaved runs; 0 lets each benchmark choose
};

/// One line of the result.
struct Figure {
    std::string key;             ///< as in the JSON object
    std::optional<double> ratio; ///< none: not measured
    std::string detail;          ///< absolute numbers, or why there is no ratio
};

struct Benchmark {
    std::string name;
    std::function<std::vector<Figure>(const Options &)> run;
};

/// All benchmarks, by name.
std::vector<Benchmark> &registry();

struct Registration {
    Registration(std::string name, std::function<std::vector<Figure>(const Options &)> run);
};

/// Seconds of each body in each of `rounds` rounds; in a round every body runs once, in turn. One round more goes first
/// and is not counted.
std::vector<std::vector<double>> interleave(int rounds, const std::vector<std::function<void()>> &bodies);

double median(std::vector<double> values);
/// Median over rounds of a / b: both ran next to each other, so that a slow moment of the machine hits both.
double median_ratio(const std::vector<double> &a, const std::vector<double> &b);

int threads_of(const Options &options);

} // namespace halfscope::bench
