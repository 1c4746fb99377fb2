// What a reader finds after the producer was killed, and what it says about files that are not a sound trace.
#include "tests/trace/io/example_records.h"

#include "trace/io/reader.h"
#include "trace/io/schema_text.h"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <sqlite3.h>
#include <sys/wait.h>

using namespace halfscope;
using namespace halfscope::test;
namespace fs = std::filesystem;

namespace {

/// Writes steps until it is killed; says over the pipe which step is finished.
[[noreturn]] void write_for_ever(const fs::path &directory, int pipe) {
    trace::Writer writer(directory);
    writer.session(example_session());
    const trace::RunId run = writer.begin_run(example_run());
    const auto tensors = example_tensors(50);
    writer.tensors(run, tensors);
    for (std::int64_t step = 0;; ++step) {
        std::vector<trace::TensorStep> records;
        for (const auto &t : tensors)
            records.push_back({step, t.id, example_statistics(static_cast<std::uint64_t>(t.id))});
        trace::Step s;
        s.step = step;
        s.loss = 1.0 / static_cast<double>(step + 1);
        const trace::Fidelity f{.step = step, .layer = "l", .weight = "w"};
        writer.step(run, s, records, std::vector{f}, {});
        if (write(pipe, &step, sizeof step) != sizeof step) _exit(1);
    }
}

/// Lets a child write, kills it at some moment after `steps` steps, and returns the last step it reported.
std::int64_t kill_in_mid_run(const fs::path &directory, std::int64_t steps) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        close(ends[0]);
        write_for_ever(directory, ends[1]);
    }
    close(ends[1]);
    std::int64_t last = -1;
    std::int64_t step = 0;
    while (last < steps && read(ends[0], &step, sizeof step) == sizeof step) last = step;
    kill(child, SIGKILL);
    while (read(ends[0], &step, sizeof step) == sizeof step) last = step; // finished before the signal arrived
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    return last;
}

void check_killed_trace(const fs::path &directory, std::int64_t last) {
    const trace::Reader reader(directory);
    CHECK(reader.session().model == example_session().model);
    const auto runs = reader.runs();
    REQUIRE(runs.size() == 1);
    CHECK_FALSE(runs[0].complete);
    const auto finished = static_cast<std::int64_t>(runs[0].steps.size());
    // Every reported step is there; the one being reported when the signal came may be.
    CHECK(finished >= last + 1);
    CHECK(finished <= last + 2);
    for (std::int64_t i = 0; i < finished; ++i) CHECK(runs[0].steps[static_cast<std::size_t>(i)].step == i);
    CHECK(static_cast<std::int64_t>(runs[0].fidelity.size()) == finished);
    std::int64_t records = 0;
    reader.for_each_tensor_step(runs[0].run.id, [&](const trace::TensorStep &record) {
        CHECK(same(record.statistics, example_statistics(static_cast<std::uint64_t>(record.tensor))));
        ++records;
    });
    CHECK(records == finished * 50); // no half of a step
}

std::string message_of(const fs::path &directory) {
    try {
        const trace::Reader reader(directory);
        (void)reader.session();
        for (const auto &run : reader.runs()) reader.for_each_tensor_step(run.run.id, [](const trace::TensorStep &) {});
    } catch (const std::runtime_error &error) {
        return error.what();
    }
    return {};
}

bool contains(const std::string &text, std::string_view part) { return text.find(part) != std::string::npos; }

void write_finished(const fs::path &directory, std::int64_t steps) {
    trace::Writer writer(directory);
    writer.session(example_session());
    const trace::RunId run = writer.begin_run(example_run());
    const auto tensors = example_tensors(50);
    writer.tensors(run, tensors);
    for (std::int64_t step = 0; step < steps; ++step) {
        std::vector<trace::TensorStep> records;
        for (const auto &t : tensors) records.push_back({step, t.id, example_statistics(3)});
        trace::Step s;
        s.step = step;
        writer.step(run, s, records, {}, {});
    }
    writer.end_run(run);
}

/// Runs `body` as a user whom file permissions bind (root ignores them); false when that cannot be arranged.
template <typename Body> bool as_ordinary_user(Body body) {
    const pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(99);
        _exit(body() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 99) return false;
    CHECK(WEXITSTATUS(status) == 0);
    return true;
}

} // namespace

TEST_CASE("a killed run keeps every finished step") {
    for (const std::int64_t steps : {0, 7, 300}) {
        const ScratchDirectory scratch;
        const std::int64_t last = kill_in_mid_run(scratch.path, steps);
        REQUIRE(last >= steps);
        check_killed_trace(scratch.path, last);
        check_killed_trace(scratch.path, last); // reading changes nothing
        const ScratchDirectory moved;           // copied away without the -shm file, as a person would
        fs::copy(scratch.path / "trace.db", moved.path / "trace.db");
        fs::copy(scratch.path / "trace.db-wal", moved.path / "trace.db-wal");
        check_killed_trace(moved.path, last);
    }
}

