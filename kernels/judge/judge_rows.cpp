#include "kernels/judge/judge_rows.h"

#include "kernels/judge/compare.h"
#include "kernels/judge/difference_pattern.h"
#include "kernels/judge/exact_operands.h"
#include "kernels/judge/product_variant.h"

#include "emulation/number/conversion.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <optional>

namespace halfscope::kernels::judge {
namespace {

using number::FormatId;

bool keeps_16_bits(std::string_view model) { return model.ends_with("fp16") || model.ends_with("bf16"); }

void identify(const RowInputs &inputs, const ops::TensorView &tested, std::string_view asked, ops::ThreadPool &threads,
              Judgement &j) {
    struct Found {
        std::string name;
        bool extra = false;
    };
    std::optional<Found> found;
    for (const RowModel &model : row_models()) {
        if (model.task != inputs.task) continue;
        const ops::HostTensor result = compute(model, inputs, threads);
        const bool narrower = keeps_16_bits(model.name) && !keeps_16_bits(asked);
        for (const std::optional<FormatId> through : {std::optional<FormatId>{}, std::optional(FormatId::fp16),
                                                      std::optional(FormatId::bf16), std::optional(FormatId::tf32)}) {
            if (through && (ops::format_id(tested.dtype) == *through ||
                            (*through == FormatId::tf32 && tested.dtype != ops::DType::fp32)))
                continue;
            ops::HostTensor left = rounded_to(result, tested.dtype, through);
            if (!equal_bits(left.view(), tested)) continue;
            const bool extra = narrower || through.has_value();
            if (found && !(found->extra && !extra)) continue;
            found = Found{std::string(model.name), extra};
            if (through) found->name += fmt::format(", the result rounded to {}", number::format_of(*through).name);
        }
    }
    if (!found) return;
    j.identified = found->name;
    j.verdict = found->extra ? Verdict::extra_rounding : Verdict::different_order;
    j.explanation = fmt::format("The difference is {}: all {} results are bit-equal to '{}'.",
                                found->extra ? "an extra rounding" : "accumulation order", j.elements, found->name);
    if (inputs.task != RowTask::sum && !found->extra)
        j.explanation = fmt::format("The difference is the order of the steps: all {} results are bit-equal to '{}'.",
                                    j.elements, found->name);
}

ExactResults exact_of(RowInputs &inputs, const Arithmetic &arithmetic, FormatId result) {
    ops::TensorView gamma, beta;
    if (inputs.gamma) gamma = inputs.gamma->view();
    if (inputs.beta) beta = inputs.beta->view();
    switch (inputs.task) {
    case RowTask::sum: return exact_sum(inputs.x.view(), arithmetic, result);
    case RowTask::softmax: return exact_softmax(inputs.x.view(), arithmetic, result);
    case RowTask::layer_norm: break;
    }
    return exact_layer_norm(inputs.x.view(), gamma.data ? &gamma : nullptr, beta.data ? &beta : nullptr, inputs.epsilon,
                            arithmetic, result);
}

std::vector<std::int64_t> beyond_bound(const ExactResults &exact, const ops::TensorView &tested) {
    std::vector<std::int64_t> wrong;
    const std::int64_t most = std::min(exact.elements, (std::int64_t{1} << 28) / exact.work);
    for (std::int64_t i = 0; i < most; ++i)
        if (exact.at(i).share_of_bound(value_at(tested, i)) > 1) wrong.push_back(i);
    return wrong;
}

/// What a wrong layer norm or softmax may be instead: within the bound of an altered input, everywhere.
std::string fitting_mistake(const RowInputs &inputs, const ops::TensorView &tested, const Arithmetic &arithmetic) {
    const auto fits = [&](RowInputs changed) {
        const ExactResults exact = exact_of(changed, arithmetic, ops::format_id(tested.dtype));
        return exact.elements > 0 && beyond_bound(exact, tested).empty();
    };
    if (inputs.task != RowTask::layer_norm) return "";
    RowInputs changed = inputs;
    changed.gamma.reset();
    if (inputs.gamma && fits(changed)) return "The results fit layer norm without the scale (gamma).";
    changed.beta.reset();
    if (inputs.gamma && inputs.beta && fits(changed)) return "The results fit layer norm without scale and bias.";
    changed = inputs;
    changed.beta.reset();
    if (inputs.beta && fits(changed)) return "The results fit layer norm without the bias (beta).";
    changed = inputs;
    for (const double epsilon : {0.0, 1e-3, 1e-5, 1e-6, 1e-8, 1e-12}) {
        changed.epsilon = epsilon;
        if (epsilon != inputs.epsilon && fits(changed))
            return fmt::format("The results fit layer norm with epsilon {}, not {}.", epsilon, inputs.epsilon);
    }
    return "";
}

} // namespace

Judgement judge_rows(const RowInputs &inputs, const ops::TensorView &tested, std::string_view model,
                     ops::ThreadPool &threads) {
    const RowModel &asked = row_model_named(inputs.task, model);
    ops::HostTensor emulated = rounded_to(compute(asked, inputs, threads), tested.dtype);
    RowInputs copy = inputs;
    FormatId steps = FormatId::fp32;
    if (model.ends_with("fp16")) steps = FormatId::fp16;
    if (model.ends_with("bf16")) steps = FormatId::bf16;
    const Arithmetic arithmetic = arithmetic_in(steps);
    const ExactResults exact = exact_of(copy, arithmetic, ops::format_id(tested.dtype));
    Results results;
    results.tested = tested;
    results.emulated = emulated.view();
    results.model = fmt::format("'{}'", asked.name);
    results.format = ops::format_id(tested.dtype);
    results.exact = &exact;
    results.tolerance_elements = inputs.tolerance_elements;
    Judgement j = compare(results, threads);
    if (j.verdict == Verdict::bit_equal || only_nan(j)) return j;
    const Verdict by_bound = j.verdict;
    identify(inputs, tested, asked.name, threads, j);
    if (j.identified && by_bound == Verdict::real_bug && j.verdict == Verdict::different_order) {
        j.verdict = Verdict::real_bug;
        j.explanation =
            fmt::format("A real bug: all {} results are bit-equal to '{}', which loses more than the bound in "
                        "{} of them.",
                        j.elements, *j.identified, j.errors->beyond_bound);
    }
    if (j.identified) return j;
    if (by_bound == Verdict::different_order) {
        j.explanation = inputs.task == RowTask::sum
                            ? "The difference is accumulation order, which one was not found: every result is within "
                              "the derived bound."
                            : "The difference is the order of the steps or another exponential or root: every result "
                              "is within the derived bound.";
        return j;
    }
    j.explanation =
        fmt::format("A real bug: {} of {} results are further from the exact result than any order explains.",
                    j.errors->beyond_bound, j.errors->elements);
    const std::string mistake = fitting_mistake(inputs, tested, arithmetic);
    if (!mistake.empty()) j.evidence.push_back(mistake);
    const std::string pattern = pattern_of(beyond_bound(exact, tested), tested.shape);
    if (!pattern.empty()) j.evidence.push_back(fmt::format("Wrong results: {}.", pattern));
    return j;
}

std::string_view name_of(number::Rounding rounding) {
    constexpr std::array<std::string_view, 6> names{"nearest-even", "nearest-away", "toward-zero",
                                                    "up",           "down",         "stochastic"};
    return names[static_cast<std::size_t>(rounding)];
}

std::string RoundingRule::name() const {
    return fmt::format("{}{}{}", name_of(mode.rounding), mode.flush_subnormals ? ", subnormals flushed" : "",
                       mode.saturate ? ", saturating" : "");
}

ops::HostTensor rounded_by(const RoundingRule &rule, const ops::HostTensor &x) {
    const number::Format &from = number::format_of(ops::format_id(x.dtype)), &to = number::format_of(rule.format);
    ops::HostTensor result(rule.format == FormatId::fp16   ? ops::DType::fp16
                           : rule.format == FormatId::bf16 ? ops::DType::bf16
                                                           : ops::DType::fp32,
                           x.shape);
    const std::size_t width = ops::size_of(result.dtype);
    const ops::TensorView view = const_cast<ops::HostTensor &>(x).view(); // only read
    for (std::int64_t i = 0; i < x.shape.elements(); ++i) {
        const std::uint64_t bits = number::convert(from, bits_at(view, i), to, rule.mode).bits;
        std::memcpy(result.bytes.data() + static_cast<std::size_t>(i) * width, &bits, width); // little-endian
    }
    return result;
}

Judgement judge_rounding(const ops::HostTensor &x, const ops::TensorView &tested, const RoundingRule &rule,
                         ops::ThreadPool &threads) {
    const ops::TensorView view = const_cast<ops::HostTensor &>(x).view(); // only read
    ops::HostTensor emulated = rounded_by(rule, x);
    const bool nearest =
        rule.mode.rounding == number::Rounding::nearest_even || rule.mode.rounding == number::Rounding::nearest_away;
    const ExactResults exact = exact_rounding(view, rule.format, nearest);
    Results results;
    results.tested = tested;
    results.emulated = emulated.view();
    results.model = fmt::format("rounding to {}, {}", number::format_of(rule.format).name, rule.name());
    results.format = rule.format;
    results.exact = &exact;
    Judgement j = compare(results, threads);
    if (j.verdict == Verdict::bit_equal || only_nan(j)) return j;
    // A rounding has no order: whatever is not the rule's bits is another rule, or wrong.
    const Verdict by_bound = j.verdict;
    for (int rounding = 0; rounding < static_cast<int>(number::Rounding::stochastic); ++rounding)
        for (const bool flush : {false, true})
            for (const bool saturate : {false, true}) {
                RoundingRule other{rule.format, {}};
                other.mode.rounding = static_cast<number::Rounding>(rounding);
                other.mode.flush_subnormals = flush;
                other.mode.saturate = saturate;
                ops::HostTensor bits = rounded_by(other, x);
                if (j.identified || !equal_bits(bits.view(), tested)) continue;
                j.identified = other.name();
                j.verdict = Verdict::extra_rounding;
                j.explanation = fmt::format("Another rounding: all {} results are bit-equal to {}, not {}.", j.elements,
                                            other.name(), rule.name());
            }
    for (const FormatId through : {FormatId::fp32, FormatId::tf32, FormatId::bf16, FormatId::fp16}) {
        if (j.identified || through == rule.format) continue;
        const ops::HostTensor first = rounded_by({through, {}}, x);
        ops::HostTensor twice = rounded_by(rule, first);
        if (!equal_bits(twice.view(), tested)) continue;
        j.identified = fmt::format("rounded to {} first", number::format_of(through).name);
        j.verdict = Verdict::extra_rounding;
        j.explanation =
            fmt::format("Rounded twice: all {} results are bit-equal to those {}.", j.elements, *j.identified);
    }
    if (j.identified) return j;
    j.verdict = Verdict::real_bug;
    j.explanation =
        by_bound == Verdict::real_bug
            ? fmt::format("A real bug: {} of {} results are further from the value than one rounding explains.",
                          j.errors->beyond_bound, j.errors->elements)
            : "A real bug: results are within the bound of one rounding, but no one rule gives them all.";
    return j;
}

} // namespace halfscope::kernels::judge
