// What a sweep keeps, whatever happens to it, and directories that are not its own.
#include "trace/io/sweep_store.h"

#include "trace/io/curve_file.h"
#include "trace/io/sweep_events.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

using namespace halfscope::trace;
namespace fs = std::filesystem;

namespace {

fs::path fresh(const std::string &name) {
    const fs::path folder = fs::temp_directory_path() / ("halfscope-sweep-test-" + std::to_string(getpid())) / name;
    fs::remove_all(folder);
    fs::create_directories(folder.parent_path());
    return folder;
}

const SweepIdentity identity{{"model", "m"}, {"steps", "3"}};

SweepRun sample(const std::string &recipe, std::uint64_t seed) {
    SweepRun run{{recipe, seed}, true, "", {}, {}};
    for (std::int64_t i = 0; i < 3; ++i) {
        Step step;
        step.step = i;
        step.loss = i == 2 ? std::numeric_limits<double>::infinity() : 1.0 / 3.0 / static_cast<double>(i + 1);
        step.loss_scale = 65536, step.loss_scale_after = 32768, step.skipped = i == 1;
        step.gradient_norm = i == 1 ? std::nan("") : 0.1, step.learning_rate = 1e-3;
        run.steps.push_back(step);
    }
    run.evaluations = {{2, "loss", 0.7}, {3, "loss", 0.6}, {3, "accuracy", 0.1}};
    return run;
}

void check_equal(const SweepRun &a, const SweepRun &b) {
    CHECK(a.key == b.key);
    REQUIRE(a.steps.size() == b.steps.size());
    for (std::size_t i = 0; i < a.steps.size(); ++i) {
        CHECK(a.steps[i].loss == b.steps[i].loss);
        CHECK(a.steps[i].skipped == b.steps[i].skipped);
        CHECK(a.steps[i].loss_scale_after == b.steps[i].loss_scale_after);
        CHECK(std::isnan(a.steps[i].gradient_norm) == std::isnan(b.steps[i].gradient_norm));
    }
    REQUIRE(a.evaluations.size() == b.evaluations.size());
    for (std::size_t i = 0; i < a.evaluations.size(); ++i) {
        CHECK(a.evaluations[i].metric == b.evaluations[i].metric);
        CHECK(a.evaluations[i].value == b.evaluations[i].value);
    }
}

} // namespace

TEST_CASE("runs and checkpoints read back, bit for bit, from a store that is opened again") {
    const fs::path folder = fresh("again");
    const std::uint64_t large = std::numeric_limits<std::uint64_t>::max() - 5;
    SweepCheckpoint half{sample("bf16-amp", 1), {std::byte{0}, std::byte{255}, std::byte{7}}};
    half.run.complete = false;
    half.run.steps.pop_back();
    {
        SweepStore store(folder, identity);
        store.save(sample("fp32", large));
        store.save(half);
    }
    SweepStore store(folder, identity);
    const auto run = store.finished({"fp32", large});
    REQUIRE(run);
    CHECK(run->complete);
    check_equal(*run, sample("fp32", large));
    CHECK(!store.finished({"bf16-amp", 1}));
    CHECK(!store.checkpoint({"fp32", large}));
    const auto checkpoint = store.checkpoint({"bf16-amp", 1});
    REQUIRE(checkpoint);
    CHECK(checkpoint->state == half.state);
    check_equal(checkpoint->run, half.run);
    // The finished run takes the checkpoint's place.
    store.save(sample("bf16-amp", 1));
    CHECK(!store.checkpoint({"bf16-amp", 1}));
    check_equal(*store.finished({"bf16-amp", 1}), sample("bf16-amp", 1));
}

TEST_CASE("a process that dies keeps what it saved") {
    const fs::path folder = fresh("killed");
    const pid_t child = fork();
    if (child == 0) {
        SweepStore store(folder, identity);
        store.save(sample("fp32", 3));
        _exit(0); // no destructor runs
    }
    int status = 0;
    waitpid(child, &status, 0);
    SweepStore store(folder, identity);
    REQUIRE(store.finished({"fp32", 3}));
}

TEST_CASE("another sweep's directory, a profile's, and one in use are refused and stay as they are") {
    const fs::path folder = fresh("another");
    { SweepStore store(folder, identity); }
    const auto size = fs::file_size(folder / sweep_file_name);
    const std::string where = folder.string();
    CHECK_THROWS_WITH_AS((SweepStore(folder, {{"model", "m"}, {"steps", "4"}})),
                         (where + ": it holds the sweep of another run (steps: 3 there, 4 here); choose another --out "
                                  "directory, or repeat that run's command to go on with it")
                             .c_str(),
                         std::runtime_error);
    CHECK_THROWS_AS((SweepStore(folder, {{"model", "m"}})), std::runtime_error);
    CHECK(fs::file_size(folder / sweep_file_name) == size);

    const fs::path profile = fresh("profile");
    fs::create_directories(profile);
    std::ofstream(profile / "trace.db") << "trace";
    CHECK_THROWS_AS((SweepStore(profile, identity)), std::runtime_error);
    CHECK(!fs::exists(profile / sweep_file_name));

    const fs::path text = fresh("text");
    fs::create_directories(text);
    std::ofstream(text / sweep_file_name) << "this is long enough to be no database at all, and it is none";
    CHECK_THROWS_AS((SweepStore(text, identity)), std::runtime_error);

    SweepStore held(folder, identity);
    const pid_t child = fork();
    if (child == 0) {
        try {
            SweepStore second(folder, identity);
        } catch (const std::runtime_error &error) {
            _exit(std::string(error.what()).find("another halfscope is training into it") != std::string::npos ? 0 : 2);
        }
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a sweep's event files are read as another program's run") {
    const fs::path folder = fresh("events");
    const std::vector<SweepRun> runs{sample("fp32", 0), sample("mine/odd", 4)};
    write_event_files(runs, folder);
    write_event_files(runs, folder); // replaces
    const auto curves = read_curves(folder / "mine_odd" / "seed4");
    REQUIRE(curves.size() == 3);
    CHECK(curves[0].column == "training/loss");
    CHECK(curves[0].steps == std::vector<std::int64_t>{0, 1, 2});
    CHECK(curves[0].values[0] == static_cast<double>(static_cast<float>(1.0 / 3.0)));
    CHECK(curves[1].quantity == Quantity::held_out_loss);
}
