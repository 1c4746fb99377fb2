#include "kernels/judge/judge_matmul.h"

#include "kernels/judge/compare.h"
#include "kernels/judge/difference_pattern.h"
#include "kernels/judge/exact_operands.h"
#include "kernels/judge/identify_product.h"
#include "kernels/judge/product_mistakes.h"

#include "emulation/number/conversion.h"
#include "emulation/ops/matmul/accumulation_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace halfscope::kernels::judge {
namespace {

using number::FormatId;

/// The asked arithmetic, or plain fp32 additions where those may err more and the model keeps fp32 too.
Arithmetic loosest(ops::Accumulation model, FormatId operands, std::int64_t depth, bool with_c) {
    Arithmetic asked = arithmetic_of(model, operands);
    if (ops::is_16bit(ops::accumulator_of(model))) return asked;
    Arithmetic plain = arithmetic_in(FormatId::fp32);
    const bool wider =
        dot_product_bound(plain, depth, with_c).relative > dot_product_bound(asked, depth, with_c).relative;
    return wider && !asked.flushes ? plain : asked;
}

/// Elements whose bits are not the emulator's; at most `most`, the first of them.
std::vector<std::int64_t> differing(const ops::TensorView &tested, const ops::TensorView &emulated, std::size_t most) {
    std::vector<std::int64_t> found;
    for (std::int64_t i = 0; i < tested.shape.elements() && found.size() < most; ++i)
        if (bits_at(tested, i) != bits_at(emulated, i)) found.push_back(i);
    return found;
}

/// The narrowest format that every finite result fits in, when that is narrower than their storage.
std::optional<FormatId> fitting_format(const ops::TensorView &results) {
    if (results.dtype != ops::DType::fp32) return std::nullopt;
    const number::Format &fp32 = number::format_of(FormatId::fp32);
    for (const FormatId format : {FormatId::bf16, FormatId::fp16, FormatId::tf32}) {
        const number::Format &narrow = number::format_of(format);
        std::int64_t finite = 0, fitting = 0;
        for (std::int64_t i = 0; i < results.shape.elements(); ++i) {
            const std::uint64_t bits = bits_at(results, i);
            if (bits << 1 == 0 || number::unpack(fp32, bits).kind != number::Kind::finite) continue;
            ++finite;
            if (number::convert(fp32, bits, narrow).status != number::exact) break;
            ++fitting;
        }
        if (finite >= 8 && fitting == finite) return format;
    }
    return std::nullopt;
}

/// Errors over sum |a b| of some elements.
struct TypicalErrors {
    double typical = 0; ///< root mean square of all but the largest 1/32, so that single wrong elements do not make it
    double largest = 0;
};
TypicalErrors typical_errors(const ExactResults &exact, const std::vector<std::int64_t> &elements,
                             const ops::TensorView &values) {
    std::vector<double> errors;
    for (std::size_t i = 0; i < elements.size(); ++i) {
        const ExactResults::Value right = exact.at(elements[i]);
        const double error = std::fabs(error_of(value_at(values, static_cast<std::int64_t>(i)), right.exact));
        if (std::isfinite(error) && right.scale > 0) errors.push_back(error / right.scale);
    }
    if (errors.empty()) return {};
    std::sort(errors.begin(), errors.end());
    const std::size_t counted = errors.size() - (errors.size() > 1 ? (errors.size() + 31) / 32 : 0);
    double squares = 0;
    for (std::size_t i = 0; i < counted; ++i) squares += errors[i] * errors[i];
    return {std::sqrt(squares / static_cast<double>(counted)), errors.back()};
}

/// The largest errors that the orders tried leave on the same elements.
TypicalErrors of_orders(const ProductInputs &inputs, ops::Accumulation asked, ops::DType storage,
                        const ExactResults &exact, const std::vector<std::int64_t> &elements,
                        ops::ThreadPool &threads) {
    const ProductInputs some = inputs_of_elements(inputs, elements);
    TypicalErrors most;
    for (const ops::Accumulation model : models_for(inputs.a.dtype)) {
        if (model != asked && ops::is_16bit(ops::accumulator_of(model))) continue;
        ProductVariant whole;
        whole.model = model;
        ProductVariant cut = whole;
        cut.parts = 8;
        cut.tile = std::max<std::int64_t>(1, (inputs.depth() + 7) / 8);
        for (const ProductVariant &variant : {whole, cut}) {
            if (variant.parts > 1 && (variant.parts - 1) * variant.tile >= inputs.depth()) continue;
            ops::HostTensor result = rounded_to(compute(variant, some, threads), storage);
            const TypicalErrors errors = typical_errors(exact, elements, result.view());
            most.typical = std::max(most.typical, errors.typical);
            most.largest = std::max(most.largest, errors.largest);
        }
    }
    return most;
}

std::string possessive(const std::string &name) { return name + (name.ends_with('s') ? "'" : "'s"); }

void settle_match(const ProductMatch &match, Judgement &j) {
    j.identified = match.name;
    std::string same;
    if (!match.the_same.empty()) same = fmt::format(" ({} gives the same here)", fmt::join(match.the_same, ", "));
    switch (match.kind) {
    case ProductMatch::Kind::model:
        j.verdict = Verdict::bit_equal;
        j.explanation = fmt::format("These are {} bits{}, not {}: all {} results are equal.", possessive(match.name),
                                    same, possessive(j.model), j.elements);
        break;
    case ProductMatch::Kind::order:
        j.verdict = Verdict::different_order;
        j.explanation = fmt::format("The difference is accumulation order: all {} results are bit-equal to {}{}.",
                                    j.elements, match.name, same);
        break;
    case ProductMatch::Kind::extra_rounding:
        j.verdict = Verdict::extra_rounding;
        j.explanation = fmt::format("The difference is an extra rounding: all {} results are bit-equal to {}{}.",
                                    j.elements, match.name, same);
        break;
    }
}

class Judge {
  public:
    Judge(const ProductInputs &inputs, const ops::TensorView &tested, ops::Accumulation model, ops::ThreadPool &threads)
        : inputs_(inputs), tested_(tested), model_(model), threads_(threads) {}

