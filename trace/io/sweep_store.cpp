#include "trace/io/sweep_store.h"

#include "trace/io/database.h"
#include "trace/io/schema_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>

namespace halfscope::trace {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t application_id = 0x48535357; // "HSSW"
constexpr std::int64_t version = 1;

constexpr const char *tables = R"(
CREATE TABLE identity (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE runs (            -- one row a run
    id INTEGER PRIMARY KEY,
    recipe TEXT NOT NULL,
    seed INTEGER NOT NULL,     -- the bits of an unsigned 64-bit number
    complete INTEGER NOT NULL, -- 0: cut short; its steps lead up to the checkpoint
    stopped TEXT NOT NULL,     -- why the loss scaler ended it early
    UNIQUE (recipe, seed)) STRICT;
CREATE TABLE steps (           -- NULL stands for nan
    run INTEGER NOT NULL, step INTEGER NOT NULL, loss REAL, loss_scale REAL, loss_scale_after REAL,
    skipped INTEGER NOT NULL, gradient_norm REAL, learning_rate REAL, PRIMARY KEY (run, step)) STRICT, WITHOUT ROWID;
CREATE TABLE evaluations (run INTEGER NOT NULL, step INTEGER NOT NULL, metric TEXT NOT NULL, value REAL) STRICT;
CREATE TABLE checkpoints (run INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT;
)";

/// Refuses directories that hold something else; makes the directory otherwise.
fs::path prepare(const fs::path &directory) {
    std::error_code error;
    fs::path file = directory / sweep_file_name;
    if (!fs::exists(file, error) && fs::exists(directory / trace_file_name, error))
        throw std::runtime_error(
            fmt::format("{}: it holds the trace of a profile; choose another --out directory", directory.string()));
    fs::create_directories(directory, error);
    if (error || !fs::is_directory(directory))
        throw std::runtime_error(fmt::format("{}: cannot create the output directory ({})", directory.string(),
                                             error ? error.message() : "something else has that name"));
    return file;
}

[[noreturn]] void refuse(const fs::path &directory, const std::string &name, const std::string &there,
                         const std::string &here) {
    const auto shown = [](const std::string &value) { return value.empty() ? std::string("not set") : value; };
    throw std::runtime_error(fmt::format("{}: it holds the sweep of another run ({}: {} there, {} here); choose "
                                         "another --out directory, or repeat that run's command to go on with it",
                                         directory.string(), name, shown(there), shown(here)));
}

} // namespace

struct SweepStore::Implementation {
    std::mutex mutex;
    Database database;

    Implementation(const fs::path &directory, const SweepIdentity &identity)
        : database(prepare(directory).string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                   directory / sweep_file_name) {
        sqlite3_busy_timeout(database.handle(), 500);
        first_read();
        const std::int64_t known = database.integer("PRAGMA application_id");
        const bool fresh = known == 0 && database.integer("SELECT count(*) FROM sqlite_schema") == 0;
        if (!fresh) check(known, directory, identity);
        // One program at a time: two would train the same runs.
        database.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                         "BEGIN EXCLUSIVE; COMMIT;");
        if (fresh) create(identity);
    }

