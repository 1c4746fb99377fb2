#include "kernels/plugin/plugin.h"

#include "emulation/ops/matmul/accumulation_model.h"
#include "kernels/judge/row_variant.h"
#include "kernels/plugin/crash_guard.h"
#include "kernels/plugin/halfscope_kernel.h"
#include "kernels/twin/elementwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include <dlfcn.h>

namespace halfscope::kernels {
namespace {

using number::FormatId;

struct Library {
    std::string file;
    const halfscope_library *table = nullptr;

    [[noreturn]] void fail(const std::string &reason) const {
        throw std::runtime_error(fmt::format("{}: {}", file, reason));
    }
};

Library open_library(const std::filesystem::path &file) {
    Library library{file.string(), nullptr};
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) library.fail("there is no such file");
    // Absolute, or dlopen would look for a bare name in the system's folders.
    void *handle = dlopen(std::filesystem::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        library.fail(fmt::format("can not be loaded: {}", reason ? reason : "no reason given"));
    }
    using Entry = const halfscope_library *();
    auto *entry = reinterpret_cast<Entry *>(dlsym(handle, "halfscope_kernel_library"));
    if (!entry)
        library.fail("is a shared library, but has no function halfscope_kernel_library (see halfscope_kernel.h; "
                     "declare it extern \"C\" in C++)");
    const CrashGuard guard(fmt::format("{}: halfscope_kernel_library()", library.file));
    library.table = entry();
    if (!library.table) library.fail("halfscope_kernel_library() returned NULL");
    if (library.table->abi != HALFSCOPE_KERNEL_ABI)
        library.fail(
            fmt::format("was built for version {} of halfscope_kernel.h, this program has version {}; build it "
                        "again with this program's header",
                        library.table->abi, HALFSCOPE_KERNEL_ABI));
    if (!library.table->describe || !library.table->run) library.fail("its table lacks describe or run");
    if (library.table->kernel_count == 0 || library.table->kernel_count > 10000)
        library.fail(fmt::format("its table says it has {} kernels", library.table->kernel_count));
    return library;
}

std::optional<FormatId> format_from(halfscope_format format) {
    switch (format) {
    case HALFSCOPE_FP32: return FormatId::fp32;
    case HALFSCOPE_FP16: return FormatId::fp16;
    case HALFSCOPE_BF16: return FormatId::bf16;
    case HALFSCOPE_TF32: return FormatId::tf32;
    case HALFSCOPE_NO_FORMAT: break;
    }
    return std::nullopt;
}

halfscope_format format_of(ops::DType dtype, FormatId operands) {
    switch (dtype) {
    case ops::DType::fp16: return HALFSCOPE_FP16;
    case ops::DType::bf16: return HALFSCOPE_BF16;
    default: return operands == FormatId::tf32 ? HALFSCOPE_TF32 : HALFSCOPE_FP32;
    }
}

std::optional<Task> task_from(halfscope_operation operation) {
    switch (operation) {
    case HALFSCOPE_MATMUL: return Task::matmul;
    case HALFSCOPE_DOT: return Task::dot;
    case HALFSCOPE_SUM: return Task::sum;
    case HALFSCOPE_SOFTMAX: return Task::softmax;
    case HALFSCOPE_LAYER_NORM: return Task::layer_norm;
    case HALFSCOPE_ROUND: return Task::convert;
    }
    return std::nullopt;
}

/// One call through the C interface.
void run(const Library &library, std::uint32_t index, const Kernel &kernel, const KernelCall &call) {
    std::vector<halfscope_tensor> inputs;
    const bool has_accumulator = kernel.task == Task::matmul || kernel.task == Task::dot;
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
        const ops::TensorView &view = call.inputs[i];
        const FormatId operands = has_accumulator && i == 2 ? FormatId::fp32 : kernel.operands;
        inputs.push_back({view.data, format_of(view.dtype, operands), view.shape.rank(), view.shape.sizes().data()});
    }
    halfscope_call c_call{};
    c_call.size = sizeof c_call;
    c_call.input_count = static_cast<std::int32_t>(inputs.size());
    c_call.inputs = inputs.data();
    c_call.output = {call.output.data, format_of(call.output.dtype, FormatId::fp32), call.output.shape.rank(),
                     call.output.shape.sizes().data()};
    c_call.epsilon = call.epsilon;
    const CrashGuard guard(fmt::format("{}: kernel '{}'", library.file, kernel.name));
    const char *failure = nullptr;
    try {
        failure = library.table->run(index, &c_call);
    } catch (const std::exception &error) {
        library.fail(fmt::format("kernel '{}' threw an exception: {}", kernel.name, error.what()));
    } catch (...) {
        library.fail(fmt::format("kernel '{}' threw an exception", kernel.name));
    }
    if (failure) library.fail(fmt::format("kernel '{}' failed: {}", kernel.name, failure));
}

halfscope_kernel_description describe(const Library &library, std::uint32_t index) {
    halfscope_kernel_description description{};
    description.size = sizeof description;
    const CrashGuard guard(fmt::format("{}: describe({})", library.file, index));
    if (const char *failure = library.table->describe(index, &description))
        library.fail(fmt::format("kernel {} can not be described: {}", index, failure));
    const std::string name = description.name ? description.name : "";
    const bool plain = !name.empty() && name.size() < 100 &&
                       name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
                           std::string::npos;
    if (!plain)
        library.fail(fmt::format("kernel {} has the name '{}'; letters, digits, '-', '_' and '.' make a name", index,
                                 name.substr(0, 100)));
    return description;
}

