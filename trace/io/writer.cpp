#include "trace/io/writer.h"

#include "trace/io/database.h"
#include "trace/io/histogram_blob.h"
#include "trace/io/run_kind.h"
#include "trace/io/schema_text.h"

#include <fmt/format.h>

#include <stdexcept>
#include <system_error>

namespace halfscope::trace {

namespace {

std::string join_shape(const std::vector<std::int64_t> &shape) {
    std::string text;
    for (const std::int64_t extent : shape) {
        if (!text.empty()) text += 'x';
        text += std::to_string(extent);
    }
    return text;
}

/// Makes room for a new trace; the old one's journal must go with it, or SQLite would replay it into the new file.
std::filesystem::path prepare(const std::filesystem::path &directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error || !std::filesystem::is_directory(directory))
        throw std::runtime_error(fmt::format("{}: cannot create the output directory ({})", directory.string(),
                                             error ? error.message() : "something else has that name"));
    std::filesystem::path file = directory / trace_file_name;
    for (const char *suffix : {"", "-wal", "-shm", "-journal"}) {
        std::filesystem::path old = file;
        old += suffix;
        std::filesystem::remove(old, error);
        if (error)
            throw std::runtime_error(
                fmt::format("{}: cannot replace the earlier trace ({})", old.string(), error.message()));
    }
    return file;
}

constexpr int create_flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

} // namespace

