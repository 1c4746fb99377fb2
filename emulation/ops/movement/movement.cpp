// Data movement: between equal dtypes bits are copied and the stored values measured; otherwise operands are widened to
// C, moved there, and rounded and measured on the way to the result.
#include "emulation/ops/kernels.h"
#include "emulation/ops/movement/moves.h"

#include <algorithm>
#include <cstring>

namespace halfscope::ops {
namespace movement {
namespace {

constexpr std::int64_t byte_task = 1 << 17;

/// Memory set to copies of one element (its bits), in parallel.
void fill(const TensorView &out, std::uint64_t bits, ThreadPool &threads) {
    const auto fill_as = [&]<typename T>(T element) {
        const std::int64_t total = out.shape.elements();
        const std::int64_t chunk = byte_task / static_cast<std::int64_t>(sizeof(T));
        threads.run((total + chunk - 1) / chunk, [&](std::int64_t task) {
            std::fill_n(out.as<T>() + task * chunk, std::min(chunk, total - task * chunk), element);
        });
    };
    switch (size_of(out.dtype)) {
    case 1: return fill_as(static_cast<std::uint8_t>(bits));
    case 2: return fill_as(static_cast<std::uint16_t>(bits));
    case 4: return fill_as(static_cast<std::uint32_t>(bits));
    default: return fill_as(bits);
    }
}

void keep_triangle(const KernelCall &call, const TensorView &in, const TensorView &out) {
    const Triangle triangle = triangle_of(call);
    const std::size_t element = size_of(in.dtype);
    if (in.shape.elements() == 0) return;
    const std::int64_t columns = triangle.columns, all_rows = in.shape.elements() / columns;
    const std::int64_t per_task = std::max<std::int64_t>(1, byte_task / (columns * static_cast<std::int64_t>(element)));
    call.threads.run((all_rows + per_task - 1) / per_task, [&](std::int64_t task) {
        for (std::int64_t row = task * per_task; row < std::min(all_rows, (task + 1) * per_task); ++row) {
            const std::int64_t first = triangle.first(row), last = triangle.last(row);
            const auto bytes = [&](std::int64_t columns_before) {
                return static_cast<std::size_t>(row * columns + columns_before) * element;
            };
            auto *to = out.as<std::byte>();
            std::memset(to + bytes(0), 0, bytes(first) - bytes(0));
            std::memcpy(to + bytes(first), in.as<const std::byte>() + bytes(first), bytes(last) - bytes(first));
            std::memset(to + bytes(last), 0, bytes(columns) - bytes(last));
        }
    });
}

/// Operands and result of one dtype, of the call's shapes.
void move_elements(const KernelCall &call, std::span<const TensorView> inputs, const TensorView &out) {
    if (call.operation.kind == OpKind::trilu) {
        if (inputs.size() != 1) call.reject("takes one operand");
        return keep_triangle(call, inputs[0], out);
    }
    const Moves moves = moves_of(call, out.dtype);
    if (moves.fill) fill(out, *moves.fill, call.threads);
    for (const Part &part : moves.parts) part.copy.run(inputs[part.input].data, out.data, out.dtype, call.threads);
}

template <typename C> void move_in_c(const KernelCall &call) {
    constexpr DType dtype = std::is_same_v<C, double> ? DType::fp64 : DType::fp32;
    std::vector<std::vector<C>> storage(call.inputs.size());
    std::vector<TensorView> inputs;
    for (std::size_t k = 0; k < call.inputs.size(); ++k) {
        // Never written through: a Move only reads its inputs.
        auto *values = const_cast<C *>(load_all<C>(call.inputs[k], storage[k], call.threads));
        inputs.push_back({values, dtype, call.inputs[k].shape});
    }
    std::vector<C> moved(static_cast<std::size_t>(call.outputs[0].shape.elements()));
    move_elements(call, inputs, {moved.data(), dtype, call.outputs[0].shape});
    store<C>(call, 0, moved.data());
}

} // namespace
} // namespace movement

void run_movement(const KernelCall &call) {
    if (call.inputs.empty() || call.outputs.size() != 1) call.reject("takes operands and gives one result");
    const DType dtype = call.outputs[0].dtype;
    bool alike = true;
    for (const TensorView &input : call.inputs) {
        alike = alike && input.dtype == dtype;
        if (input.dtype != dtype && (!is_floating(input.dtype) || !is_floating(dtype)))
            call.reject("cannot turn " + std::string(name_of(input.dtype)) + " into " + std::string(name_of(dtype)));
    }
    if (alike) {
        movement::move_elements(call, call.inputs, call.outputs[0]);
        measure(call, 0);
    } else if (call.in_fp64()) {
        movement::move_in_c<double>(call);
    } else {
        movement::move_in_c<float>(call);
    }
}

} // namespace halfscope::ops
