#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/device_tensor.h"
#include "kernels/cuda/libraries/cublaslt_product.h"
#include "kernels/device.h"
#include "kernels/device_libraries.h"

#include <stdexcept>

#ifdef HALFSCOPE_CUBLASLT
#include "kernels/cuda/libraries/loaded_library.h"

#include <cublasLt.h>

#include <memory>
#include <type_traits>

namespace halfscope::kernels::device {
namespace {

constexpr std::size_t workspace_bytes = std::size_t{32} << 20; // what NVIDIA recommends for Hopper

/// The functions that are called, and a handle. Made once.
struct CublasLt {
    LoadedLibrary library{"libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR), "libcublasLt.so"};
    decltype(&cublasLtGetStatusString) status_text = nullptr;
    decltype(&cublasLtMatmulDescCreate) create_product = nullptr;
    decltype(&cublasLtMatmulDescDestroy) destroy_product = nullptr;
    decltype(&cublasLtMatrixLayoutCreate) create_layout = nullptr;
    decltype(&cublasLtMatrixLayoutDestroy) destroy_layout = nullptr;
    decltype(&cublasLtMatmulPreferenceCreate) create_preference = nullptr;
    decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference = nullptr;
    decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
    decltype(&cublasLtMatmulAlgoGetHeuristic) choose = nullptr;
    decltype(&cublasLtMatmul) multiply = nullptr;
    cublasLtHandle_t handle = nullptr;

    CublasLt() {
        if (!library.missing().empty()) return;
        decltype(&cublasLtCreate) create = nullptr;
        library.find(create, "cublasLtCreate");
        library.find(status_text, "cublasLtGetStatusString");
        library.find(create_product, "cublasLtMatmulDescCreate");
        library.find(destroy_product, "cublasLtMatmulDescDestroy");
        library.find(create_layout, "cublasLtMatrixLayoutCreate");
        library.find(destroy_layout, "cublasLtMatrixLayoutDestroy");
        library.find(create_preference, "cublasLtMatmulPreferenceCreate");
        library.find(destroy_preference, "cublasLtMatmulPreferenceDestroy");
        library.find(set_preference, "cublasLtMatmulPreferenceSetAttribute");
        library.find(choose, "cublasLtMatmulAlgoGetHeuristic");
        library.find(multiply, "cublasLtMatmul");
        succeed(create(&handle), "cublasLtCreate");
    }
    void succeed(cublasStatus_t status, const char *call) const {
        if (status != CUBLAS_STATUS_SUCCESS)
            throw std::runtime_error(std::string("cuBLASLt: ") + call + " failed: " + status_text(status));
    }
};

const CublasLt &cublaslt() {
    static const CublasLt loaded;
    return loaded;
}

template <typename Handle, typename Destroy> auto owned(Handle handle, Destroy destroy) {
    const auto destroy_it = [destroy](Handle one) { (void)destroy(one); };
    return std::unique_ptr<std::remove_pointer_t<Handle>, decltype(destroy_it)>(handle, destroy_it);
}

cudaDataType_t type_of(number::FormatId format) {
    switch (format) {
    case number::FormatId::fp16: return CUDA_R_16F;
    case number::FormatId::bf16: return CUDA_R_16BF;
    default: return CUDA_R_32F;
    }
}

/// Row-major [rows, columns] is column-major [columns, rows].
cublasLtMatrixLayout_t layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns) {
    cublasLtMatrixLayout_t made = nullptr;
    cublaslt().succeed(cublaslt().create_layout(&made, type, static_cast<std::uint64_t>(columns),
                                                static_cast<std::uint64_t>(rows), columns),
                       "cublasLtMatrixLayoutCreate");
    return made;
}

} // namespace

struct CublasLtProduct::Prepared {
    GemmOperands on;
    cublasLtMatmulDesc_t product = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
    cublasLtMatmulAlgo_t algorithm{};
    DeviceArray<char> workspace{workspace_bytes};

