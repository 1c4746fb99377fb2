#include "kernels/validation/exhaustive.h"

#include "kernels/judge/compare.h"
#include "kernels/validation/exact_elementwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>

namespace halfscope::kernels {
namespace {

constexpr std::int64_t all_patterns = std::int64_t{1} << 32;
constexpr std::int64_t slice = std::int64_t{1} << 24, piece = std::int64_t{1} << 18;
constexpr std::int64_t exact_per_slice = std::int64_t{1} << 12;

void add_errors(std::optional<judge::ExactErrors> &total, const std::optional<judge::ExactErrors> &part) {
    if (!part) return;
    if (!total) {
        total = part;
        return;
    }
    const auto both = static_cast<double>(total->elements + part->elements);
    const auto mean = [&](double judge::ExactErrors::*field) {
        if (both > 0)
            (*total).*field = ((*total).*field * static_cast<double>(total->elements) +
                               (*part).*field * static_cast<double>(part->elements)) /
                              both;
    };
    const auto worst = [&](double judge::ExactErrors::*field) {
        (*total).*field = std::max((*total).*field, (*part).*field);
    };
    mean(&judge::ExactErrors::mean_ulp);
    mean(&judge::ExactErrors::mean_relative);
    mean(&judge::ExactErrors::emulated_mean_ulp);
    worst(&judge::ExactErrors::worst_ulp);
    worst(&judge::ExactErrors::worst_relative);
    worst(&judge::ExactErrors::worst_of_bound);
    worst(&judge::ExactErrors::emulated_worst_ulp);
    total->elements += part->elements;
    total->beyond_bound += part->beyond_bound;
}

void move_element(std::optional<judge::Element> &element, std::int64_t first) {
    if (!element) return;
    element->index += first;
    element->position = {element->index};
}

/// Adds the judgement of the patterns from `first` on to the total.
void merge(judge::Judgement &total, judge::Judgement part, std::int64_t first) {
    move_element(part.worst, first);
    move_element(part.worst_error, first);
    if (first == 0) {
        total = std::move(part);
        total.shape = {all_patterns};
        return;
    }
    const bool graver_error = part.errors && total.errors && part.errors->worst_of_bound > total.errors->worst_of_bound;
    add_errors(total.errors, part.errors);
    if (graver_error) total.worst_error = part.worst_error;
    const auto mismatches = [](const judge::Judgement &j) { return j.nan_mismatches + j.infinity_mismatches; };
    if ((mismatches(part) > 0 && mismatches(total) == 0) ||
        (part.worst_ulp > total.worst_ulp && mismatches(total) == 0) || (part.worst && !total.worst))
        total.worst = part.worst;
    if (part.verdict > total.verdict) {
        total.verdict = part.verdict;
        total.explanation = part.explanation;
    }
    total.elements += part.elements;
    total.bit_equal += part.bit_equal;
    total.nan_payload_differences += part.nan_payload_differences;
    total.zero_sign_differences += part.zero_sign_differences;
    total.nan_mismatches += part.nan_mismatches;
    total.infinity_mismatches += part.infinity_mismatches;
    total.worst_ulp = std::max(total.worst_ulp, part.worst_ulp);
}

} // namespace

bool takes_all_patterns(const Kernel &kernel) {
    return kernel.task == Task::convert && kernel.operands == number::FormatId::fp32 && kernel.emulate != nullptr;
}

judge::Judgement judge_all_patterns(const Kernel &kernel, ops::ThreadPool &threads, double &seconds) {
    judge::Judgement total;
    ops::HostTensor x(ops::DType::fp32, ops::Shape{slice});
    ops::HostTensor tested(storage_of(kernel.result), ops::Shape{slice}), emulated(tested.dtype, tested.shape);
    const auto patterns = x.as<std::uint32_t>();
    seconds = 0;
    for (std::int64_t first = 0; first < all_patterns; first += slice) {
        std::iota(patterns.begin(), patterns.end(), static_cast<std::uint32_t>(first));
        const ops::TensorView view = x.view();
        const auto start = std::chrono::steady_clock::now();
        kernel.run({{&view, 1}, tested.view()});
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        threads.run(slice / piece, [&](std::int64_t task) {
            const auto part = [&](ops::HostTensor &tensor) {
                const auto offset = static_cast<std::size_t>(task * piece) * ops::size_of(tensor.dtype);
                return ops::TensorView{tensor.bytes.data() + offset, tensor.dtype, ops::Shape{piece}};
            };
            const ops::TensorView in = part(x);
            kernel.emulate({{&in, 1}, part(emulated)});
        });
        const judge::ExactResults exact =
            exact_elementwise(kernel.task, {&view, 1}, kernel.result, kernel.rounding, kernel.flush_operands);
        judge::Results results;
        results.tested = tested.view();
        results.emulated = emulated.view();
        results.model = "the emulator";
        results.format = kernel.result;
        results.exact = &exact;
        results.most_exact_work = exact_per_slice;
        merge(total, judge::compare(results, threads), first);
    }
    // The slices' own sentences count a slice.
    const std::int64_t different = total.elements - total.bit_equal - total.nan_payload_differences;
    total.explanation = different == 0 ? fmt::format("All {} results are bit-equal to the emulator.", total.elements)
                                       : fmt::format("{} of {} results have other bits than the emulator's.", different,
                                                     total.elements);
    total.evidence.clear();
    if (total.errors)
        total.evidence.push_back(
            fmt::format("{} of them, evenly spaced, were held against the exact result", total.errors->elements));
    return total;
}

} // namespace halfscope::kernels
