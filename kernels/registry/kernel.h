// A kernel under test: what it computes, in which formats and in which order, where it runs, and the emulator's own
// function that must give the same bits.
#pragma once

#include "emulation/number/format.h"
#include "emulation/number/rounding.h"
#include "emulation/ops/tensor.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::ops {
class Backend;
}

namespace halfscope::kernels {

struct OperationCase; // kernels/inputs/operation_cases.h

/// What a kernel computes. n is a count of elements, R a number of independent rows, L their length.
enum class Task : std::uint8_t {
    convert,            ///< (x [n]) -> [n], another format
    add,                ///< (x [n], y [n]) -> x + y
    subtract,           ///< (x [n], y [n]) -> x - y
    multiply,           ///< (x [n], y [n]) -> x * y
    divide,             ///< (x [n], y [n]) -> x / y
    square_root,        ///< (x [n]) -> sqrt(x)
    fused_multiply_add, ///< (x [n], y [n], z [n]) -> x * y + z, rounded once
    sum,                ///< (x [R, L]) -> [R]
    dot,                ///< (a [R, L], b [R, L], c [R]) -> c + sum a * b, [R]
    matmul,             ///< (a [m, k], b [k, n], c [m, n]) -> c + a b, [m, n]
    softmax,            ///< (x [R, L]) -> [R, L], along L
    layer_norm,         ///< (x [R, L], gamma [L], beta [L]) -> [R, L], along L, KernelCall::epsilon
    operation,          ///< operations of emulation/ops/operation.h, on a backend, as Kernel::cases lists them
};

/// "convert", "fused-multiply-add", ...
[[nodiscard]] std::string_view name_of(Task task);

/// Tasks whose result i depends on operand elements i alone.
[[nodiscard]] constexpr bool is_elementwise(Task task) { return task <= Task::fused_multiply_add; }

enum class Place : std::uint8_t { cpu, cuda, plugin };
[[nodiscard]] std::string_view name_of(Place place);

/// How two NaN are compared. IEEE 754 leaves sign and payload of a NaN to the machine.
enum class NanRule : std::uint8_t {
    same_bits, ///< a conversion: sign and payload are defined
    any_nan,   ///< any NaN is as good as any other
};

/// One run. Dense row-major tensors in host memory; the shapes are those beside Task.
struct KernelCall {
    std::span<const ops::TensorView> inputs;
    ops::TensorView output;
    double epsilon = 1e-5; ///< layer_norm only
};

struct Kernel {
    std::string name; ///< unique; what `halfscope validate NAME` takes
    Task task = Task::convert;
    number::FormatId operands = number::FormatId::fp32; ///< of every input but c, gamma and beta
    std::optional<number::FormatId> accumulator;        ///< of c and of what is carried from term to term
    std::optional<number::FormatId> start;              ///< of c, where it is not the accumulator's
    number::FormatId result = number::FormatId::fp32;
    std::string order; ///< order of accumulation and rounding points, in one line
    std::string model; ///< of emulation/ops (dot, matmul) or of judge/row_variant.h (sum, softmax, layer_norm)
    Place place = Place::cpu;
    NanRule nan = NanRule::any_nan;
    number::Rounding rounding = number::Rounding::nearest_even; ///< to the result's format
    bool flush_operands = false;                                ///< subnormal operands count as zero
    /// Whether the order above defines every bit: then `emulate` gives them and a difference is a bug. Else (sums and
    /// products of a library) the judge looks for an order that explains the bits, `model` first.
    bool defines_bits = true;
    /// The length of a dot or sum, and the k of a matmul, must be a multiple of this.
    std::int64_t length_multiple = 1;
    /// Why it can not run here, in words; "" when it can.
    std::function<std::string()> unavailable = [] { return std::string{}; };
    /// The kernel itself. Throws std::runtime_error with one sentence when it fails.
    std::function<void(const KernelCall &)> run;
    /// The emulator's twin. Needed where defines_bits.
    std::function<void(const KernelCall &)> emulate;
    /// Task::operation, in place of `run` and `emulate`: the machine under test, and what it is given. The twin is the
    /// CPU emulator's backend; results and their statistics are compared. `size` as in operation_cases.
    std::function<std::unique_ptr<ops::Backend>()> machine;
    std::function<std::vector<OperationCase>(std::int64_t size)> cases;

    [[nodiscard]] number::FormatId format_of_c() const {
        return start.value_or(accumulator.value_or(number::FormatId::fp32));
    }
};

/// The storage type of a format. tf32 is stored as fp32. Throws std::invalid_argument for fp8.
[[nodiscard]] ops::DType storage_of(number::FormatId format);

} // namespace halfscope::kernels
