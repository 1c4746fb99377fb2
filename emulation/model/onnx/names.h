// The names a user knows: module paths, out of what exporters write.
#pragma once

#include "emulation/model/onnx/draft.h"

#include <string>
#include <string_view>

namespace halfscope::model::importing {

/// "/layer1/layer1.0/conv1/Conv" -> name "layer1.0.conv1.Conv", layer "layer1.0.conv1" (PyTorch's exporter repeats a
/// container's name in its children's). A name without a scope ("Conv_12") is its own layer; a nameless node becomes
/// "<operator>_<position>".
[[nodiscard]] Origin origin_of(const FileNode &node, std::size_t position);

/// "h.0.mlp.c_fc.weight" -> "h.0.mlp.c_fc", "attn.in_proj_weight" -> "attn.in_proj"; "" for names that the exporter
/// made up ("onnx::MatMul_519", "1234") and for those with no module in them ("weight").
[[nodiscard]] std::string layer_of_parameter(std::string_view name);

/// True for names that no user wrote.
[[nodiscard]] bool is_made_up(std::string_view name);

/// "a, b, c and 5 more".
[[nodiscard]] std::string enumerate(const std::vector<std::string> &names, std::size_t most = 6);

} // namespace halfscope::model::importing
