// Libraries for a device can not be run by the host executor.
#include "kernels/device_libraries.h"

#include <stdexcept>

namespace halfscope::kernels::device {
namespace {

constexpr const char *no_libraries = "the host executor runs no libraries";

}

std::string cublaslt_missing() { return no_libraries; }
void cublaslt_gemm(number::FormatId, const KernelCall &) { throw std::runtime_error(no_libraries); }
std::string cudnn_missing() { return no_libraries; }
void cudnn_convolution(number::FormatId, const KernelCall &) { throw std::runtime_error(no_libraries); }

} // namespace halfscope::kernels::device
