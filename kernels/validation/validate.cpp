#include "kernels/validation/validate.h"

#include "kernels/judge/compare.h"
#include "kernels/judge/judge_matmul.h"
#include "kernels/judge/judge_rows.h"
#include "kernels/validation/exact_elementwise.h"
#include "kernels/validation/exhaustive.h"
#include "kernels/validation/guarded_run.h"
#include "kernels/validation/operations.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace halfscope::kernels {
namespace {

std::string inputs_in_words(const Kernel &kernel, std::span<const ops::HostTensor> inputs, std::uint64_t seed) {
    const ops::Shape &shape = inputs[0].shape;
    switch (kernel.task) {
    case Task::matmul: return fmt::format("{} x {} x {}, seed {}", shape[0], inputs[1].shape[1], shape[1], seed);
    case Task::sum:
    case Task::dot:
    case Task::softmax:
    case Task::layer_norm: return fmt::format("{} rows of {}, seed {}", shape[0], shape[1], seed);
    default: break;
    }
    if (kernel.task == Task::convert && ops::is_16bit(inputs[0].dtype)) return "all 65536 inputs";
    return fmt::format("{} inputs, seed {}", shape.elements(), seed);
}

judge::Arithmetic arithmetic_of(const Kernel &kernel) {
    const bool product = kernel.task == Task::dot || kernel.task == Task::matmul;
    if (product && !kernel.model.empty())
        return judge::arithmetic_of(ops::accumulation_from(kernel.model), kernel.operands);
    return judge::arithmetic_in(kernel.accumulator.value_or(number::FormatId::fp32));
}

ops::TensorView reshaped(ops::TensorView view, const ops::Shape &shape) {
    view.shape = shape;
    return view;
}

judge::ExactResults exact_results(const Kernel &kernel, std::span<const ops::TensorView> views) {
    const ops::Shape &shape = views[0].shape;
    switch (kernel.task) {
    case Task::dot: { // a stack of products of a row and a column
        const std::int64_t rows = shape[0], length = shape[1];
        const ops::TensorView c = reshaped(views[2], ops::Shape{rows, 1, 1});
        return judge::exact_matmul(reshaped(views[0], ops::Shape{rows, 1, length}),
                                   reshaped(views[1], ops::Shape{rows, length, 1}), &c, ops::Shape{rows, 1, 1},
                                   arithmetic_of(kernel), kernel.result);
    }
    case Task::matmul:
        return judge::exact_matmul(views[0], views[1], &views[2], ops::Shape{shape[0], views[1].shape[1]},
                                   arithmetic_of(kernel), kernel.result);
    case Task::sum: return judge::exact_sum(views[0], arithmetic_of(kernel), kernel.result);
    case Task::softmax: return judge::exact_softmax(views[0], arithmetic_of(kernel), kernel.result);
    case Task::layer_norm:
        return judge::exact_layer_norm(views[0], &views[1], &views[2], KernelCall{}.epsilon, arithmetic_of(kernel),
                                       kernel.result);
    default: return exact_elementwise(kernel.task, views, kernel.result, kernel.rounding, kernel.flush_operands);
    }
}

/// A kernel whose bits are not stated: whose bits these are, or what else explains them.
judge::Judgement explain(const Kernel &kernel, std::vector<ops::HostTensor> inputs, ops::HostTensor tested,
                         ops::ThreadPool &threads) {
    using judge::RowTask;
    const judge::ElementChoice ordinary = ordinary_elements(kernel.task, tested.shape);
    const auto rows = [&](RowTask task) {
        judge::RowInputs row_inputs{task, std::move(inputs[0]), std::nullopt, std::nullopt};
        row_inputs.tolerance_elements = ordinary;
        if (task == RowTask::layer_norm) {
            row_inputs.gamma = std::move(inputs[1]);
            row_inputs.beta = std::move(inputs[2]);
        }
        return judge::judge_rows(row_inputs, tested.view(), kernel.model, threads);
    };
    switch (kernel.task) {
    case Task::sum: return rows(RowTask::sum);
    case Task::softmax: return rows(RowTask::softmax);
    case Task::layer_norm: return rows(RowTask::layer_norm);
    default: break;
    }
    judge::ProductInputs product{std::move(inputs[0]), std::move(inputs[1]), std::move(inputs[2]), tested.shape,
                                 ordinary};
    if (kernel.task == Task::dot) { // a stack of products of a row and a column
        const std::int64_t count = product.a.shape[0], length = product.a.shape[1];
        product.a.shape = ops::Shape{count, 1, length};
        product.b.shape = ops::Shape{count, length, 1};
        product.c->shape = product.shape = tested.shape = ops::Shape{count, 1, 1};
    }
    return judge::judge_matmul(product, tested.view(), ops::accumulation_from(kernel.model), threads);
}

/// What the kernel's own promises add to the comparison.
void hold_to_its_word(const Kernel &kernel, const std::vector<std::string> &faults, judge::Judgement &judgement) {
    const bool other_nan = kernel.nan == NanRule::same_bits && judgement.nan_payload_differences > 0;
    if (kernel.emulate && kernel.defines_bits && judgement.verdict == judge::Verdict::different_order) {
        judgement.verdict = judge::Verdict::real_bug;
        judgement.explanation = fmt::format("The order is stated ({}), which defines every bit, and {} of {} elements "
                                            "have others.",
                                            kernel.order, judgement.elements - judgement.bit_equal, judgement.elements);
    } else if (other_nan && judge::is_pass(judgement.verdict)) {
        judgement.verdict = judge::Verdict::real_bug;
        judgement.explanation = fmt::format("{} NaN have another sign or payload than a conversion gives them.",
                                            judgement.nan_payload_differences);
    }
    if (faults.empty()) return;
    judgement.verdict = judge::Verdict::real_bug;
    judgement.explanation = fmt::format("{}.", fmt::join(faults, "; "));
}

} // namespace