TEST_CASE("a killed run is read from a directory one may not write to") {
    const ScratchDirectory scratch;
    const std::int64_t last = kill_in_mid_run(scratch.path, 20);
    for (const bool with_shared_memory : {true, false}) {
        if (!with_shared_memory) fs::remove(scratch.path / "trace.db-shm");
        fs::permissions(scratch.path, static_cast<fs::perms>(0555));
        const bool done = as_ordinary_user([&] {
            const auto runs = trace::Reader(scratch.path).runs();
            return static_cast<std::int64_t>(runs.at(0).steps.size()) >= last + 1;
        });
        fs::permissions(scratch.path, fs::perms::owner_all);
        CHECK(done);
    }
}

TEST_CASE("a finished run is read from a directory one may not write to") {
    const ScratchDirectory scratch;
    write_finished(scratch.path, 5);
    fs::permissions(scratch.path, static_cast<fs::perms>(0555));
    CHECK(as_ordinary_user([&] { return trace::Reader(scratch.path).runs().at(0).steps.size() == 5; }));
}

TEST_CASE("readers in several processes, and the writer, do not disturb each other") {
    const ScratchDirectory scratch;
    trace::Writer writer(scratch.path);
    writer.session(example_session());
    const trace::RunId run = writer.begin_run(example_run());
    std::vector<pid_t> children;
    for (int i = 0; i < 3; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            std::size_t seen = 0;
            for (int attempt = 0; attempt < 20'000 && seen < 100; ++attempt) {
                const trace::Reader reader(scratch.path);
                const std::size_t steps = reader.runs().at(0).steps.size();
                if (steps < seen) _exit(2);                              // a reader never loses what it has seen
                if (reader.runs().at(0).steps.size() != steps) _exit(3); // one Reader: one moment
                seen = steps;
            }
            _exit(seen == 100 ? 0 : 1);
        }
        children.push_back(child);
    }
    for (std::int64_t step = 0; step < 100; ++step) {
        trace::Step s;
        s.step = step;
        writer.step(run, s, {}, {}, {});
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (const pid_t child : children) {
        int status = 0;
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
}

TEST_CASE("what is not a sound trace is named in one sentence") {
    const ScratchDirectory scratch;
    const fs::path file = scratch.path / "trace.db";

    CHECK(contains(message_of(scratch.path / "nowhere"), "no such directory"));
    CHECK(contains(message_of(scratch.path), "there is no trace.db here"));

    SUBCASE("text") {
        std::ofstream(file) << std::string(5000, 'x');
        CHECK(contains(message_of(scratch.path), "not a HalfScope trace"));
    }
    SUBCASE("empty") {
        std::ofstream(file) << "";
        CHECK(contains(message_of(scratch.path), "not a HalfScope trace"));
    }
    SUBCASE("another program's database") {
        sqlite3 *other = nullptr;
        REQUIRE(sqlite3_open(file.c_str(), &other) == SQLITE_OK);
        REQUIRE(sqlite3_exec(other, "CREATE TABLE runs (id)", nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(other);
        CHECK(contains(message_of(scratch.path), "not a HalfScope trace"));
    }
    SUBCASE("another schema version") {
        write_finished(scratch.path, 1);
        sqlite3 *other = nullptr;
        REQUIRE(sqlite3_open(file.c_str(), &other) == SQLITE_OK);
        REQUIRE(sqlite3_exec(other, "PRAGMA user_version = 1", nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(other);
        CHECK(contains(message_of(scratch.path), "schema version 1, this program reads version 2"));
    }
    SUBCASE("truncated, at many lengths") {
        write_finished(scratch.path, 40);
        const std::uintmax_t size = fs::file_size(file);
        REQUIRE(size > 100'000);
        for (std::uintmax_t length = 1; length < size; length += 1 + size / 40) {
            fs::resize_file(file, length);
            const std::string message = message_of(scratch.path);
            CHECK_MESSAGE((contains(message, "cut short") || contains(message, "not a HalfScope trace") ||
                           contains(message, "damaged")),
                          length, ": ", message);
            CHECK(contains(message, "trace.db"));
            CHECK_FALSE(contains(message, "\n"));
            write_finished(scratch.path, 40);
        }
    }
    SUBCASE("a directory in its place") {
        fs::create_directory(file);
        CHECK(contains(message_of(scratch.path), "trace.db"));
        CHECK_THROWS_WITH_AS(
            [&] {
                std::ofstream(file / "something") << "x";
                trace::Writer writer(scratch.path);
            }(),
            doctest::Contains("cannot replace the earlier trace"), std::runtime_error);
    }
}

TEST_CASE("flipped bytes never crash a reader") {
    const ScratchDirectory scratch;
    write_finished(scratch.path, 5);
    const fs::path file = scratch.path / "trace.db";
    std::ifstream in(file, std::ios::binary);
    const std::string sound((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::mt19937_64 random(1);
    for (int round = 0; round < 200; ++round) {
        std::string bad = sound;
        for (int k = 0; k < 20; ++k) bad[random() % bad.size()] = static_cast<char>(random());
        std::ofstream(file, std::ios::binary | std::ios::trunc) << bad;
        const std::string message = message_of(scratch.path); // any answer, no crash
        CHECK_FALSE(contains(message, "\n"));
    }
}

TEST_CASE("an output directory that cannot be made is named") {
    const ScratchDirectory scratch;
    std::ofstream(scratch.path / "file") << "x";
    CHECK_THROWS_WITH_AS(trace::Writer(scratch.path / "file"), doctest::Contains("cannot create the output directory"),
                         std::runtime_error);
}
