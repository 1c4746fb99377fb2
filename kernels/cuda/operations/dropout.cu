// Dropout: a thread takes a Philox block, four elements.
#include "emulation/ops/random/philox.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"

namespace halfscope::kernels::device::operations {
namespace {

using ops::DType;

constexpr std::int64_t words_a_block = 4;

__global__ void dropout_kernel(number::RandomStream stream, std::uint32_t threshold, float scale, Operand x, Stored y,
                               std::uint8_t *mask, std::int64_t count) {
    for (std::int64_t block = thread_index(); block * words_a_block < count; block += thread_count()) {
        const number::PhiloxBlock words = stream.block(static_cast<std::uint64_t>(block));
        for (std::int64_t word = 0; word < words_a_block; ++word) {
            const std::int64_t i = block * words_a_block + word;
            if (i >= count) return;
            const bool kept = words[static_cast<std::size_t>(word)] >> 8 >= threshold;
            y.put(i, kept ? __fmul_rn(x.at(i), scale) : 0.0f);
            mask[i] = kept ? 1 : 0;
        }
    }
}

__global__ void dropout_gradient_kernel(float scale, Operand dy, const std::uint8_t *mask, Stored dx,
                                        std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count())
        dx.put(i, mask[i] != 0 ? __fmul_rn(dy.at(i), scale) : 0.0f);
}

} // namespace

bool run_dropout(const ops::KernelCall &call) {
    const bool forward = call.operation.kind == ops::OpKind::dropout;
    if (call.inputs.size() != (forward ? 1u : 2u) || call.outputs.size() != (forward ? 2u : 1u)) return false;
    const ops::TensorView &in = call.inputs[0], &out = call.outputs[0];
    const ops::TensorView &mask = forward ? call.outputs[1] : call.inputs[1];
    const double ratio = call.operation.get<ops::Scalars>().alpha;
    if (!readable(in) || !readable(out) || !ops::is_floating(out.dtype) || mask.dtype != DType::boolean ||
        !(in.shape == out.shape) || !(mask.shape == out.shape) || !(ratio >= 0 && ratio <= 1))
        return false;
    const std::int64_t count = out.shape.elements();
    if (count == 0) return true;
    const auto scale = static_cast<float>(1 / (1 - ratio));
    const Result result(call, 0);
    if (forward)
        launch("dropout kernel", dropout_kernel, elementwise_grid((count + words_a_block - 1) / words_a_block),
               elementwise_block, ops::random::stream_of(call.key, number::RandomPurpose::dropout),
               ops::random::keep_threshold(ratio), scale, Operand(in), result.stored(), mask.as<std::uint8_t>(), count);
    else
        launch("dropout gradient kernel", dropout_gradient_kernel, elementwise_grid(count), elementwise_block, scale,
               Operand(in), mask.as<const std::uint8_t>(), result.stored(), count);
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