    Judgement run() {
        ProductVariant asked;
        asked.model = model_;
        ops::HostTensor emulated = rounded_to(compute(asked, inputs_, threads_), tested_.dtype);
        const bool tf32 = inputs_.a.dtype == ops::DType::fp32 && ops::takes_blocks(model_);
        // What the unit reads of its operands is what the exact result is of.
        ops::HostTensor a = tf32 ? converted(inputs_.a, FormatId::tf32, true) : inputs_.a;
        ops::HostTensor b = tf32 ? converted(inputs_.b, FormatId::tf32, true) : inputs_.b;
        std::optional<ops::HostTensor> c = inputs_.c;
        const ops::TensorView c_view = c ? c->view() : ops::TensorView{};
        const FormatId operands = tf32 ? FormatId::tf32 : ops::format_id(a.dtype);
        arithmetic_ = loosest(model_, operands, inputs_.depth(), c.has_value());
        exact_ = exact_matmul(a.view(), b.view(), c ? &c_view : nullptr, inputs_.shape, arithmetic_,
                              ops::format_id(tested_.dtype));
        Results results;
        results.tested = tested_;
        results.emulated = emulated.view();
        results.model = std::string(ops::name_of(model_));
        results.format = ops::format_id(tested_.dtype);
        results.exact = &exact_;
        results.tolerance_elements = inputs_.tolerance_elements;
        judgement_ = compare(results, threads_);
        if (judgement_.verdict == Verdict::bit_equal) {
            judgement_.explanation = fmt::format("These are {} bits: all {} results are equal.",
                                                 possessive(results.model), judgement_.elements);
            return judgement_;
        }
        if (only_nan(judgement_)) return judgement_;
        const std::vector<std::int64_t> different = differing(tested_, emulated.view(), std::size_t{1} << 20);
        const ProductQuestion question{inputs_, tested_, model_, different};
        if (const auto match = identify(question, threads_)) {
            settle_match(*match, judgement_);
            return judgement_;
        }
        std::int64_t explained = 0;
        for (const ProductLikeness &alike : most_alike(question, threads_)) {
            judgement_.evidence.push_back(fmt::format("{} of {} {} have the bits of {}.", alike.equal,
                                                      judgement_.elements - explained,
                                                      explained == 0 ? "results" : "others", alike.name));
            explained += alike.equal;
        }
        if (explained == judgement_.elements) {
            judgement_.verdict = Verdict::different_order;
            judgement_.explanation = "The difference is accumulation order: several orders, in different places, give "
                                     "all bits.";
            return judgement_;
        }
        if (judgement_.verdict == Verdict::real_bug)
            explain_bug();
        else
            explain_order();
        return judgement_;
    }

  private:
    /// Beyond the bound.
    void explain_bug() {
        const std::int64_t beyond = judgement_.errors->beyond_bound;
        const std::string mistake = fitting_mistake(inputs_, tested_, arithmetic_);
        const auto narrow = fitting_format(tested_);
        if (mistake.empty() && narrow && within_one_more_rounding(*narrow)) return settle_rounding(*narrow);
        judgement_.explanation = fmt::format(
            "A real bug: {} of {} results are further from the exact result than any order of accumulation explains.",
            beyond, judgement_.errors->elements);
        if (!mistake.empty()) judgement_.evidence.push_back(mistake);
        describe(wrong_elements());
    }