/// "", or why `model` does not exist for these formats.
std::string model_mismatch(ops::Accumulation model, FormatId operands, FormatId accumulator) {
    const std::string name = "accumulation '" + std::string(ops::name_of(model)) + "' ";
    const ops::DType stored = storage_of(operands);
    if (operands == FormatId::tf32 && !ops::takes_blocks(model)) return name + "has no tf32 operands";
    if (operands == FormatId::fp32 && ops::takes_blocks(model))
        return name + "takes fp16, bf16 or tf32 operands, got fp32";
    if (std::string reason = ops::refusal(model, stored, stored); !reason.empty()) return reason;
    const ops::DType needed = ops::accumulator_of(model);
    if (storage_of(accumulator) != needed)
        return fmt::format("{}accumulates in {}, not {}", name, ops::name_of(needed),
                           number::format_of(accumulator).name);
    return {};
}

/// What the kernel is said to compute like: the model asked for, the one it names, or the operation's definition.
std::string choose_model(const Library &library, const Kernel &kernel, const char *named,
                         const std::optional<std::string> &asked) {
    const auto given = asked ? asked : named ? std::optional<std::string>(named) : std::nullopt;
    try {
        using judge::RowTask;
        switch (kernel.task) {
        case Task::convert: return {};
        case Task::sum: return std::string(judge::row_model_named(RowTask::sum, given.value_or("tree")).name);
        case Task::softmax: return std::string(judge::row_model_named(RowTask::softmax, given.value_or("fp32")).name);
        case Task::layer_norm:
            return std::string(judge::row_model_named(RowTask::layer_norm, given.value_or("fp32")).name);
        default: break;
        }
        const char *chain = kernel.accumulator == FormatId::fp16   ? "fp16-fma-chain"
                            : kernel.accumulator == FormatId::bf16 ? "bf16-fma-chain"
                                                                   : "fma-chain";
        const ops::Accumulation model = ops::accumulation_from(given.value_or(chain));
        if (const std::string reason = model_mismatch(model, kernel.operands, *kernel.accumulator); !reason.empty())
            throw std::invalid_argument(reason);
        return std::string(ops::name_of(model));
    } catch (const std::invalid_argument &error) {
        library.fail(fmt::format("kernel '{}': {} (--model chooses another)", kernel.name, error.what()));
    }
}

Kernel kernel_of(const std::shared_ptr<const Library> &library, std::uint32_t index,
                 const std::optional<std::string> &asked) {
    const halfscope_kernel_description description = describe(*library, index);
    Kernel kernel;
    kernel.name = description.name;
    kernel.place = Place::plugin;
    kernel.defines_bits = false;
    const auto fail = [&](const std::string &reason) {
        library->fail(fmt::format("kernel '{}' {}", kernel.name, reason));
    };
    const auto task = task_from(description.operation);
    if (!task) fail(fmt::format("has the operation {}, which does not exist", static_cast<int>(description.operation)));
    const auto operands = format_from(description.operands), result = format_from(description.result);
    if (!operands) fail("does not say which format its operands have");
    if (!result) fail("does not say which format its result has");
    kernel.task = *task;
    kernel.operands = *operands;
    kernel.result = *result;
    const bool products = kernel.task == Task::matmul || kernel.task == Task::dot;
    if ((kernel.operands == FormatId::tf32 && !products) || kernel.result == FormatId::tf32)
        fail("has tf32 where only operands of a matmul or dot may be");
    if (kernel.task != Task::convert)
        kernel.accumulator = format_from(description.accumulator).value_or(FormatId::fp32);
    if (kernel.accumulator == FormatId::tf32) fail("can not accumulate in tf32");
    if (description.length_multiple < 0 || description.length_multiple > 65536)
        fail(fmt::format("wants lengths that are multiples of {}", description.length_multiple));
    kernel.length_multiple = std::max<std::int64_t>(1, description.length_multiple);
    kernel.order = description.order ? description.order : "order not stated";

    kernel.model = choose_model(*library, kernel, description.model, asked);
    if (kernel.task == Task::convert) {
        kernel.defines_bits = true;
        kernel.emulate = [](const KernelCall &call) { emulate_elementwise(Task::convert, {}, call); };
    }
    // A copy of the kernel's facts, as the function lives inside the kernel itself.
    kernel.run = [library, index, facts = kernel](const KernelCall &call) {
        kernels::run(*library, index, facts, call);
    };
    return kernel;
}

} // namespace

std::vector<Kernel> load_plugin(const std::filesystem::path &file, const std::optional<std::string> &model) {
    const auto library = std::make_shared<const Library>(open_library(file));
    std::vector<Kernel> kernels;
    for (std::uint32_t index = 0; index < library->table->kernel_count; ++index) {
        Kernel kernel = kernel_of(library, index, model);
        if (std::any_of(kernels.begin(), kernels.end(), [&](const Kernel &k) { return k.name == kernel.name; }))
            library->fail(fmt::format("two kernels are called '{}'", kernel.name));
        kernels.push_back(std::move(kernel));
    }
    return kernels;
}

} // namespace halfscope::kernels