    void first_read() {
        const int result =
            sqlite3_exec(database.handle(), "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr) & 0xff;
        const std::string file = database.file().string();
        if (result == SQLITE_BUSY)
            throw std::runtime_error(fmt::format("{}: another halfscope is training into it; wait for its end", file));
        if (result == SQLITE_NOTADB) throw std::runtime_error(fmt::format("{}: this is not a HalfScope sweep", file));
        if (result != SQLITE_OK) database.fail("cannot be read");
    }

    void check(std::int64_t known, const fs::path &directory, const SweepIdentity &identity) {
        if (known != application_id)
            throw std::runtime_error(fmt::format("{}: this is not a HalfScope sweep", database.file().string()));
        if (const std::int64_t found = database.integer("PRAGMA user_version"); found != version)
            throw std::runtime_error(fmt::format("{}: the sweep has schema version {}, this program reads version {}",
                                                 database.file().string(), found, version));
        std::map<std::string, std::string> stored;
        Statement select(database, "SELECT name, value FROM identity");
        while (select.next()) stored[select.text(0)] = select.text(1);
        for (const auto &[name, value] : identity)
            if (const auto there = stored.find(name); there == stored.end() || there->second != value)
                refuse(directory, name, there == stored.end() ? "" : there->second, value);
        for (const auto &[stored_name, value] : stored) {
            const std::string &name = stored_name;
            if (std::none_of(identity.begin(), identity.end(), [&](const auto &pair) { return pair.first == name; }))
                refuse(directory, name, value, "");
        }
    }

    void create(const SweepIdentity &identity) {
        Transaction transaction(database);
        database.execute(tables);
        Statement insert(database, "INSERT INTO identity VALUES (?,?)");
        for (const auto &[name, value] : identity) (insert << name << value).run();
        database.execute(
            fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};", application_id, version).c_str());
        transaction.commit();
    }

    std::int64_t id_of(const SweepKey &key, bool complete) {
        Statement select(database, "SELECT id FROM runs WHERE recipe = ? AND seed = ? AND complete = ?");
        select << key.recipe << key.seed << complete;
        const std::int64_t id = select.next() ? select.integer(0) : 0;
        return id;
    }

    SweepRun read(std::int64_t id, const SweepKey &key, bool complete) {
        SweepRun run{key, complete, {}, {}, {}};
        Statement facts(database, "SELECT stopped FROM runs WHERE id = ?");
        facts << id;
        if (facts.next()) run.stopped = facts.text(0);
        Statement steps(database, "SELECT step, loss, loss_scale, loss_scale_after, skipped, gradient_norm, "
                                  "learning_rate FROM steps WHERE run = ? ORDER BY step");
        steps << id;
        while (steps.next()) {
            Step step;
            step.step = steps.integer(0);
            step.loss = steps.real(1), step.loss_scale = steps.real(2), step.loss_scale_after = steps.real(3);
            step.skipped = steps.boolean(4);
            step.gradient_norm = steps.real(5), step.learning_rate = steps.real(6);
            run.steps.push_back(step);
        }
        Statement evaluations(database, "SELECT step, metric, value FROM evaluations WHERE run = ? ORDER BY rowid");
        evaluations << id;
        while (evaluations.next())
            run.evaluations.push_back({evaluations.integer(0), evaluations.text(1), evaluations.real(2)});
        return run;
    }

    /// Within a transaction.
    std::int64_t replace(const SweepRun &run) {
        for (const char *sql : {"DELETE FROM steps WHERE run = (SELECT id FROM runs WHERE recipe = ? AND seed = ?)",
                                "DELETE FROM evaluations WHERE run = (SELECT id FROM runs WHERE recipe = ? AND seed = "
                                "?)",
                                "DELETE FROM checkpoints WHERE run = (SELECT id FROM runs WHERE recipe = ? AND seed = "
                                "?)",
                                "DELETE FROM runs WHERE recipe = ? AND seed = ?"})
            (Statement(database, sql) << run.key.recipe << run.key.seed).run();
        Statement insert(database, "INSERT INTO runs (recipe, seed, complete, stopped) VALUES (?,?,?,?)");
        (insert << run.key.recipe << run.key.seed << run.complete << run.stopped).run();
        const std::int64_t id = sqlite3_last_insert_rowid(database.handle());
        Statement steps(database, "INSERT INTO steps VALUES (?,?,?,?,?,?,?,?)");
        for (const Step &step : run.steps)
            (steps << id << step.step << step.loss << step.loss_scale << step.loss_scale_after << step.skipped
                   << step.gradient_norm << step.learning_rate)
                .run();
        Statement evaluations(database, "INSERT INTO evaluations VALUES (?,?,?,?)");
        for (const Evaluation &evaluation : run.evaluations)
            (evaluations << id << evaluation.step << evaluation.metric << evaluation.value).run();
        return id;
    }
};

SweepStore::SweepStore(const fs::path &directory, const SweepIdentity &identity)
    : implementation_(std::make_unique<Implementation>(directory, identity)) {}

SweepStore::~SweepStore() = default;

std::optional<SweepRun> SweepStore::finished(const SweepKey &key) {
    const std::lock_guard lock(implementation_->mutex);
    const std::int64_t id = implementation_->id_of(key, true);
    if (id == 0) return std::nullopt;
    return implementation_->read(id, key, true);
}

std::optional<SweepCheckpoint> SweepStore::checkpoint(const SweepKey &key) {
    const std::lock_guard lock(implementation_->mutex);
    const std::int64_t id = implementation_->id_of(key, false);
    if (id == 0) return std::nullopt;
    Statement select(implementation_->database, "SELECT state FROM checkpoints WHERE run = ?");
    select << id;
    if (!select.next()) return std::nullopt;
    SweepCheckpoint found;
    const auto bytes = std::as_bytes(select.bytes(0));
    found.state.assign(bytes.begin(), bytes.end());
    found.run = implementation_->read(id, key, false);
    return found;
}

void SweepStore::save(const SweepRun &finished) {
    const std::lock_guard lock(implementation_->mutex);
    Transaction transaction(implementation_->database);
    (void)implementation_->replace(finished);
    transaction.commit();
}

void SweepStore::save(const SweepCheckpoint &checkpoint) {
    const std::lock_guard lock(implementation_->mutex);
    Transaction transaction(implementation_->database);
    const std::int64_t id = implementation_->replace(checkpoint.run);
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t *>(checkpoint.state.data()),
                                              checkpoint.state.size());
    (Statement(implementation_->database, "INSERT INTO checkpoints VALUES (?,?)") << id << bytes).run();
    transaction.commit();
}

} // namespace halfscope::trace
