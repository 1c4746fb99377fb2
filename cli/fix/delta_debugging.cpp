#include "cli/fix/delta_debugging.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace halfscope::cli {
namespace {

/// Asks for each subset once.
class Memory {
  public:
    explicit Memory(const Oracle &oracle) : oracle_(oracle) {}

    [[nodiscard]] bool works(const Subset &subset) {
        if (stopped_ || subset.empty()) return false;
        const auto [at, fresh] = answers_.try_emplace(subset, false);
        if (!fresh) return at->second;
        const std::optional<bool> answer = oracle_(subset);
        if (answer) return at->second = *answer;
        stopped_ = true;
        return false;
    }
    [[nodiscard]] bool stopped() const { return stopped_; }

  private:
    const Oracle &oracle_;
    std::map<Subset, bool> answers_;
    bool stopped_ = false;
};

Subset without(const Subset &all, const Subset &part) {
    Subset rest;
    std::set_difference(all.begin(), all.end(), part.begin(), part.end(), std::back_inserter(rest));
    return rest;
}

/// `count` parts of nearly the same size, in order.
std::vector<Subset> parts_of(const Subset &all, std::size_t count) {
    std::vector<Subset> parts;
    for (std::size_t i = 0; i < count; ++i)
        parts.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i * all.size() / count),
                           all.begin() + static_cast<std::ptrdiff_t>((i + 1) * all.size() / count));
    return parts;
}

} // namespace

Minimised minimise(const Subset &all, const Oracle &oracle) {
    Memory memory(oracle);
    Subset kept = all;
    std::size_t count = 2;
    while (kept.size() > 1 && !memory.stopped()) {
        const std::vector<Subset> parts = parts_of(kept, count);
        const auto part =
            std::find_if(parts.begin(), parts.end(), [&](const Subset &each) { return memory.works(each); });
        if (part != parts.end()) {
            kept = Subset(*part);
            count = 2;
            continue;
        }
        // The last parts are the least likely to be needed: they are left out first.
        const auto spare = std::find_if(parts.rbegin(), parts.rend(),
                                        [&](const Subset &each) { return memory.works(without(kept, each)); });
        if (spare != parts.rend()) {
            kept = without(kept, *spare);
            count = std::clamp<std::size_t>(count - 1, 2, kept.size());
            continue;
        }
        if (count == kept.size()) break;
        count = std::min(2 * count, kept.size());
    }
    return {kept, !memory.stopped()};
}

} // namespace halfscope::cli
