// Stands in for cuda/ where CUDA was not compiled.
#include "kernels/device.h"
#include "kernels/conversion.h"

#include <stdexcept>

namespace halfscope::kernels {

std::string cuda_status() { return "not compiled in (nvcc was not found when HalfScope was built)"; }

bool cuda_available() { return false; }

void round_on_device(std::span<const float>, number::FormatId, std::span<std::uint16_t>) {
    throw std::runtime_error("HalfScope was built without CUDA");
}

void widen_on_device(std::span<const std::uint16_t>, number::FormatId, std::span<float>) {
    throw std::runtime_error("HalfScope was built without CUDA");
}

} // namespace halfscope::kernels
