// Data movement: between equal dtypes bits are copied and the stored values measured; otherwise operands are widened to
// C, moved there, and rounded and measured on the way to the result.
#include "emulation/ops/kernels.h"
#include "emulation/ops/movement/moves.h"

namespace halfscope::ops {
namespace movement {
namespace {

void move_elements(const Move &move) {
    switch (move.call.operation.kind) {
    case OpKind::reshape: return reshape(move);
    case OpKind::transpose: return transpose(move);
    case OpKind::expand: return expand(move);
    case OpKind::concat: return concat(move);
    case OpKind::slice: return slice(move);
    case OpKind::slice_gradient: return slice_gradient(move);
    case OpKind::pad: return pad(move);
    case OpKind::trilu: return trilu(move);
    default: move.call.reject("this is not a movement operation");
    }
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
    move_elements({call, inputs, {moved.data(), dtype, call.outputs[0].shape}});
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
        movement::move_elements({call, call.inputs, call.outputs[0]});
        measure(call, 0);
    } else if (call.in_fp64()) {
        movement::move_in_c<double>(call);
    } else {
        movement::move_in_c<float>(call);
    }
}

} // namespace halfscope::ops
