#include "kernels/reveal/probe.h"

#include "emulation/number/conversion.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace halfscope::kernels::reveal {
namespace {

using number::FormatId;

/// Powers of two of a unit and of a mask.
struct Scale {
    int unit = 0, mask = 0;
};

/// As far apart as operands and accumulator allow, the sum of all units and the mask within the accumulator's range.
/// `factors` is 2 for products, whose exponents add up.
Scale scale_of(FormatId operands, FormatId accumulator, int factors) {
    if (accumulator == FormatId::fp16) // 2^15 is the largest power; 2^-14 and below would lose the unit's last place
        return {operands == FormatId::fp16 && factors == 1 ? -14 : -12, 15};
    if (operands == FormatId::fp16) // a product of two; alone, a subnormal: the widest span there is
        return factors == 2 ? Scale{-28, 30} : Scale{-24, 15};
    return {-40, 40};
}

std::uint64_t power_of_two(FormatId format, int exponent, bool negative) {
    const number::Format &f = number::format_of(format);
    return number::round(f, number::Exact<std::uint64_t>{negative, exponent, 1, false}, number::RoundingMode{}).bits;
}

void put(ops::HostTensor &tensor, std::int64_t index, std::uint64_t bits) {
    const std::size_t size = ops::size_of(tensor.dtype);
    std::memcpy(tensor.bytes.data() + static_cast<std::size_t>(index) * size, &bits, size); // little-endian
}

double value_at(const ops::HostTensor &tensor, std::int64_t index) {
    std::uint64_t bits = 0;
    const std::size_t size = ops::size_of(tensor.dtype);
    std::memcpy(&bits, tensor.bytes.data() + static_cast<std::size_t>(index) * size, size);
    const number::Format &from = number::format_of(ops::format_id(tensor.dtype));
    return std::bit_cast<double>(number::convert(from, bits, number::format_of(FormatId::fp64)).bits);
}

/// The kernel's operands, all zero, and the writing of terms into them.
class Box {
  public:
    Box(const Kernel &kernel, const Problem &problem) : kernel_(kernel), problem_(problem) {
        const std::int64_t k = problem.length, m = problem.rows, n = problem.columns;
        const FormatId accumulator = kernel.accumulator.value_or(FormatId::fp32);
        const ops::DType operands = storage_of(kernel.operands), result = storage_of(kernel.result);
        using ops::Shape;
        switch (kernel.task) {
        case Task::sum:
            inputs_.emplace_back(operands, Shape{m, k});
            output_ = ops::HostTensor(result, Shape{m});
            break;
        case Task::dot:
            inputs_.emplace_back(operands, Shape{m, k});
            inputs_.emplace_back(operands, Shape{m, k});
            inputs_.emplace_back(storage_of(kernel.format_of_c()), Shape{m});
            output_ = ops::HostTensor(result, Shape{m});
            break;
        case Task::matmul:
            inputs_.emplace_back(operands, Shape{m, k});
            inputs_.emplace_back(operands, Shape{k, n});
            inputs_.emplace_back(storage_of(kernel.format_of_c()), Shape{m, n});
            output_ = ops::HostTensor(result, Shape{m, n});
            break;
        default: throw std::invalid_argument(std::string(name_of(kernel.task)) + " adds up no terms of its own");
        }
        products_ = kernel.task != Task::sum;
        scale_ = scale_of(kernel.operands, accumulator, products_ ? 2 : 1);
        accumulator_ = accumulator;
    }

    [[nodiscard]] std::int64_t terms() const { return problem_.length + (products_ ? 1 : 0); }
    /// Probes in one call: one a row, but only one element of a matmul, whose rows share b.
    [[nodiscard]] std::int64_t batch() const { return kernel_.task == Task::matmul ? 1 : problem_.rows; }

    std::vector<double> sums(std::span<const std::vector<Term>> settings) {
        for (std::size_t row = 0; row < settings.size(); ++row)
            for (std::size_t term = 0; term < settings[row].size(); ++term)
                set(static_cast<std::int64_t>(row), static_cast<std::int64_t>(term), settings[row][term]);
        std::vector<ops::TensorView> views;
        for (ops::HostTensor &input : inputs_) views.push_back(input.view());
        kernel_.run({views, output_.view()});
        std::vector<double> sums;
        for (std::size_t row = 0; row < settings.size(); ++row)
            sums.push_back(std::ldexp(value_at(output_, element(static_cast<std::int64_t>(row))), -scale_.unit));
        return sums;
    }

  private:
    [[nodiscard]] bool is_matmul() const { return kernel_.task == Task::matmul; }
    /// The element of the result that setting `row` of a call is for.
    [[nodiscard]] std::int64_t element(std::int64_t row) const { return is_matmul() ? problem_.element : row; }

    void set(std::int64_t row, std::int64_t term, Term setting) {
        const int exponent = setting == Term::unit ? scale_.unit : scale_.mask;
        const bool zero = setting == Term::zero, negative = setting == Term::minus_mask;
        if (term == problem_.length) {
            put(inputs_[2], element(row), zero ? 0 : power_of_two(accumulator_, exponent, negative));
            return;
        }
        const std::int64_t in_a = (is_matmul() ? problem_.element / problem_.columns : row) * problem_.length + term;
        if (!products_) {
            put(inputs_[0], in_a, zero ? 0 : power_of_two(kernel_.operands, exponent, negative));
            return;
        }
        const std::int64_t in_b = is_matmul() ? term * problem_.columns + problem_.element % problem_.columns : in_a;
        const int half = exponent >> 1; // floor: the two halves add up to the exponent
        put(inputs_[0], in_a, zero ? 0 : power_of_two(kernel_.operands, exponent - half, negative));
        put(inputs_[1], in_b, zero ? 0 : power_of_two(kernel_.operands, half, false));
    }

    const Kernel &kernel_;
    Problem problem_;
    bool products_ = false;
    Scale scale_;
    FormatId accumulator_ = FormatId::fp32;
    std::vector<ops::HostTensor> inputs_;
    ops::HostTensor output_;
};

} // namespace

BlackBox box_of(const Kernel &kernel, const Problem &problem) {
    const auto box = std::make_shared<Box>(kernel, problem);
    BlackBox result;
    result.terms = box->terms();
    result.batch = box->batch();
    result.run = [box](std::span<const std::vector<Term>> settings) { return box->sums(settings); };
    return result;
}

} // namespace halfscope::kernels::reveal
