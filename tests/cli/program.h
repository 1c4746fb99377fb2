// Runs the built program through the shell and keeps what it printed.
#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace halfscope::cli {

struct Finished {
    int exit_code = -1;
    std::string out, err;
};

/// A fresh folder below the build tree.
inline std::filesystem::path scratch(const std::string &name) {
    std::filesystem::path folder = std::filesystem::path(HALFSCOPE_SCRATCH) / "scratch" / name;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    return folder;
}

/// `arguments` are a piece of shell command line, so that pipes' inputs can be redirected.
inline Finished run(const std::string &arguments) {
    const auto err_file = std::filesystem::path(HALFSCOPE_SCRATCH) / ("stderr-" + std::to_string(getpid()));
    const std::string command = std::string(HALFSCOPE_PROGRAM) + " " + arguments + " 2>" + err_file.string();
    std::FILE *pipe = popen(command.c_str(), "r");
    if (!pipe) throw std::runtime_error("cannot start " + command);
    Finished finished;
    std::array<char, 4096> buffer{};
    for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        finished.out.append(buffer.data(), got);
    const int status = pclose(pipe);
    finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    std::ifstream err(err_file);
    finished.err.assign(std::istreambuf_iterator<char>(err), {});
    std::filesystem::remove(err_file);
    return finished;
}

} // namespace halfscope::cli
