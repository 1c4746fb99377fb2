#include "cli/validate_tensors.h"

#include "cli/command.h"
#include "cli/nearest_name.h"
#include "cli/tensor_files.h"
#include "kernels/judge/judge_matmul.h"
#include "kernels/judge/judge_rows.h"
#include "reports/document/document.h"
#include "reports/document/output_file.h"
#include "reports/document/validation_document.h"
#include "reports/render/validation_text.h"

#include <fmt/format.h>

#include <cstdio>
#include <stdexcept>
#include <vector>

namespace halfscope::cli {
namespace {

using kernels::judge::Judgement;
using kernels::judge::RowTask;

const std::vector<std::string> operations = {"matmul", "dot", "sum", "softmax", "layernorm", "round"};

/// The user's results, in their file's own type or as --result says.
ops::HostTensor read_tested(const TensorOptions &o, const ops::Shape &expected) {
    if (o.out.empty())
        throw std::invalid_argument("--out is required: the .npy file that your kernel's results are in");
    ops::HostTensor tested = o.result.empty() ? read_results(o.out, "--out")
                                              : read_operand(o.out, format_named(o.result, "--result"), "--out");
    if (!(tested.shape == expected))
        throw std::invalid_argument(fmt::format("--out: {} has shape {}, but these inputs give {}", o.out,
                                                tested.shape.text(), expected.text()));
    return tested;
}

Judgement judge_product(const TensorOptions &o, bool dot, ops::ThreadPool &threads) {
    const Product product = read_product(o, dot);
    ops::HostTensor tested = read_tested(o, dot ? dot_shape(product) : product.inputs.shape);
    tested.shape = product.inputs.shape;
    Judgement judgement = judge_matmul(product.inputs, tested.view(), product.model, threads);
    return judgement;
}

Judgement judge_rows(const TensorOptions &o, RowTask task, ops::ThreadPool &threads) {
    const Rows rows = read_rows(o, task);
    ops::HostTensor tested = axis_last(rows, read_tested(o, result_file_shape(rows)));
    return kernels::judge::judge_rows(rows.inputs, tested.view(), rows.model, threads);
}

Judgement judge_round(const TensorOptions &o, ops::ThreadPool &threads) {
    const Rounding rounding = read_rounding(o);
    if (rounding.rule.mode.rounding == number::Rounding::stochastic)
        throw std::invalid_argument(
            "--rounding stochastic: your kernel's random numbers are not known here, so its bits "
            "cannot be judged");
    ops::HostTensor tested = read_tested(o, rounding.x.shape);
    const ops::DType wanted = rounded_by(rounding.rule, ops::HostTensor(rounding.x.dtype, {0})).dtype;
    if (tested.dtype != wanted)
        throw std::invalid_argument(fmt::format("--out: {} holds {}, but values rounded to {} are {}", o.out,
                                                ops::name_of(tested.dtype), o.format,
                                                wanted == ops::DType::fp16   ? "float16"
                                                : wanted == ops::DType::bf16 ? "uint16 bit patterns"
                                                                             : "float32"));
    return judge_rounding(rounding.x, tested.view(), rounding.rule, threads);
}

Judgement judge(const TensorValidation &v, ops::ThreadPool &threads) {
    if (v.op == "matmul" || v.op == "dot") return judge_product(v.tensors, v.op == "dot", threads);
    if (v.op == "sum") return judge_rows(v.tensors, RowTask::sum, threads);
    if (v.op == "softmax") return judge_rows(v.tensors, RowTask::softmax, threads);
    if (v.op == "layernorm") return judge_rows(v.tensors, RowTask::layer_norm, threads);
    if (v.op == "round") return judge_round(v.tensors, threads);
    throw std::invalid_argument(fmt::format("--op: '{}' is no operation; the nearest of {} is '{}'", v.op,
                                            fmt::join(operations, ", "), nearest_name(v.op, operations)));
}

/// The verdict first.
void print(const TensorValidation &v, const Judgement &j) {
    using kernels::judge::Verdict;
    const auto style = reports::TerminalStyle::of(stdout);
    const bool good = j.verdict == Verdict::bit_equal, fine = kernels::judge::is_pass(j.verdict);
    const std::string_view symbol = style.unicode ? (good ? "✔" : fine ? "≈" : "✘") : (good ? "+" : fine ? "~" : "x");
    const auto tone = good ? reports::Tone::good : fine ? reports::Tone::caution : reports::Tone::bad;
    fmt::print("{} {} · {} of {} results have the bits of {}\n",
               reports::toned(fmt::format("{} {}", symbol, kernels::judge::name_of(j.verdict)), tone, style),
               v.tensors.out, j.bit_equal, j.elements, j.model);
    fmt::print("{}", reports::judgement_text(j, style));
    std::fflush(stdout);
}

} // namespace

void add_validate_tensor_options(CLI::App &command, TensorValidation &v) {
    CLI::App &group = *command.add_option_group("Tensors that your own kernel produced");
    TensorOptions &o = v.tensors;
    group.add_option("--op", v.op, "matmul, dot, sum, softmax, layernorm or round, of these inputs:");
    group.add_option("--out", o.out, "Your kernel's results, .npy: float32, float16, or uint16 bit patterns of bf16");
    group.add_option("--a", o.a, std::string("matmul, dot: left operand, .npy. ") + operand_files_help);
    group.add_option("--b", o.b, "matmul, dot: right operand");
    group.add_option("--c", o.c, "matmul, dot: what is added, float32");
    group.add_option("--in", o.in, "The other operations: input");
    group.add_option("--format", o.format, "Format of the operands (round: of the results): fp16, bf16, tf32, fp32");
    group.add_option("--model", o.model,
                     "How your kernel is meant to compute: fma-chain (default), ampere, hopper, ... (sum: tree, "
                     "sequential, pairwise, ...); 'halfscope emulate OP --help' lists them");
    group.add_option("--result", o.result, "Format of the results, when float32 holds narrower ones: fp16, bf16");
    group.add_option("--axis", o.axis,
                     "sum, softmax: the axis; layernorm: the first normalised one (default the last)");
    group.add_option("--eps", o.epsilon, "layernorm: added to the variance (default 1e-5)")
        ->check(CLI::NonNegativeNumber);
    group.add_option("--scale", o.scale, "layernorm: gamma");
    group.add_option("--bias", o.bias, "layernorm: beta");
    group.add_option("--rounding", o.rounding, "round: nearest-even (default), nearest-away, toward-zero, up, down");
    group.add_option("--subnormals", o.subnormals, "round: keep (default) or flush");
    group.add_option("--overflow", o.overflow, "round: infinity (default) or saturate");
}

int validate_tensors(const TensorValidation &validation, const std::string &json, int threads) {
    ops::ThreadPool pool(threads);
    const Judgement judgement = judge(validation, pool);
    if (!json.empty()) {
        reports::Json document = {{"schema", "halfscope.judgement/1"}, {"op", validation.op}};
        document.update(reports::to_document(judgement));
        const std::string text = reports::to_text(document);
        if (json == "-")
            fmt::print("{}", text);
        else
            reports::write_output_file(json, text);
    }
    if (json != "-") print(validation, judgement);
    return kernels::judge::is_pass(judgement.verdict) ? done : unsafe;
}

} // namespace halfscope::cli
