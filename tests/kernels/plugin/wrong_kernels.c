/* Matrix products of fp32 that are wrong in known ways. */
#include "kernels/plugin/halfscope_kernel.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"right", "backwards", "extra-bf16", "last-tile-wrong", "nan-filled", "fails",
                                    "segfaults", "aborts"};

static float through_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) <= 0x7f800000u) bits = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const char *run(uint32_t kernel, const halfscope_call *call) {
    const float *a = call->inputs[0].data, *b = call->inputs[1].data, *c = call->inputs[2].data;
    float *out = call->output.data;
    const int64_t m = call->inputs[0].sizes[0], k = call->inputs[0].sizes[1], n = call->inputs[1].sizes[1];
    if (kernel == 5) return "no device";
    if (kernel == 6) *(volatile float *)(size_t)16 = 1;
    if (kernel == 7) abort();
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            const int64_t depth = kernel == 3 && i >= m - 16 ? k - 5 : k;
            float sum = c[i * n + j];
            for (int64_t l = 0; l < depth; ++l) {
                const int64_t at = kernel == 1 ? k - 1 - l : l;
                sum = fmaf(a[i * k + at], b[at * n + j], sum);
            }
            if (kernel == 2) sum = through_bf16(sum);
            out[i * n + j] = kernel == 4 ? NAN : sum;
        }
    return NULL;
}

static const char *describe(uint32_t kernel, halfscope_kernel_description *description) {
    description->name = names[kernel];
    description->operation = HALFSCOPE_MATMUL;
    description->operands = description->accumulator = description->result = HALFSCOPE_FP32;
    return NULL;
}

const halfscope_library *halfscope_kernel_library(void) {
#ifdef ANOTHER_ABI
    static const halfscope_library library = {999, 8, describe, run};
#else
    static const halfscope_library library = {HALFSCOPE_KERNEL_ABI, 8, describe, run};
#endif
    return &library;
}
