#include "tests/kernels/simt/faulty_kernels.h"

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/shared_memory.cuh"

#include <array>

namespace simt::faulty {
namespace {

using halfscope::kernels::DeviceArray;
using halfscope::kernels::launch;

constexpr int count = 64;

__global__ void reverse_kernel(float *out, bool with_barrier) {
    HALFSCOPE_SHARED(float, values, [count]);
    const int i = static_cast<int>(threadIdx.x);
    values[i] = static_cast<float>(i);
    if (with_barrier) __syncthreads();
    out[i] = values[count - 1 - i];
}

__global__ void unwritten_kernel(float *out) {
    HALFSCOPE_SHARED(float, values, [2]);
    if (threadIdx.x == 0) values[0] = 1;
    __syncthreads();
    out[threadIdx.x] = values[1];
}

__global__ void parting_kernel(float *out) {
    if (threadIdx.x < 16)
        __syncthreads();
    else
        out[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1.0f, 1);
}

__global__ void departed_kernel(float *out) {
    if (threadIdx.x == 0) return;
    out[threadIdx.x] = __shfl_sync(0xffffffffu, 1.0f, 0);
}

__global__ void unaligned_kernel(std::uint32_t *out) {
    HALFSCOPE_SHARED(std::uint32_t, words, [64]);
    std::uint32_t loaded = 0;
    const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(words + threadIdx.x % 8));
    HALFSCOPE_PTX_OF_MEMORY("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];",
                            HALFSCOPE_OPERANDS(HALFSCOPE_OUT(loaded)), HALFSCOPE_OPERANDS(HALFSCOPE_IN(address)));
    out[threadIdx.x] = loaded;
}

/// a [16][16] = row + 3 column, b [16][8] = row - column.
__global__ void product_kernel(float *out, bool exchanged) {
    using namespace halfscope::kernels::device;
    const int lane = static_cast<int>(threadIdx.x), group = lane / 4, thread = lane % 4;
    const auto pair = [](int low, int high) {
        return static_cast<std::uint32_t>(__half_as_ushort(__float2half_rn(static_cast<float>(low)))) |
               static_cast<std::uint32_t>(__half_as_ushort(__float2half_rn(static_cast<float>(high)))) << 16;
    };
    std::uint32_t a[4], b[2];
    for (int r = 0; r < 4; ++r) {
        const int row = group + 8 * (r % 2), column = 2 * thread + 8 * (r / 2);
        a[r] = pair(row + 3 * column, row + 3 * (column + 1));
    }
    for (int r = 0; r < 2; ++r) {
        const int row = 2 * thread + 8 * r;
        b[r] = pair(row - group, row + 1 - group);
    }
    if (exchanged) std::swap(a[1], a[2]);
    Fp32Accumulator sums{};
    mma<__half>(sums, a, b);
    for (int i = 0; i < 4; ++i) out[row_of(lane, i) * 8 + column_of(lane, i)] = sums.get(i);
}

} // namespace

std::vector<float> reverse(bool with_barrier) {
    const DeviceArray<float> out(count);
    launch("reverse", reverse_kernel, 1, count, out.data(), with_barrier);
    std::vector<float> values(count);
    out.download(values.data());
    return values;
}

float read_unwritten() {
    const DeviceArray<float> out(2);
    launch("unwritten", unwritten_kernel, 1, 2, out.data());
    std::array<float, 2> values{};
    out.download(values.data());
    return values[1];
}

void part_ways() {
    const DeviceArray<float> out(32);
    launch("parting", parting_kernel, 1, 32, out.data());
}

void ask_the_departed() {
    const DeviceArray<float> out(32);
    launch("departed", departed_kernel, 1, 32, out.data());
}

void take_host_memory() {
    std::vector<float> host(32);
    launch("host memory", unwritten_kernel, 1, 2, host.data());
}

void load_unaligned() {
    const DeviceArray<std::uint32_t> out(32);
    launch("unaligned", unaligned_kernel, 1, 32, out.data());
}

bool multiply(bool registers_exchanged) {
    const DeviceArray<float> out(16 * 8);
    launch("product", product_kernel, 1, 32, out.data(), registers_exchanged);
    std::array<float, 16 * 8> values{};
    out.download(values.data());
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 8; ++column) {
            int sum = 0;
            for (int k = 0; k < 16; ++k) sum += (row + 3 * k) * (k - column);
            if (values[static_cast<std::size_t>(row * 8 + column)] != static_cast<float>(sum)) return false;
        }
    return true;
}

} // namespace simt::faulty
