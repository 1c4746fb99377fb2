#include "emulation/ops/indexing/index_axis.h"
#include "emulation/ops/indexing/indexing.h"

namespace halfscope::ops::indexing {

void one_hot(const KernelCall &call) {
    const TensorView &indices = call.inputs[0], &out = call.outputs[0];
    const AroundAxis around = around_axis(call, out.shape);
    if (indices.dtype != DType::int64) call.reject("indices must be int64, not " + std::string(name_of(indices.dtype)));
    if (out.shape.rank() != indices.shape.rank() + 1 || around.outer * around.inner != indices.shape.elements())
        call.reject("indices " + indices.shape.text() + " do not give " + out.shape.text());
    const auto *given = indices.as<const std::int64_t>();
    const auto is_on = [&](std::int64_t element) {
        const std::int64_t inner = element % around.inner, place = element / around.inner % around.size;
        const std::int64_t index = given[element / around.inner / around.size * around.inner + inner];
        return place == (index < 0 ? index + around.size : index);
    };
    const std::int64_t total = out.shape.elements();
    if (out.dtype == DType::int64) {
        for (std::int64_t i = 0; i < total; ++i) out.as<std::int64_t>()[i] = is_on(i) ? 1 : 0;
        return;
    }
    if (out.dtype == DType::boolean) {
        for (std::int64_t i = 0; i < total; ++i) out.as<std::uint8_t>()[i] = is_on(i) ? 1 : 0;
        return;
    }
    const auto fill = [&]<typename C>(C) {
        produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *values) {
            for (std::int64_t i = 0; i < count; ++i) values[i] = is_on(first + i) ? C(1) : C(0);
        });
    };
    call.in_fp64() ? fill(double{}) : fill(float{});
}

} // namespace halfscope::ops::indexing
