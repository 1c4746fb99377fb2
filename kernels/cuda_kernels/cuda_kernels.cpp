#include "kernels/cuda_kernels/cuda_kernels.h"

#include "kernels/device.h"

namespace halfscope::kernels {

std::string no_cuda_device() { return cuda_available() ? std::string{} : "CUDA: " + cuda_status(); }

std::vector<Kernel> cuda_kernels() {
    std::vector<Kernel> all;
    for (const auto &some :
         {cuda_conversions(), cuda_arithmetic(), cuda_rows(), cuda_products(), cuda_operations(), cuda_libraries()})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

} // namespace halfscope::kernels