    explicit Prepared(const GemmOperands &operands) : on(operands) {}
    ~Prepared() {
        if (d != nullptr) (void)cublaslt().destroy_layout(d);
        if (b != nullptr) (void)cublaslt().destroy_layout(b);
        if (a != nullptr) (void)cublaslt().destroy_layout(a);
        if (product != nullptr) (void)cublaslt().destroy_product(product);
    }
    Prepared(const Prepared &) = delete;
    Prepared &operator=(const Prepared &) = delete;
};

CublasLtProduct::CublasLtProduct(number::FormatId operands, const GemmOperands &on, const GemmShape &shape)
    : prepared_(nullptr) {
    const CublasLt &lt = cublaslt();
    auto prepared = std::make_unique<Prepared>(on);
    const cublasComputeType_t compute =
        operands == number::FormatId::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    lt.succeed(lt.create_product(&prepared->product, compute, CUDA_R_32F), "cublasLtMatmulDescCreate");
    const cudaDataType_t type = type_of(operands);
    prepared->a = layout(type, shape.m, shape.k);
    prepared->b = layout(type, shape.k, shape.n);
    prepared->d = layout(CUDA_R_32F, shape.m, shape.n);
    cublasLtMatmulPreference_t made = nullptr;
    lt.succeed(lt.create_preference(&made), "cublasLtMatmulPreferenceCreate");
    const auto preference = owned(made, lt.destroy_preference);
    lt.succeed(
        lt.set_preference(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof workspace_bytes),
        "cublasLtMatmulPreferenceSetAttribute");
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    // Column-major: d^T = b^T a^T.
    lt.succeed(lt.choose(lt.handle, prepared->product, prepared->b, prepared->a, prepared->d, prepared->d, made, 1,
                         &best, &found),
               "cublasLtMatmulAlgoGetHeuristic");
    if (found == 0) throw std::runtime_error("cuBLASLt: has no algorithm for this product");
    prepared->algorithm = best.algo;
    prepared_ = prepared.release();
}

CublasLtProduct::~CublasLtProduct() { delete prepared_; }

void CublasLtProduct::run() const {
    const CublasLt &lt = cublaslt();
    const Prepared &p = *prepared_;
    const float one = 1, beta = p.on.c != nullptr ? 1 : 0;
    lt.succeed(lt.multiply(lt.handle, p.product, &one, p.on.b, p.b, p.on.a, p.a, &beta,
                           p.on.c != nullptr ? p.on.c : p.on.d, p.d, p.on.d, p.d, &p.algorithm, p.workspace.data(),
                           workspace_bytes, nullptr),
               "cublasLtMatmul");
}

std::string cublaslt_missing() {
    if (!cuda_available()) return "CUDA: " + cuda_status();
    const std::string reason = cublaslt().library.missing();
    return reason.empty() ? reason : "cuBLASLt is " + reason;
}

void cublaslt_gemm(number::FormatId operands, const KernelCall &call) {
    const DeviceTensor a(call.inputs[0]), b(call.inputs[1]), c(call.inputs[2]), d(call.output);
    const ops::Shape &of_a = call.inputs[0].shape, &of_b = call.inputs[1].shape;
    CublasLtProduct(operands, {a.as<void>(), b.as<void>(), c.as<void>(), d.as<void>()}, {of_a[0], of_b[1], of_a[1]})
        .run();
    d.download(call.output);
}

} // namespace halfscope::kernels::device

#else

namespace halfscope::kernels::device {

namespace {
constexpr const char *no_headers = "HalfScope was built without cuBLASLt's headers (cublasLt.h)";
}

struct CublasLtProduct::Prepared {};
CublasLtProduct::CublasLtProduct(number::FormatId, const GemmOperands &, const GemmShape &) : prepared_(nullptr) {
    throw std::runtime_error(no_headers);
}
CublasLtProduct::~CublasLtProduct() { delete prepared_; }
void CublasLtProduct::run() const {}

std::string cublaslt_missing() { return cuda_available() ? no_headers : "CUDA: " + cuda_status(); }
void cublaslt_gemm(number::FormatId, const KernelCall &) { throw std::runtime_error(no_headers); }

} // namespace halfscope::kernels::device

#endif
