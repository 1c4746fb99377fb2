// An ONNX file in plain structures: what was parsed, before any meaning is given to it.
#pragma once

#include "emulation/ops/tensor.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace halfscope::model::importing {

/// No tensor of a model may have more elements: larger ones come from damaged files, and 8 GiB do not fit anyway.
inline constexpr std::int64_t largest_tensor = std::int64_t{1} << 31;

/// fp32 (every floating type of a file), int64 (every integer type) or boolean.
using Tensor = std::shared_ptr<const ops::HostTensor>;

/// A shape checked against largest_tensor; throws std::runtime_error "<what> ...".
[[nodiscard]] ops::Shape checked_shape(const std::vector<std::int64_t> &sizes, std::string_view what);

struct FileGraph;

struct Attribute {
    std::variant<std::int64_t, double, std::string, Tensor, std::vector<std::int64_t>, std::vector<double>,
                 std::vector<std::string>, std::shared_ptr<const FileGraph>>
        value;
};

struct FileNode {
    std::string op, domain, name;
    std::vector<std::string> inputs, outputs; ///< "" where an optional one is left out
    std::map<std::string, Attribute, std::less<>> attributes;

    /// An attribute of type T, or null. Throws std::runtime_error when it is there with another type.
    template <typename T> [[nodiscard]] const T *find(std::string_view attribute) const;
    [[nodiscard]] std::int64_t integer(std::string_view attribute, std::int64_t fallback) const;
    [[nodiscard]] double number(std::string_view attribute, double fallback) const;
    [[nodiscard]] std::string text(std::string_view attribute, std::string_view fallback) const;
    [[nodiscard]] std::vector<std::int64_t> integers(std::string_view attribute) const; ///< empty when absent
    [[nodiscard]] std::vector<std::string> texts(std::string_view attribute) const;     ///< empty when absent
    [[nodiscard]] bool has_output(std::size_t index) const { return index < outputs.size() && !outputs[index].empty(); }
};

struct FileInput {
    std::string name;
    ops::DType dtype = ops::DType::fp32;
    std::vector<std::int64_t> sizes;  ///< -1 where symbolic
    std::vector<std::string> symbols; ///< name of a symbolic axis, or ""
    bool has_shape = false;
};

struct FileGraph {
    std::string name;
    std::vector<FileNode> nodes;
    std::vector<std::pair<std::string, Tensor>> initializers; ///< in the file's order
    std::vector<FileInput> inputs;
    std::vector<std::string> outputs;
};

struct FileModel {
    std::filesystem::path path;
    std::int64_t opset = 0;
    FileGraph graph;
    std::set<std::string> narrowed; ///< floating types other than fp32 that were met ("fp16", "fp64", ...)
};

/// Reads and checks the file; errors as import_onnx promises them.
[[nodiscard]] FileModel read_file(const std::filesystem::path &file);

} // namespace halfscope::model::importing
