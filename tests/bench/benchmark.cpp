#include "tests/bench/benchmark.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace halfscope::bench {

std::vector<Benchmark> &registry() {
    static std::vector<Benchmark> benchmarks;
    return benchmarks;
}

Registration::Registration(std::string name, std::function<std::vector<Figure>(const Options &)> run) {
    auto &all = registry();
    const auto after = std::find_if(all.begin(), all.end(), [&](const Benchmark &b) { return b.name > name; });
    all.insert(after, {std::move(name), std::move(run)});
}

std::vector<std::vector<double>> interleave(int rounds, const std::vector<std::function<void()>> &bodies) {
    std::vector<std::vector<double>> seconds(bodies.size());
    for (int round = -1; round < rounds; ++round)
        for (std::size_t i = 0; i < bodies.size(); ++i) {
            const auto start = std::chrono::steady_clock::now();
            bodies[i]();
            const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
            if (round >= 0) seconds[i].push_back(taken.count());
        }
    return seconds;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

double median_ratio(const std::vector<double> &a, const std::vector<double> &b) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
    return median(ratios);
}

int threads_of(const Options &options) {
    return options.threads > 0 ? options.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

} // namespace halfscope::bench
