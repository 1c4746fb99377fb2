#include "kernels/reveal/describe_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace halfscope::kernels::reveal {
namespace {

using Id = std::int64_t;

/// Every subtree gets the number of its shape: two subtrees have one shape when one is the other shifted by some number
/// of terms. So a repetition is seen by comparing two numbers.
class Shapes {
  public:
    Shapes(const SummationTree &tree, Id accumulator) : tree_(tree) {
        const auto all = static_cast<std::size_t>(tree.root() + 1);
        first_.resize(all);
        leaves_.resize(all, 1);
        shape_.resize(all, leaf_shape);
        for (Id id = 0; id < static_cast<Id>(all); ++id) {
            if (tree.is_term(id)) {
                first_[index(id)] = id;
                if (id == accumulator) shape_[index(id)] = accumulator_shape;
                continue;
            }
            const auto children = tree.children(id);
            std::int64_t leaves = 0;
            Id first = tree.terms;
            for (const Id child : children) {
                leaves += leaves_[index(child)];
                // c stands outside of the order of the terms.
                if (shape_[index(child)] != accumulator_shape) first = std::min(first, first_[index(child)]);
            }
            leaves_[index(id)] = leaves;
            first_[index(id)] = first;
            shape_[index(id)] = of_list(children);
        }
    }

    [[nodiscard]] Id first(Id id) const { return first_[index(id)]; }
    [[nodiscard]] std::int64_t leaves(Id id) const { return leaves_[index(id)]; }
    [[nodiscard]] int shape(Id id) const { return shape_[index(id)]; }
    [[nodiscard]] bool is_accumulator(Id id) const { return shape_[index(id)] == accumulator_shape; }

    /// Of several subtrees side by side.
    int of_list(std::span<const Id> ids) {
        std::vector<std::pair<int, Id>> key;
        Id base = tree_.terms;
        for (const Id id : ids)
            if (!is_accumulator(id)) base = std::min(base, first(id));
        for (const Id id : ids) key.emplace_back(shape(id), is_accumulator(id) ? 0 : first(id) - base);
        const auto [place, fresh] = numbers_.try_emplace(std::move(key), static_cast<int>(numbers_.size()) + 2);
        return place->second;
    }

  private:
    static constexpr int leaf_shape = 0, accumulator_shape = 1;
    static std::size_t index(Id id) { return static_cast<std::size_t>(id); }

    const SummationTree &tree_;
    std::vector<Id> first_;
    std::vector<std::int64_t> leaves_;
    std::vector<int> shape_;
    std::map<std::vector<std::pair<int, Id>>, int> numbers_;
};

/// "0, 8, ..., 1016"; all of them when they are few.
std::string progression(Id first, Id step, std::int64_t count) {
    if (count == 1) return std::to_string(first);
    if (step == 1) return fmt::format("{}..{}", first, first + count - 1);
    if (count <= 3) {
        std::string text = std::to_string(first);
        for (std::int64_t i = 1; i < count; ++i) text += fmt::format(", {}", first + i * step);
        return text;
    }
    return fmt::format("{}, {}, ..., {}", first, first + step, first + (count - 1) * step);
}

/// What joins a spine of additions at one place: usually one subtree, several in a fused add.
struct Joining {
    std::vector<Id> ids;
    int shape = 0;
    Id first = 0;
};

/// Equal joinings at equal distances.
struct Run {
    std::vector<Id> ids; ///< of the first
    Id first = 0, step = 0;
    std::int64_t count = 0;
    int shape = 0;
};

class Describer {
  public:
    Describer(const SummationTree &tree, TermNames names)
        : tree_(tree), names_(std::move(names)), shapes_(tree, names_.accumulator) {}

    std::vector<TreeLine> take() {
        if (tree_.terms == 1)
            put(0, "one term");
        else
            node(tree_.root(), 0, "");
        return std::move(lines_);
    }

  private:
    void put(int depth, std::string text) { lines_.push_back({depth, std::move(text)}); }

    std::string term(Id id) const {
        return shapes_.is_accumulator(id) ? std::string("c") : fmt::format("{} = {}", names_.index, id);
    }

    /// Equal parts below a node, level by level, as long as there are any.
    struct Parts {
        std::vector<std::pair<std::int64_t, Id>> levels; ///< how many, how far apart; the outermost first
        Id part = 0;                                     ///< the first of the innermost
    };

    [[nodiscard]] Parts parts_of(Id id) const {
        Parts parts{{}, id};
        while (!tree_.is_term(parts.part)) {
            const auto children = tree_.children(parts.part);
            const Id apart = shapes_.first(children[1]) - shapes_.first(children[0]);
            for (std::size_t i = 0; i < children.size(); ++i) {
                const bool fits = shapes_.shape(children[i]) == shapes_.shape(children[0]) &&
                                  !shapes_.is_accumulator(children[i]) &&
                                  shapes_.first(children[i]) - shapes_.first(children[0]) == apart * static_cast<Id>(i);
                if (!fits) return parts;
            }
            // Two sums of two equal terms may as well be the start of a chain; only whole trees of them are lanes.
            parts.levels.emplace_back(static_cast<std::int64_t>(children.size()), apart);
            parts.part = children[0];
        }
        return parts;
    }

