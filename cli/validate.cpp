// `halfscope validate`: kernels on real hardware beside the emulator's bits and the exact result.
#include "kernels/validation/validate.h"
#include "cli/command.h"
#include "cli/machine.h"
#include "cli/nearest_name.h"
#include "cli/validate_tensors.h"
#include "cli/version.h"
#include "kernels/plugin/plugin.h"
#include "kernels/registry/registry.h"
#include "kernels/reveal/libraries.h"
#include "kernels/reveal/reveal.h"
#include "reports/document/document.h"
#include "reports/document/output_file.h"
#include "reports/document/validation_document.h"
#include "reports/render/validation_page.h"
#include "reports/render/validation_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <unistd.h>

namespace halfscope::cli {
namespace {

using kernels::Kernel;

struct Options {
    std::vector<std::string> names;
    bool list = false;
    kernels::ValidationOptions validation;
    std::vector<std::string> required;
    std::string json, html, plugin, reveal, library;
    int threads = 0;
    TensorValidation tensors;
};

std::string formats_of(const Kernel &kernel) {
    if (kernel.task == kernels::Task::operation) return "fp32, fp16, bf16"; // of each operand and result
    const auto name = [](number::FormatId format) { return number::format_of(format).name; };
    std::string text(name(kernel.operands));
    if (kernel.accumulator) text += fmt::format(", {} sums", name(*kernel.accumulator));
    if (kernel.result != kernel.operands) text += fmt::format(" to {}", name(kernel.result));
    return text;
}

void list(const std::vector<Kernel> &all) {
    std::size_t name_width = 6, task_width = 4, formats_width = 7;
    for (const Kernel &kernel : all) {
        name_width = std::max(name_width, kernel.name.size());
        task_width = std::max(task_width, kernels::name_of(kernel.task).size());
        formats_width = std::max(formats_width, formats_of(kernel).size());
    }
    const auto line = [&](std::string_view name, std::string_view task, std::string_view formats,
                          std::string_view place, std::string_view order) {
        fmt::print("{:<{}}  {:<{}}  {:<{}}  {:<8}  {}\n", name, name_width, task, task_width, formats, formats_width,
                   place, order);
    };
    line("kernel", "task", "formats", "runs on", "order and rounding points");
    std::vector<std::string> reasons; // why some can not run here: footnotes
    for (const Kernel &kernel : all) {
        std::string place(kernels::name_of(kernel.place));
        if (const std::string reason = kernel.unavailable(); !reason.empty()) {
            auto known = std::find(reasons.begin(), reasons.end(), reason);
            if (known == reasons.end()) known = reasons.insert(reasons.end(), reason);
            place += fmt::format(" [{}]", known - reasons.begin() + 1);
        }
        line(kernel.name, kernels::name_of(kernel.task), formats_of(kernel), place, kernel.order);
    }
    for (std::size_t i = 0; i < reasons.size(); ++i)
        fmt::print("{}[{}] can not run here: {}\n", i == 0 ? "\n" : "", i + 1, reasons[i]);
}

std::vector<Kernel> chosen(const std::vector<Kernel> &all, const std::vector<std::string> &names) {
    if (names.empty()) return all;
    std::vector<Kernel> some;
    for (const std::string &name : names) {
        const auto found = std::find_if(all.begin(), all.end(), [&](const Kernel &k) { return k.name == name; });
        if (found == all.end()) {
            std::vector<std::string> known;
            for (const Kernel &kernel : all) known.push_back(kernel.name);
            throw std::invalid_argument(
                fmt::format("there is no kernel '{}'; the nearest is '{}' (see 'halfscope validate --list')", name,
                            nearest_name(name, known)));
        }
        some.push_back(*found);
    }
    return some;
}

/// A skip is an error where the caller says that this place must run.
void require(const std::vector<Kernel> &kernels, const std::vector<std::string> &places) {
    for (const std::string &place : places) {
        const auto there = [&](const Kernel &kernel) { return kernels::name_of(kernel.place) == place; };
        if (std::none_of(kernels.begin(), kernels.end(), there))
            throw std::invalid_argument(fmt::format("--require {}: none of the chosen kernels runs there", place));
        for (const Kernel &kernel : kernels)
            if (const std::string reason = there(kernel) ? kernel.unavailable() : ""; !reason.empty())
                throw std::invalid_argument(
                    fmt::format("--require {}: '{}' can not run here: {}", place, kernel.name, reason));
    }
}

int exit_code_of(const kernels::ValidationRun &run) {
    const auto failed = [](const kernels::Validation &validation) {
        const auto verdict = validation.judgement.verdict;
        return verdict != kernels::judge::Verdict::skipped && !kernels::judge::is_pass(verdict);
    };
    return std::any_of(run.validations.begin(), run.validations.end(), failed) ? unsafe : done;
}

std::vector<Kernel> known_kernels(const Options &options) {
    if (options.plugin.empty()) return kernels::registered_kernels();
    const std::string &model = options.tensors.tensors.model;
    return kernels::load_plugin(options.plugin, model.empty() ? std::nullopt : std::optional(model));
}

/// The kernel whose order is asked for.
Kernel kernel_to_reveal(const Options &options) {
    const kernels::Task task = options.reveal == "sum"   ? kernels::Task::sum
                               : options.reveal == "dot" ? kernels::Task::dot
                                                         : kernels::Task::matmul;
    if (!options.library.empty()) return kernels::reveal::library_kernel(options.library, task);
    std::vector<Kernel> some = chosen(known_kernels(options), options.names);
    const auto other = [task](const Kernel &kernel) { return kernel.task != task; };
    some.erase(std::remove_if(some.begin(), some.end(), other), some.end());
    if (options.plugin.empty() && options.names.empty())
        throw std::invalid_argument("--reveal needs --library openblas or eigen, --plugin, or the name of a kernel");
    if (some.empty())
        throw std::invalid_argument(fmt::format("--reveal {0}: none of these kernels is a {0}", options.reveal));
    return some.front();
}

std::vector<std::string> lines_of(const kernels::reveal::SummationTree &tree, const kernels::reveal::TermNames &names) {
    std::vector<std::string> lines;
    for (const auto &line : kernels::reveal::describe(tree, names))
        lines.push_back(std::string(static_cast<std::size_t>(line.depth) * 2, ' ') + line.text);
    return lines;
}

reports::Json order_document(const kernels::reveal::Revelation &found) {
    reports::Json orders = reports::Json::array();
    for (const auto &order : found.orders)
        orders.push_back({{"element", order.element},
                          {"description", lines_of(order.tree, found.names)},
                          {"steps", order.steps},
                          {"bit_equal", order.bit_equal},
                          {"terms", order.tree.terms},
                          {"nodes", order.tree.nodes}});
    return {{"schema", "halfscope.order/1"},  {"kernel", found.kernel},     {"task", found.task},
            {"length", found.problem.length}, {"rows", found.problem.rows}, {"columns", found.problem.columns},
            {"probes", found.probes},         {"compared", found.compared}, {"bit_equal", found.bit_equal()},
            {"orders", std::move(orders)}};
}

void print_orders(const kernels::reveal::Revelation &found) {
    fmt::print("{}: {} of {} terms, found by {} sums\n", found.kernel, found.task, found.problem.length, found.probes);
    const bool several = found.orders.size() > 1;
    for (std::size_t i = 0; i < found.orders.size(); ++i) {
        const auto &order = found.orders[i];
        if (several)
            fmt::print("  order {} of {}, of {} results, found at element [{}, {}]\n", i + 1, found.orders.size(),
                       order.bit_equal, order.element / found.problem.columns, order.element % found.problem.columns);
        for (const std::string &line : lines_of(order.tree, found.names))
            fmt::print("  {}{}\n", several ? "  " : "", line);
    }
    const std::string order = several ? "these orders" : "this order";
    if (found.matches())
        fmt::print("  the emulator in {} gives the same bits in all {} results ({})\n", order, found.compared,
                   found.orders.front().steps);
    else
        fmt::print("  the emulator in {} gives the same bits in {} of {} results at best ({}); something else than the "
                   "order makes the others\n",
                   order, found.bit_equal(), found.compared, found.orders.front().steps);
}

int reveal(const Options &options) {
    const Kernel kernel = kernel_to_reveal(options);
    const auto found =
        kernels::reveal::reveal(kernel, {options.validation.inputs.size, options.validation.inputs.seed});
    const std::string document = reports::to_text(order_document(found));
    if (!options.json.empty() && options.json != "-") reports::write_output_file(options.json, document);
    if (options.json == "-")
        fmt::print("{}", document);
    else
        print_orders(found);
    return found.matches() ? done : unsafe;
}

/// One line, redrawn: how many kernels are judged, and which one is at work.
void show_progress(std::size_t judged, std::size_t all, std::string_view name) {
    constexpr std::size_t width = 24;
    const std::size_t full = width * judged / all;
    fmt::print(stderr, "\r\033[K[{:=<{}}{: <{}}] {} of {}: {}", "", full, "", width - full, judged + 1, all, name);
    std::fflush(stderr);
}

int validate(const Options &options, const std::string &command_line) {
    if (!options.tensors.op.empty()) return validate_tensors(options.tensors, options.json, options.threads);
    if (!options.reveal.empty()) return reveal(options);
    const std::vector<Kernel> kernels = chosen(known_kernels(options), options.names);
    if (options.list) {
        list(kernels);
        return done;
    }
    require(kernels, options.required);
    kernels::ValidationRun run;
    run.command = command_line;
    run.halfscope_version = version;
    run.environment = describe_machine();
    ops::ThreadPool threads(options.threads);
    const bool show = isatty(STDERR_FILENO) != 0;
    for (const Kernel &kernel : kernels) {
        if (show) show_progress(run.validations.size(), kernels.size(), kernel.name);
        run.validations.push_back(kernels::validate(kernel, options.validation, threads));
    }
    if (show) fmt::print(stderr, "\r\033[K");

    const bool json_to_terminal = options.json == "-";
    if (json_to_terminal) fmt::print("{}", reports::to_text(reports::to_document(run)));
    if (!options.json.empty() && !json_to_terminal) reports::write_json(run, options.json);
    if (!options.html.empty()) reports::write_html(run, options.html);
    if (!json_to_terminal)
        fmt::print("{}", reports::validation_text(run, reports::TerminalStyle::of(stdout),
                                                  !options.names.empty() || !options.plugin.empty()));
    std::fflush(stdout);
    return exit_code_of(run);
}

} // namespace

void add_validate_command(CLI::App &app, Invocation &invocation) {
    auto options = std::make_shared<Options>();
    CLI::App *command =
        app.add_subcommand("validate", "Kernels on real hardware, beside the emulator's bits and the exact result");
    command->add_option("KERNEL", options->names, "Kernels by name; none takes all that can run here");
    command->add_flag("--list", options->list, "List the kernels, and why those that can not run here can not");
    command
        ->add_option("--size", options->validation.inputs.size,
                     "Elements of a conversion or arithmetic, length of a sum or row, order of a matmul")
        ->check(CLI::PositiveNumber);
    command->add_option("--seed", options->validation.inputs.seed, "Seed of the random inputs")->capture_default_str();
    command->add_flag("--exhaustive", options->validation.exhaustive,
                      "Conversions from fp32: all 2^32 inputs (a minute each)");
    command->add_option("--require", options->required, "Fail unless every kernel of this place can run: cpu, cuda")
        ->check(CLI::IsMember({"cpu", "cuda"}));
    command->add_option("--plugin", options->plugin,
                        "Kernels of your own shared library (halfscope_kernel.h) in place of the built-in ones");
    command->add_option("--reveal", options->reveal, "Find the order of accumulation from outside: sum, dot or matmul")
        ->check(CLI::IsMember({"sum", "dot", "matmul"}));
    command->add_option("--library", options->library, "Whose order --reveal finds: openblas, eigen")
        ->check(CLI::IsMember({"openblas", "eigen"}));
    command->add_option("--json", options->json, "Write the JSON document here; - prints it instead of the table");
    command->add_option("--html", options->html, "Write a page that shows it all here");
    command->add_option("--threads", options->threads, "Threads of the emulator; 0 takes all cores")
        ->check(CLI::NonNegativeNumber);
    add_validate_tensor_options(*command, options->tensors);
    command->callback([options, &invocation] { invocation.exit_code = validate(*options, invocation.command_line); });
}

} // namespace halfscope::cli
