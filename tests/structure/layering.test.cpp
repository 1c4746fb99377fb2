// The arrows of the design, held against the includes of every file: which room may see which, and which library lives
// where.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path root = HALFSCOPE_SOURCE_DIR;

/// Rooms, longest path first so that "trace/io" is found before "trace".
struct Room {
    std::string path;
    std::set<std::string> may_include; ///< rooms, besides itself
};
const std::vector<Room> rooms = {
    {"emulation/number", {}},
    {"emulation/ops", {"emulation/number"}},
    {"emulation/model", {"emulation/ops", "emulation/number"}},
    {"emulation/data", {"emulation/ops", "emulation/number"}},
    {"emulation/train",
     {"emulation/model", "emulation/data", "emulation/ops", "emulation/number", "trace/io", "trace/schema"}},
    {"kernels/judge", {"emulation/ops", "emulation/number"}},
    {"kernels/record", {"kernels/judge"}},
    {"kernels", {"emulation/ops", "emulation/number", "kernels/judge", "kernels/record"}},
    {"trace/io", {"trace/schema", "emulation/number"}},
    {"trace/schema", {"emulation/number"}},
    {"analysis", {"trace/io", "trace/schema", "emulation/number"}},
    {"reports", {"analysis", "trace/schema", "emulation/number", "kernels/judge", "kernels/record"}},
    {"cli",
     {"emulation/number", "emulation/ops", "emulation/model", "emulation/data", "emulation/train", "kernels",
      "kernels/judge", "kernels/record", "trace/io", "trace/schema", "analysis", "reports"}},
};

/// Third-party headers by the rooms that may use them; "tests" may use all.
const std::vector<std::pair<std::regex, std::set<std::string>>> libraries = {
    {std::regex("^boost/"), {"cli", "kernels/judge"}},
    {std::regex("^(cuda|cublas|cudnn)"), {"kernels"}},
    {std::regex("^Eigen/"), {"emulation/ops", "analysis", "kernels"}}, // in kernels: a library under test
    {std::regex("^hwy/"), {"emulation/number", "emulation/ops", "cli"}},
    {std::regex("^(sqlite3)"), {"trace/io"}},
    {std::regex("^(onnx/|google/protobuf)"), {"emulation/model"}},
    {std::regex("^nlohmann/"), {"reports", "cli"}},
    {std::regex("^CLI/"), {"cli"}},
    {std::regex("^doctest/"), {}},
    {std::regex("^toml"), {"emulation/train"}},
    {std::regex("^zlib"), {"emulation/data"}},
};

std::string room_of(const std::string &path) {
    for (const Room &room : rooms)
        if (path.rfind(room.path + "/", 0) == 0) return room.path;
    return {};
}

struct Include {
    std::string file, target;
    bool ours; ///< quoted
};

std::vector<fs::path> sources(const std::string &folder) {
    std::vector<fs::path> found;
    for (const auto &entry : fs::recursive_directory_iterator(root / folder)) {
        if (entry.path().string().find("node_modules") != std::string::npos) continue;
        const std::string extension = entry.path().extension().string();
        if (extension == ".h" || extension == ".cpp" || extension == ".cu" || extension == ".cuh")
            found.push_back(entry.path());
    }
    return found;
}

std::vector<Include> includes_of(const fs::path &file) {
    static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
    std::vector<Include> includes;
    std::ifstream lines(file);
    const std::string name = fs::relative(file, root).generic_string();
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (std::regex_search(line, match, pattern)) includes.push_back({name, match[2], match[1] == "\""});
    }
    return includes;
}

} // namespace

TEST_CASE("rooms include only what the design allows") {
    std::size_t checked = 0;
    for (const std::string folder : {"emulation", "kernels", "trace", "analysis", "reports", "cli"})
        for (const fs::path &file : sources(folder))
            for (const Include &include : includes_of(file)) {
                const std::string from = room_of(include.file);
                if (from.empty()) {
                    FAIL_CHECK(include.file << " is in no room of the design");
                    continue;
                }
                ++checked;
                if (include.ours) {
                    const std::string to = room_of(include.target);
                    if (to.empty()) {
                        // Headers made by the build (version, embedded files) are named by their room too.
                        FAIL_CHECK(include.file << " includes \"" << include.target << "\", which is in no room");
                        continue;
                    }
                    const auto room =
                        std::find_if(rooms.begin(), rooms.end(), [&](const Room &r) { return r.path == from; });
                    if (to != from && !room->may_include.contains(to))
                        FAIL_CHECK(include.file << " includes " << include.target << ": " << from << " may not see "
                                                << to);
                } else {
                    for (const auto &[pattern, allowed] : libraries)
                        if (std::regex_search(include.target, pattern) && !allowed.contains(from))
                            FAIL_CHECK(include.file << " includes <" << include.target
                                                    << ">, a library of another room");
                }
            }
    CHECK(checked > 300); // the test would pass on an empty tree
}

TEST_CASE("the oracle shares no code with what it judges") {
    for (const fs::path &file : sources("tests/oracle"))
        for (const Include &include : includes_of(file))
            CHECK_MESSAGE(!include.ours, include.file << " includes \"" << include.target << "\"");
}

TEST_CASE("no room is called util, common or helpers, and files stay short") {
    for (const std::string folder : {"emulation", "kernels", "trace", "analysis", "reports", "cli", "tests"}) {
        for (const auto &entry : fs::recursive_directory_iterator(root / folder)) {
            const std::string stem = entry.path().stem().string();
            if (entry.path().string().find("node_modules") != std::string::npos) continue;
            for (const std::string bad : {"util", "utils", "common", "helper", "helpers", "misc"})
                CHECK_MESSAGE(stem != bad, entry.path().string());
        }
        for (const fs::path &file : sources(folder)) {
            std::ifstream lines(file);
            const auto count = std::count(std::istreambuf_iterator<char>(lines), {}, '\n');
            CHECK_MESSAGE(count <= 600, file.string() << " has " << count << " lines");
        }
    }
}

TEST_CASE("every test file belongs to a program") {
    // Room folders are globbed by suffix; any other suffix would silently never run.
    static const std::regex known(R"(.*\.(test|slow|exhaustive|gpu|fuzz)\.cpp$)");
    const std::set<std::string> exceptions = {"test_main.cpp"};
    for (const fs::path &file : sources("tests")) {
        if (file.extension() != ".cpp") continue;
        const std::string name = file.filename().string();
        std::ifstream text(file);
        const std::string content((std::istreambuf_iterator<char>(text)), {});
        if (content.find("TEST_CASE") == std::string::npos || exceptions.contains(name)) continue;
        CHECK_MESSAGE(std::regex_match(name, known), file.string());
    }
}
