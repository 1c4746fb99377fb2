#include "kernels/cuda_kernels/cuda_kernels.h"

#include "emulation/ops/matmul/accumulation_model.h"
#include "kernels/on_device.h"
#include "kernels/twin/operations.h"

#include <string>

namespace halfscope::kernels {
namespace {

using device::Gemm;
using number::FormatId;

Kernel product(std::string name, Gemm which, FormatId operands, const std::string &model) {
    Kernel kernel;
    kernel.name = std::move(name);
    kernel.task = Task::matmul;
    kernel.operands = operands;
    kernel.accumulator = kernel.result = FormatId::fp32;
    kernel.model = model;
    kernel.place = Place::cuda;
    kernel.unavailable = no_cuda_device;
    kernel.run = [which, operands](const KernelCall &call) { device::gemm(which, operands, call); };
    kernel.emulate = [model](const KernelCall &call) { emulate_product(ops::accumulation_from(model), call); };
    return kernel;
}

Kernel simt(Gemm which, FormatId operands) {
    const bool reference = which == Gemm::simt_reference;
    Kernel kernel =
        product("cuda-simt-gemm-" + std::string(number::format_of(operands).name) + (reference ? "-reference" : ""),
                which, operands, "fma-chain");
    kernel.order = "from c, one fma a product, k ascending";
    if (reference) kernel.order += "; one thread a result";
    return kernel;
}

Kernel matrix_unit(Gemm which, FormatId operands, bool fp16_accumulator) {
    const bool reference = which == Gemm::mma_reference;
    const std::string model = device::matrix_unit() + (fp16_accumulator ? "-fp16acc" : "");
    Kernel kernel = product("cuda-mma-gemm-" + std::string(number::format_of(operands).name) +
                                (fp16_accumulator ? "-fp16acc" : "") + (reference ? "-reference" : ""),
                            which, operands, model);
    if (fp16_accumulator) kernel.accumulator = kernel.result = FormatId::fp16;
    kernel.length_multiple = operands == FormatId::tf32 ? 8 : 16;
    kernel.order = "mma.sync from c, k ascending in the unit's blocks: " + model;
    if (reference) kernel.order += "; one warp 16 x 8 results";
    return kernel;
}

/// Hopper's alone, and its model whatever the device.
Kernel warpgroup(Gemm which, FormatId operands, bool fp16_accumulator) {
    const bool reference = which == Gemm::wgmma_reference;
    const std::string model = fp16_accumulator ? "hopper-fp16acc" : "hopper";
    Kernel kernel = product("cuda-wgmma-gemm-" + std::string(number::format_of(operands).name) +
                                (fp16_accumulator ? "-fp16acc" : "") + (reference ? "-reference" : ""),
                            which, operands, model);
    if (fp16_accumulator) kernel.accumulator = kernel.result = FormatId::fp16;
    kernel.length_multiple = 16;
    kernel.order = "wgmma k16 from c, k ascending in the unit's blocks of 16: " + model;
    if (reference) kernel.order += "; one warpgroup 64 x 8 results";
    kernel.unavailable = [] {
        const std::string no_device = no_cuda_device();
        return no_device.empty() ? device::wgmma_missing() : no_device;
    };
    return kernel;
}

} // namespace

std::vector<Kernel> cuda_products() {
    std::vector<Kernel> all;
    for (const FormatId operands : {FormatId::fp16, FormatId::bf16, FormatId::fp32})
        for (const Gemm which : {Gemm::simt_reference, Gemm::simt}) all.push_back(simt(which, operands));
    for (const Gemm which : {Gemm::mma_reference, Gemm::mma}) {
        all.push_back(matrix_unit(which, FormatId::fp16, false));
        all.push_back(matrix_unit(which, FormatId::fp16, true));
        all.push_back(matrix_unit(which, FormatId::bf16, false));
    }
    all.push_back(matrix_unit(Gemm::mma_reference, FormatId::tf32, false));
    for (const Gemm which : {Gemm::wgmma_reference, Gemm::wgmma}) {
        all.push_back(warpgroup(which, FormatId::fp16, false));
        all.push_back(warpgroup(which, FormatId::fp16, true));
        all.push_back(warpgroup(which, FormatId::bf16, false));
    }
    return all;
}

} // namespace halfscope::kernels
