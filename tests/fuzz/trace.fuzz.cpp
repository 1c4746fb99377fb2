// A damaged trace.db is refused or read, never a crash.
#include "trace/io/reader.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    static const std::filesystem::path directory =
        std::filesystem::temp_directory_path() / ("halfscope-fuzz-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "trace.db", std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes), static_cast<std::streamsize>(size));
    try {
        const halfscope::trace::Reader reader(directory);
        (void)reader.session();
        for (const auto &stored : reader.runs())
            reader.for_each_tensor_step(stored.run.id, [](const halfscope::trace::TensorStep &) {});
    } catch (const std::runtime_error &) {
    }
    return 0;
}
