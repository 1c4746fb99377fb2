#include "emulation/ops/random/values.h"

#include "emulation/ops/random/philox.h"

#include <array>

namespace halfscope::ops::random {
namespace {

template <typename C> void draw(const KernelCall &call) {
    const auto &scalars = call.operation.get<Scalars>();
    const auto first_scalar = static_cast<float>(scalars.alpha), second_scalar = static_cast<float>(scalars.beta);
    const bool normal = call.operation.kind == OpKind::random_normal;
    const RandomStream stream = stream_of(call.key, RandomPurpose::sampling);
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        alignas(64) std::array<float, produce_block> values;
        const std::span<float> drawn(values.data(), static_cast<std::size_t>(count));
        const auto at = static_cast<std::uint64_t>(first);
        normal ? fill_normal(stream, first_scalar, second_scalar, drawn, at)
               : fill_uniform(stream, first_scalar, second_scalar, drawn, at);
        for (std::size_t i = 0; i < drawn.size(); ++i) out[i] = static_cast<C>(drawn[i]);
    });
}

} // namespace

void draw_values(const KernelCall &call) {
    if (call.inputs.size() != 1 || call.outputs.size() != 1) call.reject("takes one operand and gives one result");
    if (!(call.inputs[0].shape == call.outputs[0].shape) || !is_floating(call.outputs[0].dtype))
        call.reject("gives floating values of its operand's shape");
    call.in_fp64() ? draw<double>(call) : draw<float>(call);
}

} // namespace halfscope::ops::random
