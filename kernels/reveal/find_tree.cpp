#include "kernels/reveal/find_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>

namespace halfscope::kernels::reveal {
namespace {

constexpr std::int64_t most_probes = std::int64_t{1} << 21;

using Terms = std::vector<std::int64_t>;

class Search {
  public:
    explicit Search(const BlackBox &box) : box_(box) { found_.tree.terms = box.terms; }

    FoundTree run() {
        if (box_.terms < 1) throw std::invalid_argument("there are no terms to find an order of");
        if (box_.terms > 1) {
            calibrate();
            Terms all(static_cast<std::size_t>(box_.terms));
            std::iota(all.begin(), all.end(), std::int64_t{0});
            const auto children = build(all, box_.terms);
            if (children.size() != 1) contradiction();
        }
        return std::move(found_);
    }

  private:
    [[noreturn]] static void contradiction() {
        throw std::runtime_error("the counts of surviving terms contradict each other: the order depends on the values "
                                 "or changes from run to run, so it is no tree of additions");
    }

    std::vector<double> sums(const std::vector<std::vector<Term>> &settings) {
        found_.probes += static_cast<std::int64_t>(settings.size());
        if (found_.probes > most_probes)
            throw std::runtime_error(
                fmt::format("the order is not found after {} runs; take a smaller --size", most_probes));
        return box_.run(settings);
    }

    /// How many units one sum counts exactly: the precision of accumulator and result, found by counting without masks.
    void calibrate() {
        for (count_at_once_ = box_.terms; count_at_once_ > 0; count_at_once_ /= 2) {
            std::vector<Term> setting(static_cast<std::size_t>(box_.terms), Term::zero);
            std::fill_n(setting.begin(), count_at_once_, Term::unit);
            if (sums({setting})[0] == static_cast<double>(count_at_once_)) return;
        }
        throw std::runtime_error("it does not add up: a single 1 among zeros is not its sum");
    }

    /// Leaves below the node where i meets each of `others`.
    std::vector<std::int64_t> sizes(std::int64_t i, std::span<const std::int64_t> others) {
        std::vector<double> surviving(others.size());
        std::vector<std::vector<Term>> settings;
        std::vector<std::size_t> owner;
        const auto flush = [&] {
            if (settings.empty()) return;
            const std::vector<double> counts = sums(settings);
            for (std::size_t s = 0; s < counts.size(); ++s) surviving[owner[s]] += counts[s];
            settings.clear();
            owner.clear();
        };
        for (std::size_t o = 0; o < others.size(); ++o)
            for (std::int64_t first = 0; first < box_.terms; first += count_at_once_) {
                std::vector<Term> setting(static_cast<std::size_t>(box_.terms), Term::zero);
                std::fill_n(setting.begin() + first, std::min(count_at_once_, box_.terms - first), Term::unit);
                setting[static_cast<std::size_t>(i)] = Term::plus_mask;
                setting[static_cast<std::size_t>(others[o])] = Term::minus_mask;
                settings.push_back(std::move(setting));
                owner.push_back(o);
                if (static_cast<std::int64_t>(settings.size()) == box_.batch) flush();
            }
        flush();
        std::vector<std::int64_t> result;
        for (const double count : surviving) {
            if (!std::isfinite(count))
                throw std::runtime_error("a mask overflows: sums of these operands are kept in a format too narrow "
                                         "to find their order from outside");
            const double leaves = static_cast<double>(box_.terms) - count;
            if (leaves != std::floor(leaves) || leaves < 2 || leaves > static_cast<double>(box_.terms)) contradiction();
            result.push_back(static_cast<std::int64_t>(leaves));
        }
        return result;
    }

    std::int64_t new_node(std::vector<std::int64_t> children) {
        found_.tree.nodes.push_back(std::move(children));
        return found_.tree.root();
    }

    /// The subtrees that `terms` make up below a node of `size` leaves: one when they are all of it.
    std::vector<std::int64_t> build(const Terms &terms, std::int64_t size) {
        std::vector<std::int64_t> subtrees;
        Terms rest = terms;
        while (!rest.empty()) {
            const std::int64_t i = rest.front();
            const std::span<const std::int64_t> others(rest.data() + 1, rest.size() - 1);
            const std::vector<std::int64_t> met = others.empty() ? std::vector<std::int64_t>{} : sizes(i, others);
            // Whoever meets i at `size` or above meets it in the node that is being filled, so is another child of it.
            const bool whole = rest.size() == static_cast<std::size_t>(size);
            std::map<std::int64_t, Terms> by_size;
            Terms next;
            for (std::size_t o = 0; o < others.size(); ++o) {
                if (met[o] > size) contradiction();
                (met[o] == size && !whole ? next : by_size[met[o]]).push_back(others[o]);
            }
            subtrees.push_back(subtree(i, by_size));
            rest = std::move(next);
        }
        return subtrees;
    }

    /// From term i outwards: at each size, the terms that join.
    std::int64_t subtree(std::int64_t i, const std::map<std::int64_t, Terms> &by_size) {
        std::int64_t node = i, leaves = 1;
        for (const auto &[size, joining] : by_size) {
            if (size == 2 && joining.size() > 1)
                throw std::runtime_error(
                    "no mask swallows anything: the sum is exact, or is kept in a format wider than "
                    "masks of these operands reach, so there is no order to find");
            leaves += static_cast<std::int64_t>(joining.size());
            std::vector<std::int64_t> children{node};
            const auto more = build(joining, size);
            if (leaves != size) contradiction();
            children.insert(children.end(), more.begin(), more.end());
            node = new_node(std::move(children));
        }
        return node;
    }

    const BlackBox &box_;
    FoundTree found_;
    std::int64_t count_at_once_ = 0;
};

} // namespace

std::size_t SummationTree::widest() const {
    std::size_t most = 0;
    for (const auto &node : nodes) most = std::max(most, node.size());
    return most;
}

FoundTree find_tree(const BlackBox &box) { return Search(box).run(); }

} // namespace halfscope::kernels::reveal
