// Loss-scale rules as typed on the command line.
#include "emulation/train/loss_scaler.h"

#include <cstdint>
#include <stdexcept>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    try {
        const auto rule = halfscope::train::parse_loss_scale({reinterpret_cast<const char *>(bytes), size});
        // What was understood can be said again, and means the same.
        if (halfscope::train::text_of(halfscope::train::parse_loss_scale(halfscope::train::text_of(rule))) !=
            halfscope::train::text_of(rule))
            __builtin_trap();
    } catch (const std::invalid_argument &) {
    }
    return 0;
}
