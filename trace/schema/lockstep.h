// What a lockstep run compared: a device beside the emulator, operation by operation. Kept in the trace's own table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace halfscope::trace {

/// One operation in one layer, over all runs and steps.
struct Lockstep {
    std::string layer;                     ///< the user's layer name; "" for the optimizer and evaluation
    std::string operation;                 ///< "matmul"
    std::int64_t runs = 0;                 ///< times it was run
    std::int64_t elements = 0;             ///< of all its results
    std::int64_t bit_equal = 0;            ///< of those, with the emulator's bits; two NaN count as equal
    std::int64_t different_statistics = 0; ///< results whose range statistics differ
};

} // namespace halfscope::trace
