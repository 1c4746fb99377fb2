// Delta debugging: from a set of changes that works to one none of which can be left out.
//
// The ddmin algorithm of A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE
// Transactions on Software Engineering 28(2), 2002, with "works" in place of "fails": the set is cut into n parts; a
// part that works by itself is gone on with, else a set that works without one part, else n doubles. The result is
// 1-minimal: it works, and no set with one element less does. It need not be the smallest set there is, and where the
// oracle is not monotone (a set works, a larger one does not) it is still 1-minimal.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace halfscope::cli {

/// Indices, ascending.
using Subset = std::vector<std::size_t>;

/// Whether the subset works; nullopt: no more questions are answered (a bound on runs, an interruption).
using Oracle = std::function<std::optional<bool>(const Subset &)>;

struct Minimised {
    Subset kept;
    bool minimal = false; ///< false: the oracle stopped answering before that was known
};

/// `all` is known to work, the empty set not to. Elements that come first are tried first, so the likeliest should come
/// first. No subset is asked for twice.
[[nodiscard]] Minimised minimise(const Subset &all, const Oracle &works);

} // namespace halfscope::cli