    void node(Id id, int depth, const std::string &lead) {
        if (tree_.is_term(id)) return put(depth, lead + term(id));
        const Parts parts = parts_of(id);
        if (!parts.levels.empty()) return equal_parts(id, parts, depth, lead);
        chain(id, depth, lead);
    }

    void equal_parts(Id id, const Parts &parts, int depth, const std::string &lead) {
        const bool down_to_terms = tree_.is_term(parts.part);
        std::int64_t count = 1;
        bool pairs = true;
        for (const auto &[many, apart] : parts.levels) {
            count *= many;
            pairs = pairs && many == 2;
        }
        if (down_to_terms && parts.levels.size() == 1) {
            const auto &[many, apart] = parts.levels[0];
            return put(depth, fmt::format("{}{} {} = {}", lead, many == 2 ? "one addition of" : "one fused add of",
                                          names_.index, progression(shapes_.first(id), apart, many)));
        }
        // The innermost are joined first.
        std::string joined;
        for (auto level = parts.levels.rbegin(); level != parts.levels.rend(); ++level)
            joined += fmt::format("{}{}{}", level == parts.levels.rbegin() ? "" : ", then ",
                                  level->first == 2 ? "" : fmt::format("fused adds of {}, ", level->first),
                                  fmt::format("{} apart", level->second));
        const Id innermost_step = parts.levels.back().second;
        const std::int64_t each = shapes_.leaves(parts.part);
        if (down_to_terms)
            return put(depth, fmt::format("{}tree over {} = {}: joined in {} {}", lead, names_.index, terms_below(id),
                                          pairs ? "pairs" : "groups", joined));
        const bool lanes = innermost_step < each;
        put(depth, fmt::format("{}{} {}, joined in {} {}; each:", lead, count,
                               lanes ? fmt::format("lanes ({} mod {})", names_.index, count) : "equal parts",
                               pairs ? "pairs" : "groups", joined));
        node(parts.part, depth + 1, "");
    }

    /// "0..1023", or how many when they are not consecutive.
    std::string terms_below(Id id) const {
        const Id first = shapes_.first(id);
        const std::int64_t leaves = shapes_.leaves(id);
        std::vector<Id> found;
        collect(id, found);
        std::sort(found.begin(), found.end());
        const Id step = found.size() > 1 ? found[1] - found[0] : 1;
        for (std::size_t i = 1; i < found.size(); ++i)
            if (found[i] - found[i - 1] != step) return fmt::format("{} terms from {} on", leaves, first);
        return progression(first, step, leaves);
    }
    void collect(Id id, std::vector<Id> &found) const {
        if (tree_.is_term(id)) {
            if (!shapes_.is_accumulator(id)) found.push_back(id);
            return;
        }
        for (const Id child : tree_.children(id)) collect(child, found);
    }

    /// The child that the others are added to: the one with the most terms below it; of equals the accumulator, else
    /// the first.
    Id spine_child(Id id) const {
        const auto children = tree_.children(id);
        Id best = children[0];
        for (const Id child : children)
            if (shapes_.leaves(child) > shapes_.leaves(best) ||
                (shapes_.leaves(child) == shapes_.leaves(best) && shapes_.is_accumulator(child)))
                best = child;
        return best;
    }

    void chain(Id id, int depth, const std::string &lead) {
        std::vector<Joining> joinings; // the last first
        Id start = id;
        while (!tree_.is_term(start) &&
               (start == id || parts_of(start).levels.empty() || is_chain_start(joinings, start))) {
            const Id next = spine_child(start);
            Joining joining;
            for (const Id child : tree_.children(start))
                if (child != next) joining.ids.push_back(child);
            joining.shape = shapes_.of_list(joining.ids);
            joining.first = shapes_.first(joining.ids[0]);
            joinings.push_back(std::move(joining));
            start = next;
        }
        std::reverse(joinings.begin(), joinings.end());
        // A first block without anything to add onto is a block as the others are.
        if (!tree_.is_term(start) && !joinings.empty()) {
            const auto children = tree_.children(start);
            const std::vector<Id> ids(children.begin(), children.end());
            if (shapes_.of_list(ids) == joinings[0].shape && ids.size() == joinings[0].ids.size()) {
                joinings.insert(joinings.begin(), {ids, joinings[0].shape, shapes_.first(start)});
                start = -1;
            } else if (joinings[0].ids.size() == 1 && shapes_.shape(start) == joinings[0].shape) {
                joinings.insert(joinings.begin(), {{start}, joinings[0].shape, shapes_.first(start)});
                start = -1;
            }
        } else if (tree_.is_term(start) && !shapes_.is_accumulator(start) && !joinings.empty() &&
                   joinings[0].ids.size() == 1 && tree_.is_term(joinings[0].ids[0]) &&
                   !shapes_.is_accumulator(joinings[0].ids[0])) {
            joinings.insert(joinings.begin(), {{start}, joinings[0].shape, start});
            start = -1;
        }
        write_chain(start, runs_of(joinings), depth, lead);
    }

