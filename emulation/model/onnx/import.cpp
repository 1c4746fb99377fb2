#include "emulation/model/onnx/import.h"

#include "emulation/model/onnx/assemble.h"
#include "emulation/model/onnx/lowering.h"
#include "emulation/model/onnx/patterns.h"
#include "emulation/model/onnx/roles.h"

#include <fmt/format.h>

#include <new>
#include <set>
#include <stdexcept>

namespace halfscope::model {
namespace {

using namespace importing;

std::string graph_name(const FileModel &model) {
    return model.graph.name.empty() ? model.path.stem().string() : model.graph.name;
}

Imported convert(const FileModel &model, const ImportOptions &options) {
    // What initialisers are is judged on a first draft in which all of them are weights; the second folds those that
    // are not.
    Notes ignored, notes;
    if (!model.narrowed.empty())
        notes.add(fmt::format("The file holds {} values; they were converted to fp32, because the recipe decides "
                              "precision.",
                              fmt::join(model.narrowed, " and ")));
    const Treatment treatment = judge_roles(lower(model, options, {}, ignored), options, notes);
    Draft draft = lower(model, options, treatment, notes);
    recognise_patterns(draft, notes);
    note_folded_norms(draft, notes);
    Imported imported{assemble(draft, graph_name(model)), {}};
    note_ties(imported.graph, notes);
    imported.notes = notes.sentences();
    return imported;
}

} // namespace

Imported import_onnx(const std::filesystem::path &file, const ImportOptions &options) {
    const FileModel model = read_file(file);
    try {
        return convert(model, options);
    } catch (const std::bad_alloc &) {
        throw std::runtime_error(fmt::format("{}: it does not fit into memory", file.string()));
    } catch (const std::exception &error) {
        throw std::runtime_error(fmt::format("{}: {}", file.string(), error.what()));
    }
}

std::vector<DeclaredInput> declared_inputs(const std::filesystem::path &file) {
    const FileModel model = read_file(file);
    std::set<std::string> initializers;
    for (const auto &[name, tensor] : model.graph.initializers) initializers.insert(name);
    std::vector<DeclaredInput> inputs;
    for (const FileInput &input : model.graph.inputs)
        if (!initializers.contains(input.name)) inputs.push_back({input.name, input.dtype, input.sizes, input.symbols});
    return inputs;
}

} // namespace halfscope::model
