#include "trace/io/lockstep_table.h"
#include "trace/io/reader.h"
#include "trace/io/writer.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <unistd.h>

using namespace halfscope::trace;

TEST_CASE("lockstep records are read as they were written, and are absent from other traces") {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("halfscope_lockstep_" + std::to_string(::getpid()));
    {
        Writer writer(folder);
        writer.session({});
    }
    CHECK(read_lockstep(folder).empty());
    const std::vector<Lockstep> first = {{"one", "add", 1, 2, 2, 0}};
    const std::vector<Lockstep> second = {{"blocks.0.attn", "matmul", 3, 1LL << 40, (1LL << 40) - 1, 2},
                                          {"", "adam_step", 1, 5, 5, 0}};
    write_lockstep(folder, first);
    write_lockstep(folder, second); // replaces
    const std::vector<Lockstep> found = read_lockstep(folder);
    REQUIRE(found.size() == 2);
    CHECK(found[0].layer == "blocks.0.attn");
    CHECK(found[0].operation == "matmul");
    CHECK(found[0].runs == 3);
    CHECK(found[0].elements == 1LL << 40);
    CHECK(found[0].bit_equal == (1LL << 40) - 1);
    CHECK(found[0].different_statistics == 2);
    CHECK(found[1].layer.empty());
    CHECK(Reader(folder).runs().empty()); // the table is in nobody's way
    std::filesystem::remove_all(folder);
    CHECK_THROWS_AS((void)read_lockstep(folder), std::runtime_error);
}