    /// Two terms at the start of a chain look like equal parts; they belong to the chain when it goes on with terms.
    bool is_chain_start(const std::vector<Joining> &joinings, Id start) const {
        const auto children = tree_.children(start);
        if (joinings.empty()) return false;
        const Joining &above = joinings.back();
        return children.size() == 2 && above.ids.size() == 1 && tree_.is_term(above.ids[0]) &&
               tree_.is_term(children[0]) && tree_.is_term(children[1]);
    }

    std::vector<Run> runs_of(const std::vector<Joining> &joinings) {
        std::vector<Run> runs;
        for (const Joining &joining : joinings) {
            if (!runs.empty() && runs.back().shape == joining.shape) {
                Run &run = runs.back();
                const Id step = joining.first - (run.first + (run.count - 1) * run.step);
                if (run.count == 1) run.step = step;
                if (step == run.step) {
                    ++run.count;
                    continue;
                }
            }
            runs.push_back({joining.ids, joining.first, 0, 1, joining.shape});
        }
        return runs;
    }

    void write_chain(Id start, const std::vector<Run> &runs, int depth, const std::string &lead) {
        std::string then = lead;
        if (start >= 0) {
            if (tree_.is_term(start))
                then = lead + "from " + term(start) + ": ";
            else {
                put(depth, lead + "first");
                node(start, depth + 1, "");
                then = "then ";
            }
        }
        for (const Run &run : runs) {
            write_run(run, depth, then);
            then = "then ";
        }
    }

    void write_run(const Run &run, int depth, const std::string &lead) {
        const bool terms = std::all_of(run.ids.begin(), run.ids.end(), [&](Id id) { return tree_.is_term(id); });
        if (run.ids.size() == 1) {
            const Id id = run.ids[0];
            if (tree_.is_term(id)) {
                if (shapes_.is_accumulator(id)) return put(depth, lead + "c is added");
                return put(depth, run.count == 1 ? fmt::format("{}{} is added", lead, term(id))
                                                 : fmt::format("{}chain over {} = {}", lead, names_.index,
                                                               progression(run.first, run.step, run.count)));
            }
            put(depth, run.count == 1
                           ? fmt::format("{}this is added:", lead)
                           : fmt::format("{}{} sums are added in order, the first terms {} apart; each:", lead,
                                         run.count, run.step));
            return node(id, depth + 1, "");
        }
        const std::int64_t wide = static_cast<std::int64_t>(run.ids.size());
        if (terms) {
            const Id inner = run.ids[1] - run.ids[0];
            bool regular = true;
            for (std::size_t i = 1; i < run.ids.size(); ++i) regular = regular && run.ids[i] - run.ids[i - 1] == inner;
            const std::string block = regular ? progression(run.first, inner, wide) : fmt::format("{} terms", wide);
            if (run.count == 1) return put(depth, fmt::format("{}one fused add of {} = {}", lead, names_.index, block));
            const Id last = run.first + (run.count - 1) * run.step;
            std::string blocks = block;
            if (regular)
                blocks = fmt::format(
                    "{}{}{}{}", block, run.count > 1 ? "; " + progression(run.first + run.step, inner, wide) : "",
                    run.count > 3 ? "; ..." : "", run.count > 2 ? "; " + progression(last, inner, wide) : "");
            return put(depth, fmt::format("{}chain of {} fused adds of {} terms, {} = {}", lead, run.count, wide,
                                          names_.index, blocks));
        }
        put(depth, fmt::format("{}{} fused adds of {} sums:", lead, run.count, wide));
        for (const Id id : run.ids) node(id, depth + 1, "");
    }

    const SummationTree &tree_;
    TermNames names_;
    Shapes shapes_;
    std::vector<TreeLine> lines_;
};

} // namespace

std::vector<TreeLine> describe(const SummationTree &tree, const TermNames &names, std::size_t most_lines) {
    std::vector<TreeLine> lines = Describer(tree, names).take();
    if (lines.size() > most_lines) {
        const std::size_t more = lines.size() - most_lines + 1;
        lines.resize(most_lines - 1);
        lines.push_back({0, fmt::format("... and {} more lines (--json has all of it)", more)});
    }
    return lines;
}

} // namespace halfscope::kernels::reveal
