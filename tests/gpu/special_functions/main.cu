// The device's special functions in half and bf16 (cuda_fp16.h, cuda_bf16.h: the hardware's approximations), every
// input, beside the exact result:
//   halfscope_gpu_special_functions        one JSON object on standard output
// Exit code 77 where there is no device.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/device.h"
#include "tests/gpu/special_functions/errors.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <exception>
#include <vector>

using namespace halfscope;
using namespace halfscope::gpu;

namespace {

template <typename T> __device__ T apply(SpecialFunction function, T x) {
    switch (function) {
    case SpecialFunction::ex2: return hexp2(x);
    case SpecialFunction::tanh: return htanh_approx(x);
    case SpecialFunction::rcp: return hrcp(x);
    case SpecialFunction::rsqrt: return hrsqrt(x);
    case SpecialFunction::sqrt: return hsqrt(x);
    case SpecialFunction::sin: return hsin(x);
    case SpecialFunction::cos: return hcos(x);
    default: return hlog2(x);
    }
}

__global__ void half_kernel(SpecialFunction function, unsigned short *results) {
    const unsigned pattern = blockIdx.x * blockDim.x + threadIdx.x;
    results[pattern] = __half_as_ushort(apply(function, __ushort_as_half(static_cast<unsigned short>(pattern))));
}

__global__ void bf16_kernel(SpecialFunction function, unsigned short *results) {
    const unsigned pattern = blockIdx.x * blockDim.x + threadIdx.x;
    results[pattern] =
        __bfloat16_as_ushort(apply(function, __ushort_as_bfloat16(static_cast<unsigned short>(pattern))));
}

nlohmann::ordered_json table() {
    constexpr unsigned threads = 256;
    const kernels::DeviceArray<std::uint16_t> on_device(all_inputs);
    std::vector<std::uint16_t> results(all_inputs);
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const number::FormatId format : {number::FormatId::fp16, number::FormatId::bf16})
        for (std::size_t f = 0; f < special_function_names.size(); ++f) {
            const auto function = static_cast<SpecialFunction>(f);
            kernels::launch("special function kernel", format == number::FormatId::fp16 ? half_kernel : bf16_kernel,
                            all_inputs / threads, threads, function, on_device.data());
            on_device.download(results.data());
            const FunctionErrors errors = function_errors(
                function, format, std::span<const std::uint16_t, all_inputs>(results.data(), all_inputs));
            rows.push_back({{"function", special_function_names[f]},
                            {"format", number::format_of(format).name},
                            {"worst_ulp", errors.worst_ulp},
                            {"worst_input", errors.worst_input},
                            {"mean_ulp", errors.mean_ulp},
                            {"compared", errors.compared},
                            {"not_rounded", errors.not_rounded},
                            {"wrong_kind", errors.wrong_kind}});
        }
    return rows;
}

} // namespace

int main() try {
    if (!kernels::cuda_available()) {
        std::fprintf(stderr, "skipped: %s\n", kernels::cuda_status().c_str());
        return 77;
    }
    std::printf("%s\n", table().dump(1).c_str());
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
