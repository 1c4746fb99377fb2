// cuBLASLt's matrix product on device memory.
#pragma once

#include "emulation/number/format.h"
#include "kernels/cuda/gemm.cuh"

namespace halfscope::kernels::device {

/// d = a b + c with beta 1, or d = a b where c is null, by the algorithm that cuBLASLt's heuristic puts first.
/// Row-major, fp32 d and c. One object is one shape, prepared once. Needs cublaslt_missing() to be "".
class CublasLtProduct {
  public:
    CublasLtProduct(number::FormatId operands, const GemmOperands &on, const GemmShape &shape);
    ~CublasLtProduct();
    CublasLtProduct(const CublasLtProduct &) = delete;
    CublasLtProduct &operator=(const CublasLtProduct &) = delete;

    /// Starts it; errors while it runs are reported by the next copy.
    void run() const;

  private:
    struct Prepared;
    Prepared *prepared_;
};

} // namespace halfscope::kernels::device
