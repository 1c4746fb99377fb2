// What the HTML page is drawn from.
#pragma once

#include "analysis/verdict/assessment.h"
#include "reports/document/json.h"

namespace halfscope::reports {

/// {"report": the document of document.h, "heat": [one per recipe, in the report's order]}. Each heat is
///   {"columns": [first step of each column], "last": last step of the last column,
///    "rows": [{"layer": index into the recipe's layers, "tensor": name, planes}]}
/// with the planes "underflow", "overflow", "subnormal", "non_finite" (shares, the largest of each column; left out
/// when zero throughout) and "amax" (magnitudes), encoded as in share_plane.h. Steps are gathered into columns when
/// there are more than a display needs, fewer the more tensors there are.
[[nodiscard]] Json page_data(const analysis::Assessment &assessment);

} // namespace halfscope::reports
