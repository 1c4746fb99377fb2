// Stands in for cuda/ where CUDA was not compiled.
#include "kernels/device.h"
#include "kernels/conversion.h"
#include "kernels/cuda_backend.h"
#include "kernels/device_libraries.h"
#include "kernels/on_device.h"

#include <stdexcept>

namespace halfscope::kernels {

std::string cuda_status() { return "not compiled in (nvcc was not found when HalfScope was built)"; }

bool cuda_available() { return false; }

namespace {
[[noreturn]] void refuse() { throw std::runtime_error("HalfScope was built without CUDA"); }
} // namespace

void round_on_device(std::span<const float>, number::FormatId, std::span<std::uint16_t>) { refuse(); }
void widen_on_device(std::span<const std::uint16_t>, number::FormatId, std::span<float>) { refuse(); }

std::unique_ptr<CudaBackend> make_cuda_backend(int, CudaKernels) { refuse(); }

namespace device {
void elementwise(Task, const KernelCall &) { refuse(); }
void sum_rows(const KernelCall &) { refuse(); }
void softmax_rows(const KernelCall &) { refuse(); }
void layer_norm_rows(const KernelCall &) { refuse(); }
void gemm(Gemm, number::FormatId, const KernelCall &) { refuse(); }
std::string matrix_unit() { return "hopper"; }
std::string wgmma_missing() { return {}; }

std::string cublaslt_missing() { return "CUDA: " + cuda_status(); }
void cublaslt_gemm(number::FormatId, const KernelCall &) { refuse(); }
std::string cudnn_missing() { return "CUDA: " + cuda_status(); }
void cudnn_convolution(number::FormatId, const KernelCall &) { refuse(); }
} // namespace device

} // namespace halfscope::kernels
