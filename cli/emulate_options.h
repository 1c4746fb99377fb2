// What `halfscope emulate OP` and `halfscope validate --op OP` share: the flags of an operation, and its inputs as
// read.
#pragma once

#include "kernels/judge/judge_rows.h"
#include "kernels/judge/product_variant.h"
#include "kernels/judge/row_variant.h"

#include "emulation/number/rounding.h"
#include "emulation/ops/operation.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace halfscope::cli {

/// Flags as typed; an empty string is an absent flag.
struct TensorOptions {
    std::string a, b, c;     ///< matmul, dot
    std::string in;          ///< the other operations
    std::string scale, bias; ///< layernorm
    std::string format;      ///< of the operands (round: of the result)
    std::string model;       ///< order of accumulation, or of the steps
    std::string result;      ///< storage of the result
    std::string rounding = "nearest-even", subnormals = "keep", overflow = "infinity";
    int axis = -1;
    double epsilon = 1e-5;
    std::uint64_t seed = 0;
    std::string out;
    int threads = 0;
};

void add_product_flags(CLI::App &command, TensorOptions &options);
void add_row_flags(CLI::App &command, TensorOptions &options, kernels::judge::RowTask task);
void add_rounding_flags(CLI::App &command, TensorOptions &options);

struct Product {
    kernels::judge::ProductInputs inputs;
    ops::Accumulation model = ops::Accumulation::fma_chain;
    ops::DType result = ops::DType::fp32;
};
/// matmul's operands; with `dot`, rows of a and b ([..., k] each) as products of one row and one column. Throws with
/// one sentence naming flag, file and reason.
[[nodiscard]] Product read_product(const TensorOptions &options, bool dot);
/// The shape that a dot's results have on disk: the leading axes.
[[nodiscard]] ops::Shape dot_shape(const Product &product);

/// x with the axis of the operation last, and back.
struct Rows {
    kernels::judge::RowInputs inputs;
    std::string model;
    ops::DType result = ops::DType::fp32;
    int axis = 0;          ///< as in the file
    ops::Shape file_shape; ///< of x as it was read
};
[[nodiscard]] Rows read_rows(const TensorOptions &options, kernels::judge::RowTask task);
/// Results in the file's order of axes, and results of a file with the operation's axis last.
[[nodiscard]] ops::HostTensor in_file_order(const Rows &rows, ops::HostTensor result);
[[nodiscard]] ops::HostTensor axis_last(const Rows &rows, const ops::HostTensor &from_file);
/// The shape that results have in a file.
[[nodiscard]] ops::Shape result_file_shape(const Rows &rows);

struct Rounding {
    ops::HostTensor x; ///< fp32 or fp64
    kernels::judge::RoundingRule rule;
};
[[nodiscard]] Rounding read_rounding(const TensorOptions &options);

} // namespace halfscope::cli
