#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/operations/stored_statistics.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/result.h"

namespace halfscope::kernels::device::operations {
namespace {

__global__ void widen_kernel(Operand stored, float *values, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) values[i] = stored.at(i);
}

} // namespace

void measure_stored(const ops::KernelCall &call, std::size_t index) {
    const ops::TensorView &view = call.outputs[index];
    number::RangeStatistics *statistics = call.statistics_of(index);
    const std::int64_t count = view.shape.elements();
    if (statistics == nullptr || !ops::is_floating(view.dtype) || count == 0) return;
    const auto n = static_cast<std::size_t>(count);
    // Rounding what is already a number of the format changes nothing and counts what is there.
    if (view.dtype == ops::DType::fp32)
        return round_and_measure(view.as<float>(), n, number::FormatId::fp32, nullptr, {}, statistics);
    const DeviceArray<float> widened(n);
    launch("widening kernel", widen_kernel, elementwise_grid(count), elementwise_block, Operand(view), widened.data(),
           count);
    round_and_measure(widened.data(), n, ops::format_id(view.dtype), nullptr, {}, statistics);
}

} // namespace halfscope::kernels::device::operations
