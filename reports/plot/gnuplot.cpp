#include "reports/plot/gnuplot.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <sys/wait.h>
#include <unistd.h>

namespace halfscope::reports {

bool gnuplot_installed() {
    const char *path = std::getenv("PATH");
    std::string_view rest = path ? path : "/usr/bin:/bin";
    while (true) {
        const std::size_t end = std::min(rest.find(':'), rest.size());
        const std::string folder(rest.substr(0, end));
        if (access(((folder.empty() ? "." : folder) + "/gnuplot").c_str(), X_OK) == 0) return true;
        if (end == rest.size()) return false;
        rest.remove_prefix(end + 1);
    }
}

void run_gnuplot(const std::string &script) {
    // In a file, since a pipe can carry either the script in or the complaints out.
    std::string file = (std::filesystem::temp_directory_path() / "halfscope-plot-XXXXXX").string();
    const int descriptor = mkstemp(file.data());
    if (descriptor < 0) throw std::runtime_error(fmt::format("{}: cannot make a temporary file to plot with", file));
    const auto remove = [](const std::string *name) { std::remove(name->c_str()); };
    const std::unique_ptr<const std::string, decltype(remove)> removed(&file, remove);
    std::FILE *out = fdopen(descriptor, "w");
    const bool written = std::fwrite(script.data(), 1, script.size(), out) == script.size();
    if (std::fclose(out) != 0 || !written)
        throw std::runtime_error(fmt::format("{}: the disk did not take the plot's data", file));

    std::string complaints;
    // -d: without the user's own settings.
    std::FILE *gnuplot = popen(fmt::format("gnuplot -d '{}' 2>&1", file).c_str(), "r");
    if (!gnuplot) throw std::runtime_error("gnuplot cannot be started");
    std::array<char, 512> buffer{};
    for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), gnuplot)) > 0;)
        complaints.append(buffer.data(), got);
    const int status = pclose(gnuplot);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    for (char &c : complaints)
        if (c == '\n') c = ' ';
    throw std::runtime_error(fmt::format("gnuplot failed: {}", complaints.empty() ? "it said nothing" : complaints));
}

std::string gnuplot_quoted(const std::string &text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'') quoted += '\'';
        quoted += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
    return quoted + "'";
}

} // namespace halfscope::reports
