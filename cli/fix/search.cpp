#include "cli/fix/search.h"

#include "cli/fix/delta_debugging.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace halfscope::cli {
namespace {

using Changes = std::vector<Change>;

bool contains(const Changes &changes, const Change &change) {
    return std::find(changes.begin(), changes.end(), change) != changes.end();
}

/// A recipe has one loss scale and is one recipe, an optimizer has one eps: such a change takes the place of an earlier
/// one.
bool replaces(const Change &fresh, const Change &old) {
    return fresh.kind == old.kind && (fresh.kind == ChangeKind::loss_scale || fresh.kind == ChangeKind::recipe ||
                                      fresh.kind == ChangeKind::epsilon);
}

void add(Changes &changes, const Change &change) {
    std::erase_if(changes, [&](const Change &old) { return replaces(change, old); });
    changes.push_back(change);
}

Changes joined(Changes changes, std::span<const Change> more) {
    for (const Change &change : more)
        if (!contains(changes, change)) add(changes, change);
    return changes;
}

class Search {
  public:
    Search(const SearchSpace &space, const TryChanges &try_changes) : space_(space), try_(try_changes) {}

    SearchResult run() && {
        const Changes blamed = grow();
        if (!found_ && !stopped()) reach(blamed);
        if (found_) shrink();
        result_.safe = found_;
        if (!found_) result_.nearest = nearest();
        return std::move(result_);
    }

  private:
    [[nodiscard]] bool stopped() const { return result_.exhausted || result_.interrupted; }

    /// The attempt of these changes, made now unless it was made before; null when no more can be made.
    const Attempt *attempt(const Changes &changes) {
        Changes key = changes;
        std::sort(key.begin(), key.end());
        for (std::size_t i = 0; i < keys_.size(); ++i)
            if (keys_[i] == key) return &result_.attempts[i];
        if (static_cast<int>(result_.attempts.size()) >= space_.most_runs) {
            result_.exhausted = true;
            return nullptr;
        }
        std::optional<Trial> trial = try_(changes);
        if (!trial) {
            result_.interrupted = true;
            return nullptr;
        }
        keys_.push_back(std::move(key));
        result_.attempts.push_back({changes, std::move(*trial)});
        return &result_.attempts.back();
    }

    /// Remembers the answer when the changes turn out safe.
    const Attempt *try_for_answer(const Changes &changes) {
        const Attempt *made = attempt(changes);
        if (made && made->trial.verdict == analysis::Verdict::safe)
            found_ = static_cast<std::size_t>(made - result_.attempts.data());
        return made;
    }

    /// Returns everything that was blamed on the way.
    Changes grow() {
        Changes changes, suggestions = space_.suggestions, replaced;
        for (std::size_t most = 1; !found_; most *= 2) {
            std::size_t added = 0;
            for (const Change &suggestion : suggestions) {
                if (added == most) break;
                if (contains(changes, suggestion) || contains(replaced, suggestion)) continue;
                for (const Change &old : changes)
                    if (replaces(suggestion, old)) replaced.push_back(old); // it was no answer: not again
                add(changes, suggestion);
                ++added;
            }
            if (added == 0) break;
            const Attempt *made = try_for_answer(changes);
            if (!made) break;
            suggestions = made->trial.suggestions;
        }
        return changes;
    }

    void reach(const Changes &blamed) {
        const Changes with_parts = joined(blamed, space_.parts), with_layers = joined(blamed, space_.layers);
        for (const Changes &changes : {with_parts, with_layers, joined(with_parts, space_.layers)}) {
            if (changes.empty()) continue;
            if (!try_for_answer(changes) || found_) return;
        }
        for (const Change &recipe : space_.recipes)
            if (!try_for_answer({recipe}) || found_) return;
    }

    void shrink() {
        const Changes all = result_.attempts[*found_].changes;
        const auto of = [&](const Subset &subset) {
            Changes changes;
            for (const std::size_t i : subset) changes.push_back(all[i]);
            return changes;
        };
        Subset indices(all.size());
        for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
        const Minimised minimised = minimise(indices, [&](const Subset &subset) -> std::optional<bool> {
            const Attempt *made = attempt(of(subset));
            if (!made) return std::nullopt;
            return made->trial.verdict == analysis::Verdict::safe;
        });
        result_.minimal = minimised.minimal;
        const Attempt *answer = attempt(of(minimised.kept)); // made before, so it costs nothing
        found_ = static_cast<std::size_t>(answer - result_.attempts.data());
    }

    /// By verdict, then by how far the loss ended above the twin's.
    [[nodiscard]] std::optional<std::size_t> nearest() const {
        const auto distance = [](const Attempt &attempt) {
            const analysis::Verdict verdict = attempt.trial.verdict;
            const int worse = verdict == analysis::Verdict::risky        ? 0
                              : verdict == analysis::Verdict::no_verdict ? 1
                                                                         : 2;
            const bool diverged = !std::isfinite(attempt.trial.gap);
            return std::tuple(worse, diverged, diverged ? 0.0 : attempt.trial.gap, attempt.changes.size());
        };
        const auto best =
            std::min_element(result_.attempts.begin(), result_.attempts.end(),
                             [&](const Attempt &a, const Attempt &b) { return distance(a) < distance(b); });
        if (best == result_.attempts.end()) return std::nullopt;
        return static_cast<std::size_t>(best - result_.attempts.begin());
    }

    const SearchSpace &space_;
    const TryChanges &try_;
    SearchResult result_;
    std::vector<Changes> keys_; ///< sorted changes of each attempt
    std::optional<std::size_t> found_;
};

} // namespace

SearchResult search_fix(const SearchSpace &space, const TryChanges &try_changes) {
    return Search(space, try_changes).run();
}

} // namespace halfscope::cli
