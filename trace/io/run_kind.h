// A run's kind as the trace spells it. Private to trace/io.
#pragma once

#include "trace/schema/records.h"

#include <string_view>

namespace halfscope::trace {

[[nodiscard]] inline std::string_view name_of(Run::Kind kind) {
    switch (kind) {
    case Run::Kind::reference: return "reference";
    case Run::Kind::sibling: return "sibling";
    case Run::Kind::recipe: break;
    }
    return "recipe";
}

[[nodiscard]] inline Run::Kind run_kind_from(std::string_view name) {
    if (name == "reference") return Run::Kind::reference;
    return name == "sibling" ? Run::Kind::sibling : Run::Kind::recipe;
}

} // namespace halfscope::trace
