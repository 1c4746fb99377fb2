#include "tests/kernels/simt/faulty_products.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/shared_memory.cuh"
#include "kernels/cuda/wgmma.cuh"

#include <vector>

namespace simt::faulty {
namespace {

using namespace halfscope::kernels::device;
using halfscope::kernels::DeviceArray;
using halfscope::kernels::launch_with_shared;

constexpr int rows = 64, columns = 8, depth = 16, threads = 128, span = 128, room = (rows + columns) * span;

/// a [rows][64 of k], b [columns][64 of k], of which 16 are multiplied.
__global__ void product_kernel(const __half *a, const __half *b, float *d, Mistake mistake) {
    HALFSCOPE_DYNAMIC_SHARED(memory);
    const int thread = static_cast<int>(threadIdx.x);
    const auto copy = [&](const __half *first, const __half *second) {
        for (int at = thread; at < (rows + columns) * 8; at += threads) {
            const int line = at / 8, chunk = at % 8, place = mistake == Mistake::swizzle ? chunk : chunk ^ line % 8;
            const __half *from = line < rows ? first + line * 64 : second + (line - rows) * 64;
            begin_copy(shared_address(memory + line * span + place * 16), from + chunk * 8, true);
        }
        end_group_of_copies();
    };
    copy(a, b);
    if (mistake != Mistake::no_copy_wait) wait_for_copies<0>();
    if (mistake != Mistake::no_proxy_fence) fence_for_wgmma();
    __syncthreads();
    WideFp32Accumulator<columns> sums{};
    const std::uint32_t first = shared_address(memory), stride = mistake == Mistake::stride ? 512 : 1024;
    const std::uint32_t other = mistake == Mistake::other_descriptor && thread >= 96 ? 32 : 0;
    if (mistake != Mistake::no_wgmma_fence) begin_wgmma();
    wgmma_of_k<__half>(sums, matrix_descriptor(first + other, 16, stride, Swizzle::bytes_128),
                       matrix_descriptor(first + rows * span, 16, 1024, Swizzle::bytes_128));
    end_group_of_wgmma();
    if (mistake == Mistake::early_overwriting) {
        copy(b, a); // a has rows enough for b, and b is as long as a here
        wait_for_copies<0>();
        fence_for_wgmma();
        __syncthreads();
    }
    if (mistake != Mistake::early_results && mistake != Mistake::no_product_wait) wait_for_wgmma<0>();
    for (int i = 0; i < sums.values; ++i) d[wide_row_of(thread, i) * columns + wide_column_of(thread, i)] = sums.get(i);
    if (mistake == Mistake::early_results) wait_for_wgmma<0>();
}

} // namespace

bool multiply_by_warpgroup(Mistake mistake) {
    std::vector<__half> a(rows * 64), b(rows * 64);
    for (int i = 0; i < rows * 64; ++i) {
        a[static_cast<std::size_t>(i)] = __float2half_rn(static_cast<float>(i % 64 - i / 64));
        b[static_cast<std::size_t>(i)] = __float2half_rn(static_cast<float>(i / 64 * 3 - i % 64));
    }
    DeviceArray<__half> on_a(a.size()), on_b(b.size());
    on_a.upload(a.data());
    on_b.upload(b.data());
    const DeviceArray<float> d(rows * columns);
    launch_with_shared("warpgroup product", product_kernel, 1, threads, room, on_a.data(), on_b.data(), d.data(),
                       mistake);
    std::vector<float> found(rows * columns);
    d.download(found.data());
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
            int sum = 0;
            for (int k = 0; k < depth; ++k) sum += (k - row) * (column * 3 - k);
            if (found[static_cast<std::size_t>(row * columns + column)] != static_cast<float>(sum)) return false;
        }
    return true;
}

} // namespace simt::faulty
