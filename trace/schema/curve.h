// One quantity over the steps of a run, as other programs keep it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace halfscope::trace {

enum class Quantity : std::uint8_t { training_loss, held_out_loss, held_out_accuracy };

struct Curve {
    std::string file;   ///< as the user named it
    std::string column; ///< of a table, or the tag of an event file
    Quantity quantity = Quantity::training_loss;
    std::vector<std::int64_t> steps; ///< strictly rising
    std::vector<double> values;      ///< one per step; may be inf or nan
};

} // namespace halfscope::trace
