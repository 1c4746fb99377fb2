// Index tuples, as GatherND and ScatterND take them, as flat indices.
#pragma once

#include "emulation/model/onnx/lowering.h"

namespace halfscope::model::importing {

/// Rows of a tensor whose leading axes, which the tuples index, were made one.
struct RowIndices {
    ops::Shape table; ///< [product of the indexed axes, remaining axes...]
    ValueId indices;  ///< int64, the tuples' shape without its last axis; none is negative
    int depth;        ///< how many axes a tuple indexes
};

/// Throws when the tuples are longer than there are axes in `data`.
[[nodiscard]] RowIndices flattened_tuples(NodeContext &node, const ops::Shape &data, ValueId tuples);

} // namespace halfscope::model::importing
