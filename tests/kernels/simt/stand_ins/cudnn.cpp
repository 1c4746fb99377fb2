// The few functions of cuDNN that HalfScope calls, carried out on the host executor's memory as NVIDIA documents them:
// N C H W, one fma a product over (channel, kernel y, kernel x) from beta y on, no padding and no strides. It stands in
// for the library in the tests of how it is called; nothing is said of the library itself.
#include "tests/kernels/simt/stand_ins/elements.h"

#include <cudnn.h>

#include <cmath>

using halfscope::number::FormatId;
namespace stand_in = halfscope::stand_in;

struct cudnnTensorStruct {
    FormatId format{};
    int n = 0, c = 0, h = 0, w = 0;
};
struct cudnnFilterStruct {
    FormatId format{};
    int k = 0, c = 0, h = 0, w = 0;
};
struct cudnnConvolutionStruct {
    cudnnMathType_t math = CUDNN_DEFAULT_MATH;
    bool plain = false;
};

namespace {

FormatId format_of(cudnnDataType_t type) {
    return type == CUDNN_DATA_HALF ? FormatId::fp16 : type == CUDNN_DATA_BFLOAT16 ? FormatId::bf16 : FormatId::fp32;
}

bool fits(cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution,
          cudnnTensorDescriptor_t y) {
    return convolution->plain && x->format == w->format && x->format == y->format && x->c == w->c && y->n == x->n &&
           y->c == w->k && y->h == x->h - w->h + 1 && y->w == x->w - w->w + 1;
}

constexpr std::size_t workspace_wanted = 4096;

} // namespace

extern "C" {

cudnnStatus_t CUDNNWINAPI cudnnCreate(cudnnHandle_t *handle) {
    static int one;
    *handle = reinterpret_cast<cudnnHandle_t>(&one);
    return CUDNN_STATUS_SUCCESS;
}
const char *CUDNNWINAPI cudnnGetErrorString(cudnnStatus_t) { return "the stand-in refuses"; }

cudnnStatus_t CUDNNWINAPI cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *made) {
    *made = new cudnnTensorStruct;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t CUDNNWINAPI cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t tensor, cudnnTensorFormat_t order,
                                                     cudnnDataType_t type, int n, int c, int h, int w) {
    if (order != CUDNN_TENSOR_NCHW || n < 1 || c < 1 || h < 1 || w < 1) return CUDNN_STATUS_BAD_PARAM;
    *tensor = {format_of(type), n, c, h, w};
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t CUDNNWINAPI cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor) {
    delete tensor;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CUDNNWINAPI cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *made) {
    *made = new cudnnFilterStruct;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t CUDNNWINAPI cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t filter, cudnnDataType_t type,
                                                     cudnnTensorFormat_t order, int k, int c, int h, int w) {
    if (order != CUDNN_TENSOR_NCHW || k < 1 || c < 1 || h < 1 || w < 1) return CUDNN_STATUS_BAD_PARAM;
    *filter = {format_of(type), k, c, h, w};
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t CUDNNWINAPI cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter) {
    delete filter;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CUDNNWINAPI cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *made) {
    *made = new cudnnConvolutionStruct;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t CUDNNWINAPI cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int pad_h,
                                                          int pad_w, int u, int v, int dilation_h, int dilation_w,
                                                          cudnnConvolutionMode_t mode, cudnnDataType_t compute) {
    convolution->plain = pad_h == 0 && pad_w == 0 && u == 1 && v == 1 && dilation_h == 1 && dilation_w == 1 &&
                         mode == CUDNN_CROSS_CORRELATION && compute == CUDNN_DATA_FLOAT;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t CUDNNWINAPI cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t convolution, cudnnMathType_t math) {
    convolution->math = math;
    return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t CUDNNWINAPI cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t convolution) {
    delete convolution;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CUDNNWINAPI cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, cudnnTensorDescriptor_t x,
                                                                 cudnnFilterDescriptor_t w,
                                                                 cudnnConvolutionDescriptor_t convolution,
                                                                 cudnnTensorDescriptor_t y, int wanted, int *found,
                                                                 cudnnConvolutionFwdAlgoPerf_t *choices) {
    if (!fits(x, w, convolution, y) || wanted < 3) return CUDNN_STATUS_BAD_PARAM;
    // The fastest computes other sums, the next does not run.
    *found = 3;
    for (int i = 0; i < *found; ++i) choices[i] = {};
    choices[0].algo = CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD;
    choices[1].algo = CUDNN_CONVOLUTION_FWD_ALGO_GEMM;
    choices[1].status = CUDNN_STATUS_NOT_SUPPORTED;
    choices[2].algo = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
    choices[2].memory = workspace_wanted;
    choices[2].mathType = convolution->math;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CUDNNWINAPI cudnnConvolutionForward(cudnnHandle_t, const void *alpha, cudnnTensorDescriptor_t of_x,
                                                  const void *x, cudnnFilterDescriptor_t of_w, const void *w,
                                                  cudnnConvolutionDescriptor_t convolution,
                                                  cudnnConvolutionFwdAlgo_t algorithm, void *workspace,
                                                  size_t workspace_bytes, const void *beta,
                                                  cudnnTensorDescriptor_t of_y, void *y) {
    if (!fits(of_x, of_w, convolution, of_y) || algorithm != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM ||
        workspace == nullptr || workspace_bytes < workspace_wanted || *static_cast<const float *>(alpha) != 1)
        return CUDNN_STATUS_BAD_PARAM;
    const float factor = *static_cast<const float *>(beta);
    std::int64_t at = 0;
    for (int n = 0; n < of_y->n; ++n)
        for (int k = 0; k < of_y->c; ++k)
            for (int i = 0; i < of_y->h; ++i)
                for (int j = 0; j < of_y->w; ++j, ++at) {
                    float sum = factor == 0 ? 0 : factor * stand_in::read(y, at, of_y->format);
                    for (std::int64_t c = 0; c < of_w->c; ++c)
                        for (int r = 0; r < of_w->h; ++r)
                            for (int s = 0; s < of_w->w; ++s)
                                sum = std::fma(
                                    stand_in::read(x, ((n * of_x->c + c) * of_x->h + i + r) * of_x->w + j + s,
                                                   of_x->format),
                                    stand_in::read(w, ((k * of_w->c + c) * of_w->h + r) * of_w->w + s, of_w->format),
                                    sum);
                    stand_in::write(y, at, of_y->format, sum);
                }
    return CUDNN_STATUS_SUCCESS;
}
}
