// What `halfscope validate` found, as plain data: the terminal's table, the JSON document and the HTML page are drawn
// from this alone.
#pragma once

#include "kernels/judge/judgement.h"

#include <map>
#include <string>
#include <vector>

namespace halfscope::kernels {

/// One kernel, judged or skipped.
struct Validation {
    std::string kernel, task, place;           ///< "f16c-fp32-to-fp16", "convert", "cpu"
    std::string operands, accumulator, result; ///< format names; accumulator "" where nothing is accumulated
    std::string order;                         ///< as the kernel states it
    std::string inputs;                        ///< "425988 elements, seed 0"
    judge::Judgement judgement;                ///< verdict skipped: `explanation` is the reason
    double seconds = 0;                        ///< of the kernel's own run
};

struct ValidationRun {
    std::vector<Validation> validations;
    std::string command; ///< as typed
    std::string halfscope_version;
    std::map<std::string, std::string> environment; ///< the machine, in words
};

} // namespace halfscope::kernels
