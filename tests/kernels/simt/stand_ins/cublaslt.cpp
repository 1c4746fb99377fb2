// The few functions of cuBLASLt that HalfScope calls, carried out on the host executor's memory as NVIDIA documents
// them: column-major matrices, d = alpha a b + beta c, one fma a product from beta c on. It stands in for the library
// in the tests of how it is called; nothing is said of the library itself.
#include "tests/kernels/simt/stand_ins/elements.h"

#include <cublasLt.h>

#include <cmath>

using halfscope::number::FormatId;
namespace stand_in = halfscope::stand_in;

namespace {

enum Field : std::size_t { type, rows, columns, leading };

FormatId format_of(std::uint64_t stored) {
    return stored == CUDA_R_16F ? FormatId::fp16 : stored == CUDA_R_16BF ? FormatId::bf16 : FormatId::fp32;
}

/// What belongs together, and whose workspace is large enough.
bool fits(cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
    for (const cublasLtMatrixLayout_t one : {a, b, c, d})
        if (one->data[leading] < one->data[rows]) return false;
    return a->data[type] == b->data[type] && c->data[type] == d->data[type] && a->data[columns] == b->data[rows] &&
           d->data[rows] == a->data[rows] && d->data[columns] == b->data[columns] && c->data[rows] == d->data[rows] &&
           c->data[columns] == d->data[columns];
}

constexpr std::uint64_t chosen = 0x1d, workspace_wanted = 4096;

} // namespace

extern "C" {

cublasStatus_t CUBLASWINAPI cublasLtCreate(cublasLtHandle_t *handle) {
    static int one;
    *handle = reinterpret_cast<cublasLtHandle_t>(&one);
    return CUBLAS_STATUS_SUCCESS;
}
const char *CUBLASWINAPI cublasLtGetStatusString(cublasStatus_t) { return "the stand-in refuses"; }

cublasStatus_t CUBLASWINAPI cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute,
                                                     cudaDataType_t scale) {
    if (scale != CUDA_R_32F || (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32))
        return CUBLAS_STATUS_INVALID_VALUE;
    *desc = new cublasLtMatmulDescOpaque_t{};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
    delete desc;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType stored,
                                                       uint64_t row_count, uint64_t column_count, int64_t ld) {
    *layout =
        new cublasLtMatrixLayoutOpaque_t{{stored, row_count, column_count, static_cast<std::uint64_t>(ld), 0, 0, 0, 0}};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
    *preference = new cublasLtMatmulPreferenceOpaque_t{};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                                 cublasLtMatmulPreferenceAttributes_t attribute,
                                                                 const void *value, size_t bytes) {
    if (attribute != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES || bytes != sizeof(std::uint64_t))
        return CUBLAS_STATUS_INVALID_VALUE;
    preference->data[0] = *static_cast<const std::uint64_t *>(value);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t CUBLASWINAPI cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                                           cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                           cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                           cublasLtMatmulPreference_t preference, int wanted,
                                                           cublasLtMatmulHeuristicResult_t results[], int *found) {
    if (!fits(a, b, c, d) || wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
    *found = preference->data[0] >= workspace_wanted ? 1 : 0;
    if (*found == 1) {
        results[0] = {};
        results[0].algo.data[0] = chosen;
        results[0].workspaceSize = workspace_wanted;
        results[0].state = CUBLAS_STATUS_SUCCESS;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t CUBLASWINAPI cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *alpha, const void *a,
                                           cublasLtMatrixLayout_t of_a, const void *b, cublasLtMatrixLayout_t of_b,
                                           const void *beta, const void *c, cublasLtMatrixLayout_t of_c, void *d,
                                           cublasLtMatrixLayout_t of_d, const cublasLtMatmulAlgo_t *algorithm,
                                           void *workspace, size_t workspace_bytes, cudaStream_t) {
    if (!fits(of_a, of_b, of_c, of_d) || algorithm->data[0] != chosen || workspace == nullptr ||
        workspace_bytes < workspace_wanted || *static_cast<const float *>(alpha) != 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    const auto field = [](cublasLtMatrixLayout_t one, Field f) { return static_cast<std::int64_t>(one->data[f]); };
    const FormatId in = format_of(of_a->data[type]), out = format_of(of_d->data[type]);
    const float factor = *static_cast<const float *>(beta);
    for (std::int64_t i = 0; i < field(of_d, rows); ++i)
        for (std::int64_t j = 0; j < field(of_d, columns); ++j) {
            float sum = factor == 0 ? 0 : factor * stand_in::read(c, i + j * field(of_c, leading), out);
            for (std::int64_t k = 0; k < field(of_a, columns); ++k)
                sum = std::fma(stand_in::read(a, i + k * field(of_a, leading), in),
                               stand_in::read(b, k + j * field(of_b, leading), in), sum);
            stand_in::write(d, i + j * field(of_d, leading), out, sum);
        }
    return CUBLAS_STATUS_SUCCESS;
}
}
