#include "cli/machine.h"

#include "cli/version.h"
#include "kernels/cpu/instruction_set.h"

#include <fmt/format.h>
#include <hwy/targets.h>

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace halfscope::cli {
namespace {

/// The value of the first line of a "name : value" file that begins with `key`.
std::string field(const char *file, std::string_view key) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind(key, 0) != 0) continue;
        const auto colon = line.find(':');
        if (colon == std::string::npos) continue;
        const auto start = line.find_first_not_of(" \t", colon + 1);
        return start == std::string::npos ? "" : line.substr(start);
    }
    return "";
}

std::string half_instructions() {
    std::string found;
    if (kernels::missing(kernels::InstructionSet::f16c).empty()) found += "F16C ";
    if (kernels::missing(kernels::InstructionSet::avx512_bf16).empty()) found += "AVX512-BF16 ";
    return found.empty() ? "none" : found.substr(0, found.size() - 1);
}

std::string widest_simd() {
    const std::int64_t targets = hwy::SupportedTargets();
    return hwy::TargetName(targets & -targets); // Highway gives better targets lower bits
}

} // namespace

std::map<std::string, std::string> describe_machine() {
    std::map<std::string, std::string> facts;
    const std::string cpu = field("/proc/cpuinfo", "model name");
    facts["cpu"] = cpu.empty() ? "unknown" : cpu;
    facts["cores"] = std::to_string(std::thread::hardware_concurrency());
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    if (pages > 0 && page > 0)
        facts["memory"] = fmt::format("{:.1f} GiB", static_cast<double>(pages) * static_cast<double>(page) / 0x1p30);
    facts["simd"] = widest_simd();
    facts["half_instructions"] = half_instructions();
#ifdef __clang__
    facts["compiler"] = __VERSION__; // names itself
#else
    facts["compiler"] = "g++ " __VERSION__;
#endif
    utsname system{};
    if (uname(&system) == 0) facts["os"] = fmt::format("{} {}", system.sysname, system.release);
    facts["halfscope"] = std::string(version);
    return facts;
}

} // namespace halfscope::cli
