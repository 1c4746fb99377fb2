// `halfscope explain DETECTOR`: what a detector looks for and why its threshold is what it is.
#pragma once

#include <string>

namespace halfscope::cli {

/// Prints the detector's page; throws std::invalid_argument with the nearest name when there is none of that name.
int explain_detector(const std::string &id);

} // namespace halfscope::cli
