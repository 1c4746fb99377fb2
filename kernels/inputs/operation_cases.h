// Operations with operands, for holding a backend's bits to the CPU emulator's.
#pragma once

#include "emulation/ops/backend.h"

#include <functional>
#include <string>
#include <vector>

namespace halfscope::kernels {

struct OperationCase {
    std::string name;
    ops::Operation operation;
    std::vector<ops::HostTensor> inputs;
    std::vector<std::pair<ops::DType, ops::Shape>> outputs;
    ops::RandomKey key{7, 3, 5};
    bool on_device = true; ///< a device has a kernel for it
};

/// Operands of awkward sizes for every operation a CUDA device has kernels for, and a few it has none for: storage
/// types mixed, values from subnormal to infinite, every rounding of results. `size`: about as many results has every
/// case whose results grow with its batch; 0 takes about a thousand. `wanted`: the operations, all
/// without it.
[[nodiscard]] std::vector<OperationCase> operation_cases(std::int64_t size = 0,
                                                         const std::function<bool(ops::OpKind)> &wanted = {});

} // namespace halfscope::kernels
