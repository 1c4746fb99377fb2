// What this machine is, for `doctor` and for the environment section of a report.
#pragma once

#include <map>
#include <string>

namespace halfscope::cli {

/// cpu, cores, memory, simd (the widest level the emulator uses here), half_instructions, compiler, os, build.
[[nodiscard]] std::map<std::string, std::string> describe_machine();

} // namespace halfscope::cli
