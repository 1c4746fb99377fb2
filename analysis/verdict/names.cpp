#include "analysis/verdict/assessment.h"

namespace halfscope::analysis {

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::safe: return "safe";
    case Verdict::risky: return "risky";
    case Verdict::unsafe: return "unsafe";
    case Verdict::no_verdict: break;
    }
    return "no-verdict";
}

std::string_view name_of(Severity severity) {
    switch (severity) {
    case Severity::critical: return "critical";
    case Severity::warning: return "warning";
    case Severity::info: break;
    }
    return "info";
}

} // namespace halfscope::analysis
