#include "kernels/reveal/reveal.h"

#include "emulation/number/conversion.h"
#include "kernels/inputs/draw.h"
#include "kernels/judge/exact_operands.h"
#include "kernels/reveal/evaluate_tree.h"
#include "kernels/reveal/find_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <stdexcept>

namespace halfscope::kernels::reveal {
namespace {

using ops::HostTensor;
using ops::Shape;

constexpr std::int64_t default_length = 1024, default_order = 128, rows_of_sums = 64;
constexpr std::int64_t most_work = std::int64_t{1} << 23; ///< terms added up to hold one choice of steps to its word

HostTensor random_tensor(number::FormatId format, const Shape &shape, Draw &draw) {
    HostTensor tensor(storage_of(format), shape);
    const std::size_t size = ops::size_of(tensor.dtype);
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
        const auto bits = number::convert(number::format_of(number::FormatId::fp32),
                                          std::bit_cast<std::uint32_t>(draw.bell(0)), number::format_of(format))
                              .bits;
        std::memcpy(tensor.bytes.data() + static_cast<std::size_t>(i) * size, &bits, size); // little-endian
    }
    return tensor;
}

/// The kernel's results on random values, and the operands of each.
class Sample {
  public:
    Sample(const Kernel &kernel, const Problem &problem, std::uint64_t seed) : kernel_(kernel), problem_(problem) {
        const std::int64_t m = problem.rows, n = problem.columns, k = problem.length;
        const bool matmul = kernel.task == Task::matmul;
        Draw draw(seed, 0x7EE);
        inputs_.push_back(random_tensor(kernel.operands, Shape{m, k}, draw));
        if (kernel.task != Task::sum) {
            inputs_.push_back(random_tensor(kernel.operands, matmul ? Shape{k, n} : Shape{m, k}, draw));
            inputs_.push_back(random_tensor(kernel.format_of_c(), matmul ? Shape{m, n} : Shape{m}, draw));
        }
        output_ = HostTensor(storage_of(kernel.result), matmul ? Shape{m, n} : Shape{m});
        std::vector<ops::TensorView> views;
        for (HostTensor &input : inputs_) views.push_back(input.view());
        kernel.run({views, output_.view()});
    }

    [[nodiscard]] std::int64_t elements() const { return output_.shape.elements(); }

    [[nodiscard]] bool same_bits(std::int64_t element, const SummationTree &tree, const Steps &steps) {
        const std::int64_t n = problem_.columns, k = problem_.length, row = element / n, column = element % n;
        a_.resize(static_cast<std::size_t>(k));
        b_.resize(kernel_.task == Task::sum ? 0 : a_.size());
        const auto value = [&](std::size_t input, std::int64_t index) {
            return judge::value_at(inputs_[input].view(), index);
        };
        for (std::int64_t i = 0; i < k; ++i) {
            a_[static_cast<std::size_t>(i)] = value(0, row * k + i);
            if (b_.empty()) continue;
            b_[static_cast<std::size_t>(i)] = value(1, kernel_.task == Task::matmul ? i * n + column : row * k + i);
        }
        Terms terms{a_, b_, std::nullopt};
        if (!b_.empty()) terms.c = value(2, element);
        const number::Format &fp64 = number::format_of(number::FormatId::fp64);
        const auto emulated = number::convert(fp64, std::bit_cast<std::uint64_t>(evaluate(tree, steps, terms)),
                                              number::format_of(kernel_.result));
        return emulated.bits == judge::bits_at(output_.view(), element);
    }

  private:
    const Kernel &kernel_;
    Problem problem_;
    std::vector<HostTensor> inputs_;
    HostTensor output_;
    std::vector<double> a_, b_;
};

/// `count` of `from`, evenly spaced; the first always.
std::vector<std::int64_t> spaced(const std::vector<std::int64_t> &from, std::size_t count) {
    std::vector<std::int64_t> some;
    count = std::min(count, from.size());
    for (std::size_t i = 0; i < count; ++i) some.push_back(from[i * from.size() / count]);
    return some;
}

std::vector<std::int64_t> all_below(std::int64_t count) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    return all;
}

