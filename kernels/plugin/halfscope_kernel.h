/* The C interface of a kernel library for `halfscope validate --plugin ./libmine.so`.
 *
 * A library exports one function, halfscope_kernel_library, which returns a table. HalfScope asks it what each kernel
 * computes, runs it on random and adversarial inputs, and judges the results: the emulator's bits, the exact result,
 * and what explains a difference. Plain C99, nothing to link: this header is all there is.
 *
 *   cc -O2 -ffp-contract=off -shared -fPIC my_kernel.c -o libmine.so
 *   halfscope validate --plugin ./libmine.so
 *
 * All tensors are dense, row-major, in host memory, aligned to at least 16 bytes; a library that computes on a device
 * copies to it and back. HalfScope calls from one thread at a time. */
#ifndef HALFSCOPE_KERNEL_H
#define HALFSCOPE_KERNEL_H

#include <stdint.h> /* NOLINT(modernize-deprecated-headers): C reads this too */

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when the structures below change their meaning. New members go to the end of a structure; `size` tells how
 * much of it the other side knows. */
#define HALFSCOPE_KERNEL_ABI 1u

#if defined(_WIN32)
#define HALFSCOPE_KERNEL_EXPORT __declspec(dllexport)
#else
#define HALFSCOPE_KERNEL_EXPORT __attribute__((visibility("default")))
#endif

typedef enum halfscope_format {
    HALFSCOPE_NO_FORMAT = 0,
    HALFSCOPE_FP32 = 1,
    HALFSCOPE_FP16 = 2, /* IEEE binary16 */
    HALFSCOPE_BF16 = 3, /* upper half of an fp32 */
    HALFSCOPE_TF32 = 4  /* as operands of a matmul or dot: stored as fp32 with the low 13 bits zero */
} halfscope_format;

typedef enum halfscope_operation {
    HALFSCOPE_MATMUL = 1,     /* (a [m, k], b [k, n], c [m, n]) -> c + a b [m, n]; c has the accumulator's format */
    HALFSCOPE_DOT = 2,        /* (a [R, L], b [R, L], c [R]) -> c + sum over L of a b [R]; c as above */
    HALFSCOPE_SUM = 3,        /* (x [R, L]) -> sum over L [R] */
    HALFSCOPE_SOFTMAX = 4,    /* (x [R, L]) -> softmax over L [R, L] */
    HALFSCOPE_LAYER_NORM = 5, /* (x [R, L], gamma [L], beta [L]) -> [R, L]; gamma and beta are fp32; epsilon */
    HALFSCOPE_ROUND = 6       /* (x [n]) -> x in the result's format [n], to nearest even */
} halfscope_operation;

typedef struct halfscope_tensor {
    void *data; /* inputs must not be written */
    halfscope_format format;
    int32_t rank;
    const int64_t *sizes; /* rank of them, outermost first */
} halfscope_tensor;

typedef struct halfscope_call {
    uint32_t size; /* sizeof(halfscope_call) on HalfScope's side */
    int32_t input_count;
    const halfscope_tensor *inputs; /* in the order beside the operation */
    halfscope_tensor output;        /* every element is to be written */
    double epsilon;                 /* layer norm */
} halfscope_call;

typedef struct halfscope_kernel_description {
    uint32_t size;    /* set by HalfScope to its sizeof; everything below is zero before the call */
    const char *name; /* letters, digits, '-', '_' and '.'; what `halfscope validate NAME` takes */
    halfscope_operation operation;
    halfscope_format operands;    /* of all inputs but c, gamma and beta */
    halfscope_format accumulator; /* of c and of partial sums; HALFSCOPE_NO_FORMAT: fp32 */
    halfscope_format result;
    const char *order; /* the order of accumulation, in one line for people; may be NULL */
    /* The emulator's model whose bits are expected: "hopper", "fma-chain", ... (`halfscope validate --help`). NULL: the
     * operation's definition in HalfScope, an fma chain over k or the fixed tree. --model overrides it. */
    const char *model;
    int64_t length_multiple; /* L of a dot or sum, k of a matmul come in multiples of this; 0 is 1 */
} halfscope_kernel_description;

/* Strings that these functions return stay valid until the next call into the library. */
typedef struct halfscope_library {
    uint32_t abi;          /* HALFSCOPE_KERNEL_ABI */
    uint32_t kernel_count; /* at least 1 */
    /* Fills in the description of kernel 0 .. kernel_count - 1. Returns NULL, or a sentence that says why not. */
    const char *(*describe)(uint32_t kernel, halfscope_kernel_description *description);
    /* Runs it. Returns NULL, or a sentence: "no CUDA device", "k must be a multiple of 16". */
    const char *(*run)(uint32_t kernel, const halfscope_call *call);
} halfscope_library;

/* What the library exports. */
HALFSCOPE_KERNEL_EXPORT const halfscope_library *halfscope_kernel_library(void);

#ifdef __cplusplus
}
#endif

#endif
