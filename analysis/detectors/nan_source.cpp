// nan-source: the first operation that made NaN or infinity out of finite operands, other than by overflowing on
// storage.
//
// What it looks for. The earliest non-finite value the fp32 twin does not share, in the forward pass, in the backward
// pass of a step whose forward pass was clean, or in the optimizer; and of that tensor, that the value was made by the
// operation's own arithmetic (its source was infinite or NaN before rounding) instead of by rounding a finite value
// past the format's end. Typical: log(x + 1e-8) where 1e-8 is zero in fp16 (T08), 0 * rsqrt(0) with an eps that
// vanished (A10), inf - inf and 0 * inf behind an overflow (A13's backward pass), a softmax over a row that is -inf
// throughout (T04). The trace's own event, when the producer recorded one, gives the operands' magnitudes.
//
// Threshold. One element; critical only when the loss curve is bad. Backward infinities in steps that a dynamic scaler
// skipped are its normal work and are left to scale-collapse and backward-only-overflow, unless the scale had come down
// to 1 already and the operation has a pole (a division, a root): what is infinite then no scale has made.
#include "analysis/detectors/detector.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

namespace halfscope::analysis {

namespace {

constexpr std::string_view no_pole = "arithmetic on operands at the edge of the range";

/// How finite operands of `operation` can give inf or NaN.
std::string_view mechanism(std::string_view operation) {
    if (operation == "logarithm" || operation.starts_with("log_softmax"))
        return "the logarithm of zero: a small constant such as 1e-8 added before it is itself zero in the format";
    if (operation == "divide" || operation == "reciprocal")
        return "a division by zero: the divisor, or the eps that protects it, underflowed";
    if (operation == "square_root" || operation == "square_root_gradient" || operation == "power_scalar" ||
        operation == "power")
        return "the inverse root of zero: a variance or the eps that protects it underflowed";
    if (operation.find("norm") != std::string_view::npos)
        return "a normalisation by a variance of zero, with an eps that is zero in the format";
    if (operation == "softmax" || operation == "softmax_gradient")
        return "a softmax over a row that is -inf throughout";
    if (operation == "exponential" || operation == "softplus" || operation == "sigmoid")
        return "an exponential beyond the range of the arithmetic";
    if (operation == "adam_step" || operation == "sgd_step")
        return "an update computed from a denominator that underflowed to zero";
    return no_pole;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const NonFinite *origin = nullptr;
    for (const NonFinite *candidate :
         {&e.origins.forward, &e.origins.applied_backward, &e.origins.unscaled_backward, &e.origins.optimizer}) {
        if (!*candidate || candidate->overflowed()) continue;
        // A sum of products that is infinite at any scale had infinite terms: scale-collapse says as much.
        if (candidate == &e.origins.unscaled_backward && mechanism(candidate->tensor->info.operation) == no_pole)
            continue;
        if (!origin || candidate->step < origin->step) origin = candidate;
    }
    if (!origin) return;
    // Whoever knows why this tensor is not finite has said so.
    for (const Finding &f : findings)
        if (f.tensor == origin->tensor->info.name &&
            (f.detector == saturated_sigmoid.info.id || f.detector == clamp_rounds_to_one.info.id ||
             f.detector == log_of_lost_eps.info.id || f.detector == norm_eps_lost.info.id))
            return;
    // An overflow before it is the cause; this is what became of it.
    for (const NonFinite *earlier : {&e.origins.forward, &e.origins.applied_backward, &e.origins.optimizer})
        if (*earlier && earlier->overflowed() && earlier->step <= origin->step) return;
    const TensorHistory &tensor = *origin->tensor;
    Finding f;
    f.detector = nan_source.info.id;
    f.severity = e.severity_if_bad(Severity::warning);
    f.layer = tensor.info.layer;
    f.tensor = tensor.info.name;
    f.first_step = origin->step;
    f.weight = 70;
    const bool nan = (origin->events & nan_event) != 0;
    const std::string_view what = nan ? "NaN" : "infinity";
    const bool by_optimizer = origin == &e.origins.optimizer;
    f.evidence = fmt::format("{} first appears at step {} in {}, made by `{}` in the {}.", nan ? "NaN" : "Infinity",
                             origin->step, named(tensor.info.name), tensor.info.operation,
                             by_optimizer           ? "optimizer"
                             : tensor.info.backward ? "backward pass"
                                                    : "forward pass");
    if (origin->event) {
        f.evidence += fmt::format(" Its largest operand is {}.", figure(origin->event->input_amax));
        if (!origin->event->detail.empty()) f.evidence += " " + origin->event->detail;
    }
    f.cause = fmt::format("`{}` in {} makes {} of finite operands: {}.", tensor.info.operation,
                          named(tensor.info.layer), what, mechanism(tensor.info.operation));
    f.remedy =
        by_optimizer
            ? std::string("Keep optimizer state and master weights in fp32, or use an eps the state's format can hold.")
            : fmt::format("Compute {} in fp32, or use an eps that {} can hold (fp16: at least 6e-8, better 1e-5).",
                          named(tensor.info.layer), tensor.info.format);
    findings.push_back(std::move(f));
}

} // namespace

const Detector nan_source{
    {"nan-source", "First NaN or infinity by arithmetic",
     "The earliest inf or NaN, which the fp32 twin does not share, that an operation made of finite operands by its "
     "own "
     "arithmetic and not by overflowing on storage; forward, backward of an applied step, or optimizer.",
     "One element; critical only when the loss curve is bad.",
     "log(p + 1e-8) with p = 0: 1e-8 is below 2^-25 = 2.98e-8 and is zero in fp16, so the result is -inf; bf16 gives "
     "-18.4.",
     "Compute the operation in fp32, or use an eps the format can hold."},
    find};

} // namespace halfscope::analysis
