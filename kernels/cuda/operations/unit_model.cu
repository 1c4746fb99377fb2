#include "kernels/cuda/operations/unit_model.cuh"

#include "kernels/on_device.h"

#include <string>

namespace halfscope::kernels::device::operations {

UnitAccumulator unit_accumulator(ops::Accumulation model) {
    const std::string unit = matrix_unit(), name(ops::name_of(model));
    if (unit == "volta" || unit == "turing") return UnitAccumulator::none; // mma.m16n8k16 begins with ampere
    return name == unit                ? UnitAccumulator::fp32
           : name == unit + "-fp16acc" ? UnitAccumulator::fp16
                                       : UnitAccumulator::none;
}

} // namespace halfscope::kernels::device::operations
