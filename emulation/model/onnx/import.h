// Reads an ONNX file into a graph that can be trained: shapes fixed, shape arithmetic folded away, the functions that
// exporters take apart recognised again, weights told from buffers.
#pragma once

#include "emulation/model/graph.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace halfscope::model {

struct ImportOptions {
    /// Size of a free batch axis (a symbolic first axis of an input). 0: free_batch. A file with a fixed batch keeps
    /// it.
    std::int64_t batch = 0;
    /// Sizes of other symbolic axes by their name in the file; one that is not named here becomes free_axis, with a
    /// note.
    std::map<std::string, std::int64_t> dimensions;
    /// ECMAScript regular expressions, searched in initialisers' names: a match is kept as it is.
    std::vector<std::string> freeze;
    /// BatchNormalization that the file leaves in inference mode trains all the same (a default export is an inference
    /// graph, and the question is about training).
    bool infer_training = true;

    static constexpr std::int64_t free_batch = 32;
    static constexpr std::int64_t free_axis = 32;
};

struct Imported {
    Graph graph;
    /// Whole sentences for the user: what was guessed and why, ties found, dropout made inactive, axes chosen.
    std::vector<std::string> notes;
};

/// Opsets 7 to 21 of the default domain. float, fp16, bf16 and fp64 initialisers become fp32 weights (the recipe, not
/// the file, decides precision) unless they are running statistics, frozen, or recognised as masks and tables; integer
/// types become int64. Inputs keep the file's names and order; outputs keep their names.
///
/// Throws std::runtime_error or std::invalid_argument with one sentence that names the file: missing, not ONNX, cut
/// off, external data missing, no graph, unknown opset, a shape that depends on data, a tensor of more than 2^31
/// elements, or the full list of operators (name, node, opset) that are not supported.
[[nodiscard]] Imported import_onnx(const std::filesystem::path &file, const ImportOptions &options = {});

/// An input as the file declares it, for matching data before the import.
struct DeclaredInput {
    std::string name;
    ops::DType dtype = ops::DType::fp32;
    std::vector<std::int64_t> sizes;  ///< -1 where symbolic
    std::vector<std::string> symbols; ///< name of a symbolic axis; empty where fixed or nameless
};

/// Inputs that must be fed (initialisers listed among the inputs are not), in the file's order. Errors as import_onnx.
[[nodiscard]] std::vector<DeclaredInput> declared_inputs(const std::filesystem::path &file);

} // namespace halfscope::model
