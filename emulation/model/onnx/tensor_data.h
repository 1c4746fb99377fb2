// The content of a TensorProto, wherever the file keeps it.
#pragma once

#include "emulation/model/onnx/file_model.h"

namespace onnx {
class TensorProto;
}

namespace halfscope::model::importing {

/// Storage type that stands for an ONNX element type; throws std::runtime_error for strings and complex numbers.
/// `narrowed` collects the names of floating types other than fp32.
[[nodiscard]] ops::DType storage_type(int element_type, std::string_view what, std::set<std::string> &narrowed);

/// Floating types become fp32 (fp64 rounded to nearest even, fp16 and bf16 exactly), integers int64. External data is
/// looked for beside `model_file`. Throws std::runtime_error naming the tensor when sizes and data disagree.
[[nodiscard]] Tensor read_tensor(const ::onnx::TensorProto &proto, const std::filesystem::path &model_file,
                                 std::set<std::string> &narrowed);

} // namespace halfscope::model::importing
