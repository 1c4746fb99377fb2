// The scorecard: every case under three seeds, verdict and cause beside the truth. Exit code 1 when a verdict is wrong
// or more than one is missing.
#include "tests/hazards/held_out/first_verdicts.h"
#include "tests/hazards/scorecard.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <regex>
#include <thread>

namespace {

using namespace halfscope;
using namespace halfscope::hazards;

/// Runs job(0) .. job(count - 1) on `threads` threads; the first exception is thrown again.
void in_parallel(std::size_t count, unsigned threads, const std::function<void(std::size_t)> &job) {
    std::atomic<std::size_t> next = 0;
    std::exception_ptr failed;
    std::mutex guard;
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i)
        workers.emplace_back([&] {
            for (std::size_t k = next++; k < count; k = next++) try {
                    job(k);
                } catch (...) {
                    const std::lock_guard lock(guard);
                    if (!failed) failed = std::current_exception();
                }
        });
    workers.clear();
    if (failed) std::rethrow_exception(failed);
}

void say(const std::string &text) {
    static std::mutex guard;
    const std::lock_guard lock(guard);
    fmt::print(stderr, "{}\n", text);
}

/// `all`: the suite `cases` are of.
void establish_truth(const std::vector<Case> &cases, const std::vector<Case> &all, const std::string &file,
                     unsigned threads) {
    TruthTable table;
    if (std::ifstream(file).good()) table = read_truth(file);
    std::mutex guard;
    in_parallel(cases.size(), threads, [&](std::size_t i) {
        std::vector<Truth> truths;
        try {
            truths = establish(cases[i]);
        } catch (const std::exception &error) {
            throw std::runtime_error(cases[i].name + ": " + error.what());
        }
        const std::lock_guard lock(guard);
        for (std::size_t t = 0; t < truths.size(); ++t) {
            fmt::print(stderr, "{:<44} {:<8} excess {:.3g}, own {:.3g}; twin {:.4g}, weights {:.4g}, own {:.4g}\n",
                       key_of(cases[i], cases[i].trials[t]), truths[t].verdict, truths[t].excess, truths[t].own_excess,
                       fmt::join(truths[t].twin_final, " "), fmt::join(truths[t].final, " "),
                       fmt::join(truths[t].own_final, " "));
            table[key_of(cases[i], cases[i].trials[t])] = truths[t];
        }
        write_truth(file, table, all);
    });
}

/// Where the truth came out unclear a case of the yardstick is refused; a network held out is judged and not counted,
/// because leaving it out would choose among them.
std::vector<Row> judge_all(const std::vector<Case> &cases, const TruthTable &table, bool held_out, unsigned threads) {
    std::vector<Row> rows;
    std::vector<std::size_t> first_row;
    for (const Case &tried : cases) {
        first_row.push_back(rows.size());
        for (const Trial &trial : tried.trials) {
            const auto truth = table.find(key_of(tried, trial));
            if (truth == table.end())
                throw std::runtime_error(key_of(tried, trial) + " has no truth yet; establish it with --truth");
            if (truth->second.verdict == "unclear" && !held_out)
                throw std::runtime_error(key_of(tried, trial) +
                                         " has no clear truth and proves nothing; change the case");
            rows.push_back({&tried, &trial, truth->second, std::vector<Observation>(std::size(seeds))});
        }
    }
    const std::filesystem::path scratch =
        std::filesystem::temp_directory_path() / fmt::format("halfscope-hazards-{}", ::getpid());
    in_parallel(cases.size() * std::size(seeds), threads, [&](std::size_t k) {
        const std::size_t i = k / std::size(seeds), s = k % std::size(seeds);
        const auto start = std::chrono::steady_clock::now();
        std::vector<Observation> seen;
        try {
            seen = observe(cases[i], seeds[s], scratch / std::to_string(k));
        } catch (const std::exception &error) {
            throw std::runtime_error(fmt::format("{}, seed {}: {}", cases[i].name, seeds[s], error.what()));
        }
        for (std::size_t t = 0; t < seen.size(); ++t) {
            Row &row = rows[first_row[i] + t];
            if (s == 0 && seen[t].first_loss != row.truth.first_loss)
                throw std::runtime_error(key_of(cases[i], cases[i].trials[t]) +
                                         " has changed since its truth was established; run --truth again");
            row.observations[s] = std::move(seen[t]);
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        say(fmt::format("{:<40} seed {:<3} {:5.1f} s", cases[i].name, seeds[s], seconds));
    });
    std::filesystem::remove_all(scratch);
    return rows;
}

std::vector<Case> selected(const std::vector<Case> &all, const std::string &pattern) {
    std::vector<Case> cases;
    for (const Case &tried : all)
        if (pattern.empty() || std::regex_search(tried.name, std::regex(pattern))) cases.push_back(tried);
    if (cases.empty()) throw std::runtime_error(fmt::format("no case matches '{}'", pattern));
    return cases;
}

} // namespace

int main(int argc, char **argv) try {
    CLI::App app("Judges the hazard cases and counts how often the verdict and the cause are right.");
    const std::string folder = HALFSCOPE_HAZARDS;
    std::string pattern, truth_file, document;
    bool held_out = false, establish_it = false, record_first = false, list = false;
    unsigned threads = std::max(1U, std::thread::hardware_concurrency());
    app.add_flag("--held-out", held_out, "The networks the judge was not corrected by, instead of the yardstick");
    app.add_option("--case", pattern, "Only cases whose name matches this regular expression");
    app.add_flag("--truth", establish_it, "Train every case long and store what comes out");
    app.add_option("--truth-file", truth_file, "Where the truth is stored");
    app.add_option("--write", document, "Also write the table to its section of this Markdown file");
    app.add_flag("--record-first", record_first, "Store the verdicts of networks judged for the first time");
    app.add_option("--threads", threads, "Cases judged at once")->check(CLI::PositiveNumber);
    app.add_flag("--list", list, "Name the cases");
    CLI11_PARSE(app, argc, argv);
    if (truth_file.empty()) truth_file = folder + (held_out ? "/held_out/truth.tsv" : "/truth.tsv");
    const std::string first_file = folder + "/held_out/first_verdicts.tsv";

    const std::vector<Case> &all = held_out ? held_out_cases() : all_cases();
    const std::vector<Case> cases = selected(all, pattern);
    if (list) {
        for (const Case &tried : cases) fmt::print("{:<32} {}\n", tried.name, tried.imitates);
        return 0;
    }
    if (establish_it) {
        establish_truth(cases, all, truth_file, threads);
        return 0;
    }
    const std::vector<Row> rows = judge_all(cases, read_truth(truth_file), held_out, threads);
    if (held_out && record_first) record_first_verdicts(rows, first_file);
    fmt::print("{}", in_plain_text(rows));
    if (!document.empty()) {
        if (held_out)
            write_held_out(document, rows, first_verdicts(rows, first_file));
        else
            write_yardstick(document, rows);
    }
    const Totals totals = totals_of(rows);
    return totals.wrong > 0 || totals.nothing > 1 ? 1 : 0;
} catch (const std::exception &error) {
    fmt::print(stderr, "halfscope_hazards: {}\n", error.what());
    return 2;
}