Validation describe(const Kernel &kernel) {
    Validation validation;
    const auto name = [](number::FormatId format) { return std::string(number::format_of(format).name); };
    validation.kernel = kernel.name;
    validation.task = name_of(kernel.task);
    validation.place = name_of(kernel.place);
    validation.operands = name(kernel.operands);
    if (kernel.accumulator) validation.accumulator = name(*kernel.accumulator);
    validation.result = name(kernel.result);
    validation.order = kernel.order;
    return validation;
}

Validation validate(const Kernel &kernel, const ValidationOptions &options, ops::ThreadPool &threads) {
    Validation validation = describe(kernel);
    if (std::string reason = kernel.unavailable(); !reason.empty()) {
        validation.judgement.verdict = judge::Verdict::skipped;
        validation.judgement.explanation = std::move(reason);
        return validation;
    }
    if (kernel.task == Task::operation) {
        validation.judgement =
            judge_operations(kernel, options.inputs.size, threads, validation.inputs, validation.seconds);
        return validation;
    }
    if (options.exhaustive && takes_all_patterns(kernel)) {
        validation.inputs = "all 4294967296 inputs";
        validation.judgement = judge_all_patterns(kernel, threads, validation.seconds);
        hold_to_its_word(kernel, {}, validation.judgement);
        return validation;
    }
    std::vector<ops::HostTensor> inputs = make_inputs(kernel, options.inputs);
    validation.inputs = inputs_in_words(kernel, inputs, options.inputs.seed);
    const ops::Shape shape = result_shape(kernel.task, inputs);
    GuardedRun run = run_guarded(kernel, inputs, shape);
    validation.seconds = run.seconds;

    if (!kernel.defines_bits) {
        validation.judgement = explain(kernel, std::move(inputs), std::move(run.output), threads);
        hold_to_its_word(kernel, run.faults, validation.judgement);
        return validation;
    }
    std::vector<ops::TensorView> views;
    for (ops::HostTensor &input : inputs) views.push_back(input.view());
    ops::HostTensor emulated(run.output.dtype, shape);
    kernel.emulate({views, emulated.view()});
    const judge::ExactResults exact = exact_results(kernel, views);
    judge::Results results;
    results.tested = run.output.view();
    results.emulated = emulated.view();
    results.model = kernel.model.empty() ? "the emulator" : kernel.model;
    results.format = kernel.result;
    results.exact = &exact;
    results.tolerance_elements = ordinary_elements(kernel.task, shape);
    validation.judgement = judge::compare(results, threads);
    hold_to_its_word(kernel, run.faults, validation.judgement);
    return validation;
}

} // namespace halfscope::kernels