struct Writer::Implementation {
    explicit Implementation(const std::filesystem::path &file) : database(file.string(), create_flags, file) {
        // WAL with synchronous=NORMAL survives the death of the process at any moment; only a power cut may cost the
        // last steps, never the file.
        // A checkpoint syncs the disk: every 16 MiB of journal instead of SQLite's 4.
        database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000;");
        Transaction transaction(database);
        database.execute(schema_sql);
        transaction.commit();
        insert_step.emplace(database, "INSERT INTO steps VALUES (?,?,?,?,?,?,?,?,?,?)");
        insert_tensor_step.emplace(database, "INSERT INTO tensor_steps VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
        insert_fidelity.emplace(database, "INSERT INTO fidelity VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
        insert_event.emplace(database, "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?)");
        insert_drift.emplace(database, "INSERT INTO drifts VALUES (?,?,?,?,?,?,?,?,?,?,?,?)");
    }

    void put(RunId run, const TensorStep &record) {
        const number::RangeStatistics &s = record.statistics;
        encode_histogram(s.exponents, blob);
        *insert_tensor_step << run << record.step << record.tensor << s.count << s.zeros << s.subnormals << s.underflows
                            << s.overflows << s.infinities << s.nans << s.amax << s.amin << s.sum << s.sum_abs
                            << s.sum_squares << s.sum_squared_error << s.sum_magnitude_error
                            << std::span<const std::uint8_t>(blob);
        insert_tensor_step->run();
    }

    void put(RunId run, std::int64_t position, const Fidelity &f) {
        *insert_fidelity << run << f.step << position << f.layer << f.weight << f.elements << f.cosine << f.norm_ratio
                         << f.moved << f.reference_moved << f.gradient_cosine << f.gradient_norm_ratio
                         << f.gradient_lost << f.update_dot << f.update_squares << f.reference_squares;
        insert_fidelity->run();
    }

    void put(RunId run, std::int64_t position, const Event &e) {
        *insert_event << run << e.step << position << e.kind << e.tensor << e.layer << e.operation << e.backward
                      << e.input_amax << e.limit << e.scale_dependent << e.detail;
        insert_event->run();
    }

    void put(RunId run, std::int64_t position, const Drift &d) {
        *insert_drift << run << d.step << position << d.kind << d.name << d.layer << d.format << d.terms << d.elements
                      << d.retained << d.distance << d.stuck;
        insert_drift->run();
    }

    Database database;
    std::optional<Statement> insert_step, insert_tensor_step, insert_fidelity, insert_event, insert_drift;
    std::vector<std::uint8_t> blob;
};

Writer::Writer(const std::filesystem::path &directory)
    : implementation_(std::make_unique<Implementation>(prepare(directory))) {}

Writer::~Writer() = default;

void Writer::session(const Session &session) {
    Database &database = implementation_->database;
    Transaction transaction(database);
    database.execute("DELETE FROM session; DELETE FROM environment; DELETE FROM settings; DELETE FROM notes;");
    Statement fact(database, "INSERT INTO session VALUES (?,?)");
    const auto put = [&](std::string_view key, const auto &value) {
        fact << key << value;
        fact.run();
    };
    put("schema", session.schema);
    put("halfscope_version", session.halfscope_version);
    put("model", session.model);
    put("model_name", session.model_name);
    put("data", session.data);
    put("command", session.command);
    put("parameters", session.parameters);
    const auto put_map = [&](std::string_view sql, const std::map<std::string, std::string> &values) {
        Statement row(database, sql);
        for (const auto &[key, value] : values) {
            row << key << value;
            row.run();
        }
    };
    put_map("INSERT INTO environment VALUES (?,?)", session.environment);
    put_map("INSERT INTO settings VALUES (?,?)", session.settings);
    Statement note(database, "INSERT INTO notes VALUES (?,?)");
    for (std::size_t i = 0; i < session.notes.size(); ++i) {
        note << static_cast<std::int64_t>(i) << session.notes[i];
        note.run();
    }
    transaction.commit();
}

RunId Writer::begin_run(const Run &run) {
    Database &database = implementation_->database;
    Transaction transaction(database);
    Statement row(database,
                  "INSERT INTO runs (kind, recipe, compute_format, weight_format, master_weights, optimizer, "
                  "state_format, loss_scale_rule, seed, planned_steps, description) VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    row << name_of(run.kind) << run.recipe << run.compute_format << run.weight_format << run.master_weights
        << run.optimizer << run.state_format << run.loss_scale_rule << run.seed << run.planned_steps << run.description;
    row.run();
    const RunId id = sqlite3_last_insert_rowid(database.handle());
    if (run.cost) {
        Statement cost(database, "INSERT INTO step_costs VALUES (?,?,?,?,?,?,?,?)");
        cost << id << run.cost->weight_bytes << run.cost->master_bytes << run.cost->gradient_bytes
             << run.cost->state_bytes << run.cost->activation_bytes << run.cost->multiply_adds
             << run.cost->multiply_adds_16bit;
        cost.run();
    }
    transaction.commit();
    return id;
}

void Writer::tensors(RunId run, std::span<const TensorInfo> tensors) {
    Database &database = implementation_->database;
    Transaction transaction(database);
    Statement row(database, "INSERT INTO tensors VALUES (?,?,?,?,?,?,?,?,?,?,?,?)");
    for (const TensorInfo &t : tensors) {
        const std::string shape = join_shape(t.shape);
        row << run << t.id << t.name << t.layer << t.role << t.operation << t.policy << t.format << shape << t.order
            << t.backward << t.scaled;
        row.run();
    }
    transaction.commit();
}

void Writer::step(RunId run, const Step &step, std::span<const TensorStep> tensors, std::span<const Fidelity> fidelity,
                  std::span<const Event> events, std::span<const Drift> drifts) {
    Implementation &to = *implementation_;
    Transaction transaction(to.database);
    for (const TensorStep &record : tensors) to.put(run, record);
    for (std::size_t i = 0; i < fidelity.size(); ++i) to.put(run, static_cast<std::int64_t>(i), fidelity[i]);
    for (std::size_t i = 0; i < events.size(); ++i) to.put(run, static_cast<std::int64_t>(i), events[i]);
    for (std::size_t i = 0; i < drifts.size(); ++i) to.put(run, static_cast<std::int64_t>(i), drifts[i]);
    *to.insert_step << run << step.step << step.loss << step.loss_scale << step.loss_scale_after << step.skipped
                    << step.gradient_norm << step.learning_rate << step.seconds << step.loss_in_fp32;
    to.insert_step->run();
    transaction.commit();
}

void Writer::evaluation(RunId run, const Evaluation &evaluation) {
    Statement row(implementation_->database, "INSERT INTO evaluations (run, step, metric, value) VALUES (?,?,?,?)");
    row << run << evaluation.step << evaluation.metric << evaluation.value;
    row.run();
}

void Writer::end_run(RunId run) {
    Statement row(implementation_->database, "UPDATE runs SET complete = 1 WHERE id = ?");
    row << run;
    row.run();
}

} // namespace halfscope::trace
