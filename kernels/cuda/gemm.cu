#include "kernels/cuda/gemm.cuh"

#include "kernels/cuda/device_tensor.h"
#include "kernels/cuda/mma_gemm.h"
#include "kernels/cuda/simt_gemm.h"
#include "kernels/cuda/wgmma_gemm.h"
#include "kernels/on_device.h"

#include <cuda_runtime_api.h>

namespace halfscope::kernels::device {

void gemm(Gemm which, number::FormatId operands, const KernelCall &call) {
    const GemmShape shape{call.output.shape[0], call.output.shape[1], call.inputs[0].shape[1]};
    if (call.output.shape.elements() == 0) return;
    const DeviceTensor a(call.inputs[0]), b(call.inputs[1]), c(call.inputs[2]), d(call.output);
    const GemmOperands on{a.as<void>(), b.as<void>(), c.as<void>(), d.as<void>()};
    const bool fp16_accumulator = call.output.dtype == ops::DType::fp16;
    switch (which) {
    case Gemm::simt_reference: simt_gemm_reference(call.inputs[0].dtype, on, shape); break;
    case Gemm::simt: simt_gemm(call.inputs[0].dtype, on, shape); break;
    case Gemm::mma_reference: mma_gemm_reference(operands, fp16_accumulator, on, shape); break;
    case Gemm::mma: mma_gemm(operands, fp16_accumulator, on, shape); break;
    case Gemm::wgmma_reference: wgmma_gemm_reference(operands, fp16_accumulator, on, shape); break;
    case Gemm::wgmma: wgmma_gemm(operands, fp16_accumulator, on, shape); break;
    }
    d.download(call.output);
}

std::string matrix_unit() {
    int device = 0, major = 0, minor = 0;
    if (cudaGetDevice(&device) != cudaSuccess ||
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess)
        return "hopper";
    if (major >= 10) return "blackwell";
    if (major == 9) return "hopper";
    if (major == 8) return minor == 9 ? "ada" : "ampere";
    return minor >= 5 ? "turing" : "volta";
}

} // namespace halfscope::kernels::device
