// Times the device's kernels on memory that is there already, beside cuBLASLt and a device-to-device copy in the same
// run:
//   halfscope_gpu_timings        one JSON object on standard output
// Exit code 77 where there is no device. cuBLASLt is looked for at run time, and its figures are left out without it.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/libraries/cublaslt_product.h"
#include "kernels/cuda/mma_gemm.h"
#include "kernels/cuda/simt_gemm.h"
#include "kernels/cuda/wgmma_gemm.h"
#include "kernels/device.h"
#include "kernels/device_libraries.h"
#include "kernels/on_device.h"
#include "tests/gpu/bandwidth.h"
#include "tests/gpu/device_seconds.h"

#include <cuda_runtime_api.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>
#include <random>
#include <vector>

using namespace halfscope::kernels;
using halfscope::gpu::seconds_of;
using halfscope::number::FormatId;

namespace {

/// Patterns of ordinary values: zeros would run faster than any network.
std::vector<std::uint16_t> random_patterns(std::size_t count, std::uint16_t exponent) {
    std::mt19937 random(1);
    std::vector<std::uint16_t> patterns(count);
    for (std::uint16_t &pattern : patterns) pattern = static_cast<std::uint16_t>((random() & 0x807f) | exponent);
    return patterns;
}

nlohmann::ordered_json gemm_timings(int size) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    const auto elements = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
    DeviceArray<std::uint16_t> a(elements), b(elements);
    DeviceArray<float> c(elements), d(elements);
    check(cudaMemset(c.data(), 0, elements * sizeof(float)), "cudaMemset");
    const bool has_wgmma = device::wgmma_missing().empty();
    const device::GemmShape shape{size, size, size};
    const device::GemmOperands on{a.data(), b.data(), c.data(), d.data()};
    const device::GemmOperands onto_zero{a.data(), b.data(), nullptr, d.data()}; // as cuBLASLt with beta = 0
    const double operations = 2.0 * size * size * size;
    const bool has_peer = device::cublaslt_missing().empty();
    for (const FormatId format : {FormatId::fp16, FormatId::bf16}) {
        const bool fp16 = format == FormatId::fp16;
        const auto patterns = random_patterns(elements, fp16 ? 0x3800 : 0x3f00);
        a.upload(patterns.data());
        b.upload(patterns.data());
        const double mma = seconds_of([&] { device::mma_gemm(format, false, onto_zero, shape); });
        const double simt = seconds_of(
            [&] { device::simt_gemm(fp16 ? halfscope::ops::DType::fp16 : halfscope::ops::DType::bf16, on, shape); });
        nlohmann::ordered_json one = {{"operands", fp16 ? "fp16" : "bf16"},
                                      {"size", size},
                                      {"mma_tflops", operations / mma / 1e12},
                                      {"simt_tflops", operations / simt / 1e12}};
        const double wgmma = has_wgmma ? seconds_of([&] { device::wgmma_gemm(format, false, onto_zero, shape); }) : 0;
        if (has_wgmma) one["wgmma_tflops"] = operations / wgmma / 1e12;
        if (has_peer) {
            const device::CublasLtProduct product(format, onto_zero, shape);
            const double peer = seconds_of([&] { product.run(); });
            one["cublaslt_tflops"] = operations / peer / 1e12;
            one["mma_vs_cublaslt"] = peer / mma;
            if (has_wgmma) one["wgmma_vs_cublaslt"] = peer / wgmma;
        }
        all.push_back(std::move(one));
    }
    return all;
}

} // namespace

int main() try {
    if (!cuda_available()) {
        std::fprintf(stderr, "skipped: %s\n", cuda_status().c_str());
        return 77;
    }
    const halfscope::gpu::Bandwidths bandwidths = halfscope::gpu::measure_bandwidths();
    const nlohmann::ordered_json document = {{"device", cuda_status()},
                                             {"copy_gigabytes_per_second", bandwidths.copy},
                                             {"statistics_gigabytes_per_second", bandwidths.statistics},
                                             {"statistics_vs_copy", bandwidths.statistics / bandwidths.copy},
                                             {"gemm", gemm_timings(4096)}};
    std::printf("%s\n", document.dump(2).c_str());
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
