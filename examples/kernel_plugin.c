/* A kernel library for `halfscope validate --plugin`: two kernels of one's own, judged by HalfScope.
 *
 *   cc -O2 -ffp-contract=off -I PREFIX/include/halfscope/kernels/plugin -shared -fPIC kernel_plugin.c -o libmine.so -lm
 *   halfscope validate --plugin ./libmine.so
 *   halfscope validate --plugin ./libmine.so --reveal dot
 *
 * `matmul-fma` takes its products in order of k, each by one fma: the bits that HalfScope's fma-chain defines.
 * `dot-8-lanes` adds into eight lanes, as a vectorised loop does, then the lanes pairwise: another order, so other bits
 * within the bound, and that is what HalfScope says of it. */
#include <halfscope_kernel.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

static float from_bf16(uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static const char *matmul_fma(const halfscope_call *call) {
    const uint16_t *a = call->inputs[0].data, *b = call->inputs[1].data;
    const float *c = call->inputs[2].data;
    float *out = call->output.data;
    const int64_t m = call->inputs[0].sizes[0], k = call->inputs[0].sizes[1], n = call->inputs[1].sizes[1];
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            float sum = c[i * n + j];
            for (int64_t l = 0; l < k; ++l) sum = fmaf(from_bf16(a[i * k + l]), from_bf16(b[l * n + j]), sum);
            out[i * n + j] = sum;
        }
    return NULL;
}

static const char *dot_8_lanes(const halfscope_call *call) {
    const float *a = call->inputs[0].data, *b = call->inputs[1].data, *c = call->inputs[2].data;
    float *out = call->output.data;
    const int64_t rows = call->inputs[0].sizes[0], length = call->inputs[0].sizes[1];
    if (length % 8 != 0) return "the length must be a multiple of 8";
    for (int64_t row = 0; row < rows; ++row) {
        float lanes[8] = {0};
        for (int64_t k = 0; k < length; ++k) lanes[k % 8] += a[row * length + k] * b[row * length + k];
        for (int width = 4; width >= 1; width /= 2)
            for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
        out[row] = c[row] + lanes[0];
    }
    return NULL;
}

static const char *describe(uint32_t kernel, halfscope_kernel_description *description) {
    if (kernel == 0) {
        description->name = "matmul-fma";
        description->operation = HALFSCOPE_MATMUL;
        description->operands = HALFSCOPE_BF16;
        description->order = "from c, one fma a product, k ascending";
        description->model = "fma-chain";
    } else {
        description->name = "dot-8-lanes";
        description->operation = HALFSCOPE_DOT;
        description->operands = HALFSCOPE_FP32;
        description->order = "8 strided lanes of multiply and add, the lanes pairwise, then c";
        description->length_multiple = 8;
    }
    description->accumulator = HALFSCOPE_FP32;
    description->result = HALFSCOPE_FP32;
    return NULL;
}

static const char *run(uint32_t kernel, const halfscope_call *call) {
    return kernel == 0 ? matmul_fma(call) : dot_8_lanes(call);
}

const halfscope_library *halfscope_kernel_library(void) {
    static const halfscope_library library = {HALFSCOPE_KERNEL_ABI, 2, describe, run};
    return &library;
}
