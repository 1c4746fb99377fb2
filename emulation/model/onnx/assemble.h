// The finished graph out of a draft: live nodes in order, every value with a name and a layer that a user recognises.
#pragma once

#include "emulation/model/onnx/draft.h"
#include "emulation/model/onnx/notes.h"

namespace halfscope::model::importing {

/// Layers with parameters take the module path of their parameter ("h.0.mlp.c_fc"), unless it is shared; others the
/// scope of their node. A parameter whose name the exporter made up is renamed after its layer ("lm_head.weight").
[[nodiscard]] Graph assemble(const Draft &draft, std::string name);

/// Says which trained matrices are exact transposes of one another: most likely tied in the user's model.
void note_ties(const Graph &graph, Notes &notes);

/// Says which convolutions have filters that the exporter worked out: batch normalisation was folded into them.
void note_folded_norms(const Draft &draft, Notes &notes);

} // namespace halfscope::model::importing
