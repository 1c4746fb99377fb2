#include "reports/document/output_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace halfscope::reports {
namespace {

[[noreturn]] void fail(const std::filesystem::path &file, std::string_view reason) {
    throw std::runtime_error(fmt::format("Cannot write {}: {}.", file.string(), reason));
}

void write_directly(const std::filesystem::path &target, const std::filesystem::path &named, std::string_view text) {
    errno = 0;
    std::ofstream out(target, std::ios::binary | std::ios::trunc);
    if (!out) fail(named, errno != 0 ? std::strerror(errno) : "it cannot be opened");
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    out.flush();
    if (!out) fail(named, errno != 0 ? std::strerror(errno) : "the disk did not take it");
}

} // namespace

void write_output_file(const std::filesystem::path &file, std::string_view text) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::file_status status = fs::status(file, error);
    if (fs::is_directory(status)) fail(file, "it is a directory");
    if (fs::exists(status) && !fs::is_regular_file(status)) return write_directly(file, file, text);
    const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
    if (!fs::is_directory(folder, error)) fail(file, fmt::format("the directory {} does not exist", folder.string()));
    // A link stays a link: what it points to is replaced.
    fs::path target = fs::is_symlink(fs::symlink_status(file, error)) ? fs::weakly_canonical(file, error) : file;
    if (error) target = file;
    fs::path partial = target;
    partial += ".partial";
    try {
        write_directly(partial, file, text);
    } catch (...) {
        fs::remove(partial, error);
        throw;
    }
    fs::rename(partial, target, error);
    if (error) {
        const std::string reason = error.message();
        fs::remove(partial, error);
        fail(file, reason);
    }
}

} // namespace halfscope::reports
