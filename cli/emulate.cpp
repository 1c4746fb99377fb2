// `halfscope emulate OP`: one operation's bits, tensors in and out as .npy.
#include "cli/command.h"
#include "cli/emulate_options.h"
#include "cli/tensor_files.h"
#include "emulation/number/conversion.h"
#include "emulation/number/philox.h"
#include "emulation/ops/matmul/tensor_core_product.h"

#include <fmt/format.h>

#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>

namespace halfscope::cli {
namespace {

using kernels::judge::RowTask;

void require_out(const TensorOptions &o) {
    if (o.out.empty()) throw std::invalid_argument("--out is required: the .npy file that takes the result");
}

int emulate_product(const TensorOptions &o, bool dot) {
    require_out(o);
    Product product = read_product(o, dot);
    kernels::judge::ProductInputs &in = product.inputs;
    ops::ThreadPool threads(o.threads);
    ops::HostTensor result(product.result, in.shape);
    const ops::TensorView c = in.c ? in.c->view() : ops::TensorView{};
    ops::tensor_core_product(product.model, in.a.view(), in.b.view(), in.c ? &c : nullptr, result.view(), threads);
    if (dot) result.shape = dot_shape(product);
    write_results(o.out, result);
    return done;
}

int emulate_rows(const TensorOptions &o, RowTask task) {
    require_out(o);
    const Rows rows = read_rows(o, task);
    ops::ThreadPool threads(o.threads);
    const ops::HostTensor result = kernels::judge::rounded_to(
        compute(kernels::judge::row_model_named(task, rows.model), rows.inputs, threads), rows.result);
    write_results(o.out, in_file_order(rows, result));
    return done;
}

/// Element i takes words 2 i and 2 i + 1 of the Philox stream of the seed.
ops::HostTensor rounded_stochastically(const Rounding &rounding, std::uint64_t seed) {
    const number::RandomStream stream{seed};
    ops::HostTensor one(rounding.x.dtype, {1});
    ops::HostTensor result;
    kernels::judge::RoundingRule rule = rounding.rule;
    const std::size_t width = ops::size_of(rounding.x.dtype);
    for (std::size_t i = 0; i < static_cast<std::size_t>(rounding.x.shape.elements()); ++i) {
        std::memcpy(one.bytes.data(), rounding.x.bytes.data() + i * width, width);
        rule.mode.random = std::uint64_t{stream.word(2 * i)} << 32 | stream.word(2 * i + 1);
        const ops::HostTensor rounded = rounded_by(rule, one);
        if (i == 0) result = ops::HostTensor(rounded.dtype, rounding.x.shape);
        std::memcpy(result.bytes.data() + i * rounded.bytes.size(), rounded.bytes.data(), rounded.bytes.size());
    }
    return result;
}

int emulate_round(const TensorOptions &o) {
    require_out(o);
    const Rounding rounding = read_rounding(o);
    const bool random = rounding.rule.mode.rounding == number::Rounding::stochastic;
    write_results(o.out, random && rounding.x.shape.elements() > 0 ? rounded_stochastically(rounding, o.seed)
                                                                   : rounded_by(rounding.rule, rounding.x));
    return done;
}

} // namespace

void add_emulate_command(CLI::App &app, Invocation &invocation) {
    CLI::App *command = app.add_subcommand("emulate", "One operation's bits, tensors in and out as .npy");
    command->require_subcommand(1);
    const auto add = [&](const char *name, const char *what, auto add_flags, auto run) {
        auto options = std::make_shared<TensorOptions>();
        CLI::App *operation = command->add_subcommand(name, what);
        add_flags(*operation, *options);
        operation->add_option("--out", options->out,
                              "Result, .npy: fp32 as float32, fp16 as float16, bf16 as uint16 bit patterns");
        operation->callback([options, run, &invocation] { invocation.exit_code = run(*options); });
    };
    const auto rows = [&](const char *name, const char *what, RowTask task) {
        add(
            name, what, [task](CLI::App &operation, TensorOptions &o) { add_row_flags(operation, o, task); },
            [task](const TensorOptions &o) { return emulate_rows(o, task); });
    };
    add("matmul", "a b, or c + a b, with a matrix unit's bits", add_product_flags,
        [](const TensorOptions &o) { return emulate_product(o, false); });
    add("dot", "Dot products along the last axis, with a matrix unit's bits", add_product_flags,
        [](const TensorOptions &o) { return emulate_product(o, true); });
    rows("sum", "Sums along an axis, in a stated order", RowTask::sum);
    rows("softmax", "Softmax along an axis", RowTask::softmax);
    rows("layernorm", "Layer normalisation over the last axes", RowTask::layer_norm);
    add("round", "Values rounded to a narrower format", add_rounding_flags,
        [](const TensorOptions &o) { return emulate_round(o); });
}

} // namespace halfscope::cli
