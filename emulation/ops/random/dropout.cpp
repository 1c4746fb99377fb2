#include "emulation/ops/kernels.h"
#include "emulation/ops/random/philox.h"

namespace halfscope::ops {
namespace {

template <typename C> void dropout(const KernelCall &call) {
    const TensorView &x = call.inputs[0], &mask = call.outputs[1];
    const double ratio = call.operation.get<Scalars>().alpha;
    const C scale = static_cast<C>(1 / (1 - ratio));
    const auto stream = random::stream_of(call.key, random::RandomPurpose::dropout);
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        const C *values = load<C>(x, first, count, out);
        std::uint8_t *kept = mask.as<std::uint8_t>() + first;
        for (std::int64_t i = 0; i < count; i += 4) { // first is a multiple of a block, so of 4
            const number::PhiloxBlock words = stream.block(static_cast<std::uint64_t>(first + i) / 4);
            for (std::int64_t j = i; j < std::min(count, i + 4); ++j) {
                kept[j] = random::is_kept(words[static_cast<std::size_t>(j - i)], ratio) ? 1 : 0;
                out[j] = kept[j] ? values[j] * scale : C(0);
            }
        }
    });
}

template <typename C> void dropout_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0], &mask = call.inputs[1];
    const C scale = static_cast<C>(1 / (1 - call.operation.get<Scalars>().alpha));
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        const C *gradient = load<C>(dy, first, count, out);
        const std::uint8_t *kept = mask.as<const std::uint8_t>() + first;
        for (std::int64_t i = 0; i < count; ++i) out[i] = kept[i] ? gradient[i] * scale : C(0);
    });
}

template <typename C> void run(const KernelCall &call) {
    const bool forward = call.operation.kind == OpKind::dropout;
    if (!forward && call.operation.kind != OpKind::dropout_gradient) call.reject("is not a random operation");
    if (call.inputs.size() != (forward ? 1u : 2u) || call.outputs.size() != (forward ? 2u : 1u))
        call.reject(forward ? "takes one input and gives a result and a mask" : "takes a gradient and a mask");
    const TensorView &mask = forward ? call.outputs[1] : call.inputs[1];
    if (mask.dtype != DType::boolean || !(mask.shape == call.outputs[0].shape) ||
        !(call.inputs[0].shape == call.outputs[0].shape))
        call.reject("needs a boolean mask and operands of one shape");
    const double ratio = call.operation.get<Scalars>().alpha;
    if (!(ratio >= 0 && ratio <= 1)) call.reject("the ratio " + std::to_string(ratio) + " is not in [0, 1]");
    forward ? dropout<C>(call) : dropout_gradient<C>(call);
}

} // namespace

void run_random(const KernelCall &call) { call.in_fp64() ? run<double>(call) : run<float>(call); }

} // namespace halfscope::ops
