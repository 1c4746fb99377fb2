#include "emulation/data/file_bytes.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>

namespace halfscope::data {

std::vector<std::byte> read_file(const std::filesystem::path &file) {
    std::error_code error;
    if (std::filesystem::is_directory(file, error))
        throw std::runtime_error(fmt::format("cannot read {}: it is a directory", file.string()));
    errno = 0;
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in)
        throw std::runtime_error(
            fmt::format("cannot read {}: {}", file.string(), errno ? std::strerror(errno) : "unknown reason"));
    std::vector<std::byte> bytes(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (static_cast<std::size_t>(in.gcount()) != bytes.size())
        throw std::runtime_error(fmt::format("cannot read {}: it ended early", file.string()));
    return bytes;
}

std::vector<std::byte> read_file_or_gzip(const std::filesystem::path &file) {
    std::error_code error;
    if (std::filesystem::is_directory(file, error))
        throw std::runtime_error(fmt::format("cannot read {}: it is a directory", file.string()));
    errno = 0;
    const std::unique_ptr<gzFile_s, int (*)(gzFile_s *)> in(gzopen(file.c_str(), "rb"), gzclose);
    if (!in)
        throw std::runtime_error(
            fmt::format("cannot read {}: {}", file.string(), errno ? std::strerror(errno) : "out of memory"));
    std::vector<std::byte> bytes;
    constexpr std::size_t chunk = std::size_t{1} << 20;
    for (;;) {
        const std::size_t size = bytes.size();
        bytes.resize(size + chunk);
        const int got = gzread(in.get(), bytes.data() + size, static_cast<unsigned>(chunk));
        int code = Z_OK;
        const char *reason = gzerror(in.get(), &code);
        // A gzip stream cut short reports Z_BUF_ERROR only after its last bytes were handed out.
        if (got < 0 || code == Z_BUF_ERROR)
            throw std::runtime_error(fmt::format("cannot read {}: damaged gzip data ({})", file.string(),
                                                 code == Z_BUF_ERROR ? "it ends early" : reason));
        bytes.resize(size + static_cast<std::size_t>(got));
        if (got == 0) return bytes;
    }
}

void write_file(const std::filesystem::path &file, std::span<const std::byte> bytes) {
    errno = 0;
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.flush();
    if (!out)
        throw std::runtime_error(
            fmt::format("cannot write {}: {}", file.string(), errno ? std::strerror(errno) : "unknown reason"));
}

} // namespace halfscope::data
