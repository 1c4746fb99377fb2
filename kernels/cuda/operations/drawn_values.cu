// Values drawn in a forward pass: a thread takes a Philox block, four elements, two pairs of Box-Muller.
#include "emulation/ops/random/philox.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/transcendental.cuh"

#include <numbers>

namespace halfscope::kernels::device::operations {
namespace {

using ops::random::uniform_from;

constexpr std::int64_t words_a_block = 4;

__global__ void uniform_kernel(number::RandomStream stream, float low, float width, Stored y, std::int64_t count) {
    for (std::int64_t block = thread_index(); block * words_a_block < count; block += thread_count()) {
        const number::PhiloxBlock words = stream.block(static_cast<std::uint64_t>(block));
        for (std::int64_t word = 0; word < words_a_block && block * words_a_block + word < count; ++word)
            y.put(block * words_a_block + word,
                  __fadd_rn(low, __fmul_rn(width, uniform_from(words[static_cast<std::size_t>(word)]))));
    }
}

__global__ void normal_kernel(number::RandomStream stream, float mean, float deviation, Stored y, std::int64_t count) {
    constexpr float two_pi = 2 * std::numbers::pi_v<float>;
    for (std::int64_t block = thread_index(); block * words_a_block < count; block += thread_count()) {
        const number::PhiloxBlock words = stream.block(static_cast<std::uint64_t>(block));
        for (std::int64_t pair = 0; pair < words_a_block; pair += 2) {
            const std::int64_t first = block * words_a_block + pair;
            if (first >= count) return;
            const float u = __fsub_rn(1.0f, uniform_from(words[static_cast<std::size_t>(pair)]));
            const float angle = __fmul_rn(two_pi, uniform_from(words[static_cast<std::size_t>(pair + 1)]));
            const float length = __fsqrt_rn(__fmul_rn(-2.0f, functions::log(u)));
            y.put(first, __fadd_rn(mean, __fmul_rn(deviation, __fmul_rn(length, functions::cos(angle)))));
            if (first + 1 < count)
                y.put(first + 1, __fadd_rn(mean, __fmul_rn(deviation, __fmul_rn(length, functions::sin(angle)))));
        }
    }
}

} // namespace

bool run_drawn_values(const ops::KernelCall &call) {
    if (call.inputs.size() != 1 || call.outputs.size() != 1) return false;
    const ops::TensorView &out = call.outputs[0];
    if (!readable(out) || !ops::is_floating(out.dtype) || !(call.inputs[0].shape == out.shape)) return false;
    const std::int64_t count = out.shape.elements();
    if (count == 0) return true;
    const auto &scalars = call.operation.get<ops::Scalars>();
    const auto first = static_cast<float>(scalars.alpha), second = static_cast<float>(scalars.beta);
    const number::RandomStream stream = ops::random::stream_of(call.key, number::RandomPurpose::sampling);
    const auto grid = elementwise_grid((count + words_a_block - 1) / words_a_block);
    const Result result(call, 0);
    if (call.operation.kind == ops::OpKind::random_normal)
        launch("normal values kernel", normal_kernel, grid, elementwise_block, stream, first, second, result.stored(),
               count);
    else
        launch("uniform values kernel", uniform_kernel, grid, elementwise_block, stream, first, second - first,
               result.stored(), count);
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
