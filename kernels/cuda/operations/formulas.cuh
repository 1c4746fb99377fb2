// The emulator's formulas (emulation/ops/formulas), compiled for the device: one definition of an element's arithmetic.
#pragma once

#include "kernels/cuda/transcendental.cuh"

namespace halfscope::kernels::device::operations::formulas {

using namespace device::functions;
using Constant = float;
#define HALFSCOPE_FORMULA __device__
#include "emulation/ops/formulas/definition.inl"
#undef HALFSCOPE_FORMULA

} // namespace halfscope::kernels::device::operations::formulas
