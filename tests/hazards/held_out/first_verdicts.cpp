#include "tests/hazards/held_out/first_verdicts.h"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace halfscope::hazards {
namespace {

analysis::Verdict verdict_named(const std::string &name, const std::string &where) {
    using analysis::Verdict;
    for (const Verdict verdict : {Verdict::safe, Verdict::risky, Verdict::unsafe, Verdict::no_verdict})
        if (analysis::name_of(verdict) == name) return verdict;
    throw std::runtime_error(fmt::format("{}: '{}' is no verdict", where, name));
}

/// "case recipe" to verdict and cause per seed.
std::map<std::string, std::vector<Observation>> read(const std::filesystem::path &file) {
    std::map<std::string, std::vector<Observation>> stored;
    std::ifstream lines(file);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.empty() || line[0] == '#') continue;
        const std::string where = fmt::format("{}, line {}", file.string(), number);
        std::vector<std::string> cells;
        std::istringstream text(line);
        for (std::string cell; std::getline(text, cell, '\t');) cells.push_back(cell);
        if (cells.size() != 2 + 2 * std::size(seeds)) throw std::runtime_error(where + ": wrong number of columns");
        std::vector<Observation> &seen = stored[cells[0] + " " + cells[1]];
        for (std::size_t i = 2; i < cells.size(); i += 2) {
            seen.emplace_back().verdict = verdict_named(cells[i], where);
            if (cells[i + 1] != "-") seen.back().cause = cells[i + 1];
        }
    }
    return stored;
}

} // namespace

std::vector<Row> first_verdicts(const std::vector<Row> &rows, const std::filesystem::path &file) {
    const auto stored = read(file);
    std::vector<Row> found;
    for (const Row &row : rows) {
        const auto at = stored.find(key_of(*row.tried, *row.trial));
        if (at == stored.end()) continue;
        found.push_back(row);
        for (std::size_t i = 0; i < at->second.size(); ++i) {
            found.back().observations[i].verdict = at->second[i].verdict;
            found.back().observations[i].cause = at->second[i].cause;
        }
    }
    return found;
}

void record_first_verdicts(const std::vector<Row> &rows, const std::filesystem::path &file) {
    const auto stored = read(file);
    const bool empty = !std::filesystem::exists(file);
    std::ofstream out(file, std::ios::app);
    if (empty)
        out << "# What the judge said first, before anything was changed on account of these networks; see "
               "first_verdicts.h.\n# case\trecipe\tverdict and cause, 3 seeds\n";
    for (const Row &row : rows) {
        if (stored.contains(key_of(*row.tried, *row.trial))) continue;
        out << row.tried->name << '\t' << row.trial->recipe.name;
        for (const Observation &seen : row.observations)
            out << '\t' << analysis::name_of(seen.verdict) << '\t' << (seen.cause.empty() ? "-" : seen.cause);
        out << '\n';
    }
}

} // namespace halfscope::hazards
