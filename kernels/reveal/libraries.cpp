#include "kernels/reveal/libraries.h"

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <stdexcept>

#include <dlfcn.h>

namespace halfscope::kernels::reveal {
namespace {

/// The three routines on one row, in the shapes beside Task.
struct Routines {
    float (*sum)(std::int64_t n, const float *x) = nullptr;
    float (*dot)(std::int64_t n, const float *x, const float *y) = nullptr;
    /// c += a b.
    void (*matmul)(std::int64_t m, std::int64_t n, std::int64_t k, const float *a, const float *b, float *c) = nullptr;
};

// The few constants and signatures of the C interface to BLAS; declared here so that no header of it is needed.
constexpr int row_major = 101, as_it_is = 111;
using Ssum = float(int, const float *, int);
using Sdot = float(int, const float *, int, const float *, int);
using Sgemm = void(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

struct OpenBlas {
    Ssum *ssum = nullptr;
    Sdot *sdot = nullptr;
    Sgemm *sgemm = nullptr;
};

const OpenBlas &openblas() {
    static const OpenBlas loaded = [] {
        OpenBlas blas;
        void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
        if (!handle) throw std::runtime_error("OpenBLAS is not on this machine (libopenblas.so.0 was not found)");
        blas.ssum = reinterpret_cast<Ssum *>(dlsym(handle, "cblas_ssum"));
        blas.sdot = reinterpret_cast<Sdot *>(dlsym(handle, "cblas_sdot"));
        blas.sgemm = reinterpret_cast<Sgemm *>(dlsym(handle, "cblas_sgemm"));
        if (!blas.sdot || !blas.sgemm) throw std::runtime_error("libopenblas.so.0 lacks cblas_sdot or cblas_sgemm");
        return blas;
    }();
    return loaded;
}

Routines openblas_routines() {
    Routines routines;
    if (openblas().ssum)
        routines.sum = [](std::int64_t n, const float *x) { return openblas().ssum(static_cast<int>(n), x, 1); };
    routines.dot = [](std::int64_t n, const float *x, const float *y) {
        return openblas().sdot(static_cast<int>(n), x, 1, y, 1);
    };
    routines.matmul = [](std::int64_t m, std::int64_t n, std::int64_t k, const float *a, const float *b, float *c) {
        const int rows = static_cast<int>(m), columns = static_cast<int>(n), depth = static_cast<int>(k);
        openblas().sgemm(row_major, as_it_is, as_it_is, rows, columns, depth, 1.0F, a, depth, b, columns, 1.0F, c,
                         columns);
    };
    return routines;
}

Routines eigen_routines() {
    using Vector = Eigen::Map<const Eigen::VectorXf>;
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Routines routines;
    routines.sum = [](std::int64_t n, const float *x) { return Vector(x, n).sum(); };
    routines.dot = [](std::int64_t n, const float *x, const float *y) { return Vector(x, n).dot(Vector(y, n)); };
    routines.matmul = [](std::int64_t m, std::int64_t n, std::int64_t k, const float *a, const float *b, float *c) {
        Eigen::Map<Matrix>(c, m, n).noalias() += Eigen::Map<const Matrix>(a, m, k) * Eigen::Map<const Matrix>(b, k, n);
    };
    return routines;
}

void run(const Routines &routines, Task task, const KernelCall &call) {
    const ops::Shape &shape = call.inputs[0].shape;
    const std::int64_t rows = shape[0], length = shape[1];
    const float *a = call.inputs[0].as<const float>();
    float *out = call.output.as<float>();
    if (task == Task::sum) {
        for (std::int64_t row = 0; row < rows; ++row) out[row] = routines.sum(length, a + row * length);
        return;
    }
    const float *b = call.inputs[1].as<const float>(), *c = call.inputs[2].as<const float>();
    if (task == Task::dot) {
        for (std::int64_t row = 0; row < rows; ++row)
            out[row] = c[row] + routines.dot(length, a + row * length, b + row * length);
        return;
    }
    std::copy_n(c, call.output.shape.elements(), out);
    routines.matmul(rows, call.inputs[1].shape[1], length, a, b, out);
}

} // namespace

Kernel library_kernel(const std::string &library, Task task) {
    if (library != "openblas" && library != "eigen")
        throw std::invalid_argument("there is no library '" + library + "'; openblas and eigen are known");
    const Routines routines = library == "openblas" ? openblas_routines() : eigen_routines();
    Kernel kernel;
    kernel.task = task;
    kernel.name = library + "-" + std::string(name_of(task));
    kernel.accumulator = number::FormatId::fp32;
    kernel.order = "the library's own";
    kernel.defines_bits = false;
    if (task == Task::sum && !routines.sum)
        throw std::runtime_error("this libopenblas.so.0 has no cblas_ssum, so there is no sum to look at");
    kernel.run = [routines, task](const KernelCall &call) { run(routines, task, call); };
    return kernel;
}

} // namespace halfscope::kernels::reveal