/// Tries the steps on a few of the elements, the first among them, and the best on all. Those that it gives the bits of
/// leave `open`.
void hold_to_bits(const Kernel &kernel, Sample &sample, Order &order, std::vector<std::int64_t> &open) {
    const auto equal_among = [&](const std::vector<std::int64_t> &elements, const Steps &steps) {
        return std::count_if(elements.begin(), elements.end(),
                             [&](std::int64_t i) { return sample.same_bits(i, order.tree, steps); });
    };
    const bool products = kernel.task != Task::sum;
    const auto candidates = likely_steps(order.tree, products, kernel.accumulator.value_or(number::FormatId::fp32));
    const std::vector<std::int64_t> few = spaced(open, 24);
    const Steps *best = &candidates.front();
    std::int64_t best_of_few = -1;
    for (const Steps &steps : candidates) {
        // The element that the order was found at speaks first: others may have another order.
        const std::int64_t weight = sample.same_bits(order.element, order.tree, steps) ? 100 : 0;
        const std::int64_t equal = weight + equal_among(few, steps);
        if (equal <= best_of_few) continue;
        best_of_few = equal;
        best = &steps;
    }
    std::vector<std::int64_t> explained, others;
    for (const std::int64_t i : open) (sample.same_bits(i, order.tree, *best) ? explained : others).push_back(i);
    order.bit_equal = static_cast<std::int64_t>(explained.size());
    order.steps = best->name(products, order.tree.widest() > 2);
    open = std::move(others);
}

} // namespace

Revelation reveal(const Kernel &kernel, const RevealOptions &options) {
    const bool matmul = kernel.task == Task::matmul;
    if (kernel.task != Task::sum && kernel.task != Task::dot && !matmul)
        throw std::invalid_argument("'" + kernel.name + "' is a " + std::string(name_of(kernel.task)) +
                                    ": an order can be found of sum, dot and matmul");
    if (kernel.start && *kernel.start != kernel.accumulator.value_or(*kernel.start))
        throw std::invalid_argument("'" + kernel.name + "' leaves its sums in " +
                                    std::string(number::format_of(kernel.result).name) +
                                    ", too coarse to tell the order they were added in");
    if (const std::string reason = kernel.unavailable(); !reason.empty())
        throw std::runtime_error("'" + kernel.name + "' can not run here: " + reason);
    const std::int64_t size = options.size > 0 ? options.size : matmul ? default_order : default_length;
    Revelation found;
    found.kernel = kernel.name;
    found.task = name_of(kernel.task);
    found.problem.length = (size + kernel.length_multiple - 1) / kernel.length_multiple * kernel.length_multiple;
    found.problem.rows = matmul ? size : rows_of_sums;
    found.problem.columns = matmul ? size : 1;
    found.names.index = kernel.task == Task::sum ? "i" : "k";
    found.names.accumulator = kernel.task == Task::sum ? -1 : found.problem.length;

    Sample sample(kernel, found.problem, options.seed);
    std::vector<std::int64_t> open =
        spaced(all_below(sample.elements()), static_cast<std::size_t>(most_work / found.problem.length + 1));
    found.compared = static_cast<std::int64_t>(open.size());
    Problem problem = found.problem;
    for (int i = 0; i < (matmul ? most_orders : 1) && !open.empty(); ++i) {
        Order order;
        order.element = problem.element = open.front();
        FoundTree tree = find_tree(box_of(kernel, problem));
        order.tree = std::move(tree.tree);
        found.probes += tree.probes;
        hold_to_bits(kernel, sample, order, open);
        const bool explains = order.bit_equal > 0;
        if (explains || found.orders.empty()) found.orders.push_back(std::move(order));
        if (!explains) break; // the order is not all that these bits come of
    }
    return found;
}

std::int64_t Revelation::bit_equal() const {
    std::int64_t sum = 0;
    for (const Order &order : orders) sum += order.bit_equal;
    return sum;
}

} // namespace halfscope::kernels::reveal
