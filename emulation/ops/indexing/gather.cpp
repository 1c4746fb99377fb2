#include "emulation/ops/indexing/exact_result.h"
#include "emulation/ops/indexing/index_axis.h"
#include "emulation/ops/indexing/indexing.h"
#include "emulation/ops/produce_units.h"

#include <utility>

namespace halfscope::ops::indexing {

void gather(const KernelCall &call) {
    const TensorView &data = call.inputs[0], &indices = call.inputs[1];
    const AroundAxis around = around_axis(call, data.shape);
    require_gathered(call, data.shape, indices, call.outputs[0].shape);
    const std::vector<std::int64_t> rows = positions(call, indices, around.size);
    const auto per_outer = static_cast<std::int64_t>(rows.size());
    copy_runs(call, data, around.inner, [&](std::int64_t run) {
        const std::int64_t row = rows[static_cast<std::size_t>(run % per_outer)];
        return (run / per_outer * around.size + row) * around.inner;
    });
}

template <typename C> void gather_gradient(const KernelCall &call) {
    const TensorView &dy = call.inputs[0], &indices = call.inputs[1], &result = call.outputs[0];
    const AroundAxis around = around_axis(call, result.shape);
    require_gathered(call, result.shape, indices, dy.shape);
    const std::vector<std::int64_t> rows = positions(call, indices, around.size);

    // Which gathered rows came from each data row, in index order: a stable counting sort.
    std::vector<std::int64_t> ends(static_cast<std::size_t>(around.size), 0), sources(rows.size());
    for (std::int64_t row : rows) ++ends[static_cast<std::size_t>(row)];
    std::int64_t total = 0;
    for (std::int64_t &end : ends) total += std::exchange(end, total);
    for (std::size_t i = 0; i < rows.size(); ++i)
        sources[static_cast<std::size_t>(ends[static_cast<std::size_t>(rows[i])]++)] = static_cast<std::int64_t>(i);

    const auto per_outer = static_cast<std::int64_t>(rows.size());
    produce_units<C>(call, 0, around.inner, [&](std::int64_t unit, C *sum) {
        thread_local std::vector<C> scratch;
        scratch.resize(static_cast<std::size_t>(around.inner));
        const std::int64_t outer = unit / around.size, row = unit % around.size;
        std::fill(sum, sum + around.inner, C(0));
        for (std::int64_t i = row == 0 ? 0 : ends[static_cast<std::size_t>(row - 1)];
             i < ends[static_cast<std::size_t>(row)]; ++i) {
            const std::int64_t source = outer * per_outer + sources[static_cast<std::size_t>(i)];
            const C *contribution = load<C>(dy, source * around.inner, around.inner, scratch.data());
            for (std::int64_t j = 0; j < around.inner; ++j) sum[j] += contribution[j];
        }
    });
}

template void gather_gradient<float>(const KernelCall &);
template void gather_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::indexing
