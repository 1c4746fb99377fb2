// Which operations autocast runs in 16 bits, which in fp32, and which in the widest type of their operands: PyTorch's
// lists as data, one row a version. Sources: aten/src/ATen/autocast_mode.h (the AT_FORALL_* macros) and
// docs/source/amp.rst, read at the 2.x versions named.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace halfscope::train {

enum class AutocastPolicy : std::uint8_t {
    lower_precision, ///< floating operands are cast to the 16-bit format
    fp32,            ///< operands are cast to fp32, the result is fp32 (also fp32_set_opt_dtype and fp32_append_dtype)
    promote,         ///< operands are cast to the widest of their types
    unlisted,        ///< runs in the types its operands have
};

struct AutocastLists {
    std::string_view name;
    std::string_view source;
    std::span<const std::string_view> lower_precision, fp32, promote;

    /// `operation` as graph nodes carry it ("conv2d", "pow"); overload suffixes in the lists (".Tensor_Scalar") are
    /// ignored.
    [[nodiscard]] AutocastPolicy policy_of(std::string_view operation) const;
};

/// "torch-2-cuda" (also fp16 and bf16 on other accelerators), "torch-2-cpu".
[[nodiscard]] std::span<const AutocastLists> autocast_lists();
/// Throws std::invalid_argument naming the lists there are.
[[nodiscard]] const AutocastLists &autocast_lists_of(std::string_view name);

} // namespace halfscope::train
