// `halfscope validate --op OP`: judges a tensor that the user's own kernel produced.
#pragma once

#include "cli/emulate_options.h"

#include <string>

namespace halfscope::cli {

struct TensorValidation {
    std::string op; ///< matmul, dot, sum, softmax, layernorm, round; empty: not asked for
    TensorOptions tensors;
};

/// Adds --op and the flags of its operations; not --threads and --json, which the command has for all it does.
void add_validate_tensor_options(CLI::App &command, TensorValidation &validation);

/// Prints the judgement, or writes it as JSON to `json` ("-": standard output; empty: none). 0 when the results are the
/// emulator's or differ by the order of accumulation, 1 otherwise. Throws with one sentence on bad input.
[[nodiscard]] int validate_tensors(const TensorValidation &validation, const std::string &json, int threads);

} // namespace halfscope::cli