    /// Within the bound, with bits that nothing tried gives.
    void explain_order() {
        if (const auto narrow = fitting_format(tested_)) return settle_rounding(*narrow);
        std::vector<std::int64_t> sample = spread(judgement_.elements, 256);
        const TypicalErrors found = typical_errors(exact_, sample, elements_of(tested_, sample).view());
        if (judgement_.worst_error && !std::binary_search(sample.begin(), sample.end(), judgement_.worst_error->index))
            sample.insert(std::lower_bound(sample.begin(), sample.end(), judgement_.worst_error->index),
                          judgement_.worst_error->index);
        const TypicalErrors with_worst = typical_errors(exact_, sample, elements_of(tested_, sample).view());
        const TypicalErrors orders = of_orders(inputs_, model_, tested_.dtype, exact_, sample, threads_);
        if (found.typical > typical_error_limit * orders.typical) {
            judgement_.verdict = Verdict::extra_rounding;
            judgement_.explanation = fmt::format(
                "Something is rounded more than {} says: errors are {:.3g} times those of every order tried.",
                judgement_.model, found.typical / orders.typical);
            judgement_.evidence.emplace_back("Every result is still within the worst-case bound: this is a statistical "
                                             "statement, not a proof. Look for partial sums kept in 16 bits.");
            return;
        }
        if (with_worst.largest > single_error_limit * orders.largest) {
            judgement_.verdict = Verdict::real_bug;
            judgement_.explanation = fmt::format(
                "A real bug in single results: the worst is {:.3g} times further from the exact result than "
                "every order tried leaves any.",
                with_worst.largest / orders.largest);
            judgement_.evidence.emplace_back(
                "It is still within the worst-case bound: this is a statistical statement, not a proof.");
            describe(unlikely_elements(single_error_limit * orders.largest));
            return;
        }
        judgement_.verdict = Verdict::different_order;
        judgement_.explanation =
            "The difference is accumulation order; no one order tried gives all bits, but every result "
            "is within the derived bound, and errors are no larger than those of the orders tried.";
    }

    void settle_rounding(FormatId narrow) {
        judgement_.verdict = Verdict::extra_rounding;
        judgement_.explanation =
            fmt::format("The difference is an extra rounding: every result fits in {} though it is stored in {}.",
                        number::format_of(narrow).name, ops::name_of(tested_.dtype));
    }

    /// Whether the bound holds with one more rounding of the result.
    [[nodiscard]] bool within_one_more_rounding(FormatId narrow) const {
        const ErrorBound more = rounding_bound(narrow, false); // to nearest or cut
        for (const std::int64_t i : spread(judgement_.elements, 1024)) {
            const ExactResults::Value right = exact_.at(i);
            const double most = right.bound + more.of(std::fabs(right.exact.high) + right.bound);
            if (!(std::fabs(error_of(value_at(tested_, i), right.exact)) <= most) && !right.may_overflow) return false;
        }
        return true;
    }

    [[nodiscard]] std::vector<std::int64_t> elements_that(auto is_wrong) const {
        constexpr std::int64_t most_work = std::int64_t{1} << 28;
        std::vector<std::int64_t> wrong;
        for (std::int64_t i = 0; i < std::min(judgement_.elements, most_work / exact_.work); ++i)
            if (is_wrong(exact_.at(i), value_at(tested_, i))) wrong.push_back(i);
        return wrong;
    }
    [[nodiscard]] std::vector<std::int64_t> wrong_elements() const {
        return elements_that(
            [](const ExactResults::Value &right, double value) { return right.share_of_bound(value) > 1; });
    }
    [[nodiscard]] std::vector<std::int64_t> unlikely_elements(double limit) const {
        return elements_that([limit](const ExactResults::Value &right, double value) {
            return !(std::fabs(error_of(value, right.exact)) <= limit * right.scale);
        });
    }

    void describe(const std::vector<std::int64_t> &wrong) {
        if (wrong.empty()) return;
        const auto count = static_cast<std::ptrdiff_t>(wrong.size());
        const auto all = [&](auto test) {
            return std::count_if(wrong.begin(), wrong.end(),
                                 [&](std::int64_t i) { return test(value_at(tested_, i)); }) == count;
        };
        if (all([](double value) { return value == 0; }))
            judgement_.evidence.emplace_back("Every wrong result is zero: they may never have been written.");
        else if (all([](double value) { return std::isnan(value); }))
            judgement_.evidence.emplace_back("Every wrong result is NaN: they may never have been written.");
        const std::string pattern = pattern_of(wrong, inputs_.shape);
        if (!pattern.empty()) judgement_.evidence.push_back(fmt::format("Wrong results: {}.", pattern));
    }

    const ProductInputs &inputs_;
    const ops::TensorView &tested_;
    ops::Accumulation model_;
    ops::ThreadPool &threads_;
    Arithmetic arithmetic_;
    ExactResults exact_;
    Judgement judgement_;
};

} // namespace

Judgement judge_matmul(const ProductInputs &inputs, const ops::TensorView &tested, ops::Accumulation model,
                       ops::ThreadPool &threads) {
    return Judge(inputs, tested, model, threads).run();
}

} // namespace halfscope::kernels::judge
