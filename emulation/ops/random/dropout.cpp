#include "emulation/ops/kernels.h"
#include "emulation/ops/random/philox.h"
#include "emulation/ops/random/values.h"
#include "emulation/ops/random/words.h"

#include <array>

namespace halfscope::ops {
namespace {

template <typename C> void dropout(const KernelCall &call) {
    const TensorView &x = call.inputs[0], &mask = call.outputs[1];
    const double ratio = call.operation.get<Scalars>().alpha;
    const C scale = static_cast<C>(1 / (1 - ratio));
    const auto threshold = static_cast<std::int32_t>(random::keep_threshold(ratio));
    const auto stream = random::stream_of(call.key, random::RandomPurpose::dropout);
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        const C *values = load<C>(x, first, count, out);
        std::uint8_t *kept = mask.as<std::uint8_t>() + first;
        alignas(64) std::array<std::uint32_t, produce_block> words;
        random::fill_words(stream, static_cast<std::uint64_t>(first),
                           std::span(words).first(static_cast<std::size_t>(count)));
        // The product is taken whether it is kept or not, and words compare as signed, so that the loops become SIMD.
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            const C scaled = values[i] * scale;
            out[i] = static_cast<std::int32_t>(words[i] >> 8) >= threshold ? scaled : C(0);
        }
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
            kept[i] = static_cast<std::int32_t>(words[i] >> 8) >= threshold ? 1 : 0;
    });
}

template <typename C> void dropout_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0], &mask = call.inputs[1];
    const C scale = static_cast<C>(1 / (1 - call.operation.get<Scalars>().alpha));
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        const C *gradient = load<C>(dy, first, count, out);
        const std::uint8_t *kept = mask.as<const std::uint8_t>() + first;
        for (std::int64_t i = 0; i < count; ++i) {
            const C scaled = gradient[i] * scale;
            out[i] = kept[i] ? scaled : C(0);
        }
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

void run_random(const KernelCall &call) {
    if (call.operation.kind == OpKind::random_uniform || call.operation.kind == OpKind::random_normal)
        return random::draw_values(call);
    call.in_fp64() ? run<double>(call) : run<float>(call);
}

} // namespace halfscope::ops
