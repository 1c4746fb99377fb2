#include "kernels/reveal/reveal.h"

#include "emulation/number/conversion.h"
#include "kernels/inputs/draw.h"
#include "kernels/judge/exact_operands.h"
#include "kernels/reveal/evaluate_tree.h"
#include "kernels/reveal/find_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>
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
        const number::FormatId accumulator = kernel.accumulator.value_or(number::FormatId::fp32);
        const bool matmul = kernel.task == Task::matmul;
        Draw draw(seed, 0x7EE);
        inputs_.push_back(random_tensor(kernel.operands, Shape{m, k}, draw));
        if (kernel.task != Task::sum) {
            inputs_.push_back(random_tensor(kernel.operands, matmul ? Shape{k, n} : Shape{m, k}, draw));
            inputs_.push_back(random_tensor(accumulator, matmul ? Shape{m, n} : Shape{m}, draw));
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

/// Tries the steps on a few elements, and what stands there on all of the sample.
void hold_to_bits(const Kernel &kernel, Sample sample, Revelation &found) {
    const std::int64_t elements =
        std::clamp<std::int64_t>(most_work / std::max<std::int64_t>(1, found.tree.terms), 1, sample.elements());
    const std::int64_t few = std::min<std::int64_t>(elements, 24);
    const auto element = [&](std::int64_t i, std::int64_t of) {
        return static_cast<std::int64_t>(static_cast<double>(i) * static_cast<double>(sample.elements()) /
                                         static_cast<double>(of));
    };
    const auto equal_among = [&](std::int64_t count, const Steps &steps) {
        std::int64_t equal = 0;
        for (std::int64_t i = 0; i < count; ++i) equal += sample.same_bits(element(i, count), found.tree, steps);
        return equal;
    };
    const bool products = kernel.task != Task::sum;
    const auto candidates = likely_steps(found.tree, products, kernel.accumulator.value_or(number::FormatId::fp32));
    const Steps *best = &candidates.front();
    std::int64_t best_of_few = -1;
    for (const Steps &steps : candidates) {
        const std::int64_t equal = equal_among(few, steps);
        if (equal > best_of_few) {
            best_of_few = equal;
            best = &steps;
        }
        if (equal == few && equal_among(elements, steps) == elements) {
            best = &steps;
            break;
        }
    }
    found.compared = elements;
    found.bit_equal = equal_among(elements, *best);
    found.steps = best->name(products, found.tree.widest() > 2);
}

} // namespace

Revelation reveal(const Kernel &kernel, const RevealOptions &options) {
    const bool matmul = kernel.task == Task::matmul;
    if (kernel.task != Task::sum && kernel.task != Task::dot && !matmul)
        throw std::invalid_argument("'" + kernel.name + "' is a " + std::string(name_of(kernel.task)) +
                                    ": an order can be found of sum, dot and matmul");
    if (const std::string reason = kernel.unavailable(); !reason.empty())
        throw std::runtime_error("'" + kernel.name + "' can not run here: " + reason);
    const std::int64_t size = options.size > 0 ? options.size : matmul ? default_order : default_length;
    Revelation found;
    found.kernel = kernel.name;
    found.task = name_of(kernel.task);
    found.problem.length = (size + kernel.length_multiple - 1) / kernel.length_multiple * kernel.length_multiple;
    found.problem.rows = matmul ? size : rows_of_sums;
    found.problem.columns = matmul ? size : 1;
    FoundTree tree = find_tree(box_of(kernel, found.problem));
    found.tree = std::move(tree.tree);
    found.probes = tree.probes;
    found.names.index = kernel.task == Task::sum ? "i" : "k";
    found.names.accumulator = kernel.task == Task::sum ? -1 : found.problem.length;
    hold_to_bits(kernel, Sample(kernel, found.problem, options.seed), found);
    return found;
}

} // namespace halfscope::kernels::reveal
