#include "trace/io/reader.h"

#include "trace/io/database.h"
#include "trace/io/histogram_blob.h"
#include "trace/io/run_kind.h"
#include "trace/io/schema_text.h"
#include "trace/io/stored_file.h"

#include <charconv>
#include <stdexcept>

namespace halfscope::trace {

namespace {

std::vector<std::int64_t> split_shape(const Database &database, const std::string &text) {
    std::vector<std::int64_t> shape;
    const char *at = text.data();
    const char *const end = at + text.size();
    while (at < end) {
        std::int64_t extent = 0;
        const auto [stop, error] = std::from_chars(at, end, extent);
        if (error != std::errc() || (stop != end && *stop != 'x'))
            database.complain("the trace is damaged", "a tensor's shape is '" + text + "'");
        shape.push_back(extent);
        at = stop == end ? end : stop + 1;
    }
    return shape;
}

std::vector<TensorInfo> read_tensors(Database &database, RunId run) {
    Statement row(database, "SELECT id, name, layer, role, operation, policy, format, shape, execution_order, "
                            "backward, scaled FROM tensors WHERE run = ? ORDER BY id");
    row << run;
    std::vector<TensorInfo> tensors;
    while (row.next()) {
        TensorInfo t;
        t.id = row.integer(0);
        t.name = row.text(1);
        t.layer = row.text(2);
        t.role = row.text(3);
        t.operation = row.text(4);
        t.policy = row.text(5);
        t.format = row.text(6);
        t.shape = split_shape(database, row.text(7));
        t.order = row.integer(8);
        t.backward = row.boolean(9);
        t.scaled = row.boolean(10);
        tensors.push_back(std::move(t));
    }
    return tensors;
}

std::vector<Step> read_steps(Database &database, RunId run) {
    Statement row(database, "SELECT step, loss, loss_scale, loss_scale_after, skipped, gradient_norm, learning_rate, "
                            "seconds, loss_in_fp32 FROM steps WHERE run = ? ORDER BY step");
    row << run;
    std::vector<Step> steps;
    while (row.next())
        steps.push_back({row.integer(0), row.real(1), row.real(2), row.real(3), row.boolean(4), row.real(5),
                         row.real(6), row.real(7), row.real(8)});
    return steps;
}

std::vector<Fidelity> read_fidelity(Database &database, RunId run) {
    Statement row(database, "SELECT step, layer, weight, elements, cosine, norm_ratio, moved, reference_moved, "
                            "gradient_cosine, gradient_norm_ratio, gradient_lost, update_dot, update_squares, "
                            "reference_squares FROM fidelity WHERE run = ? ORDER BY step, position");
    row << run;
    std::vector<Fidelity> fidelity;
    while (row.next()) {
        Fidelity f;
        f.step = row.integer(0);
        f.layer = row.text(1);
        f.weight = row.text(2);
        f.elements = row.integer(3);
        f.cosine = row.real(4);
        f.norm_ratio = row.real(5);
        f.moved = row.real(6);
        f.reference_moved = row.real(7);
        f.gradient_cosine = row.real(8);
        f.gradient_norm_ratio = row.real(9);
        f.gradient_lost = row.real(10);
        f.update_dot = row.real(11);
        f.update_squares = row.real(12);
        f.reference_squares = row.real(13);
        fidelity.push_back(std::move(f));
    }
    return fidelity;
}

std::vector<Event> read_events(Database &database, RunId run) {
    Statement row(database, "SELECT step, kind, tensor, layer, operation, backward, input_amax, value_limit, "
                            "scale_dependent, detail FROM events WHERE run = ? ORDER BY step, position");
    row << run;
    std::vector<Event> events;
    while (row.next()) {
        Event e;
        e.step = row.integer(0);
        e.kind = row.text(1);
        e.tensor = row.integer(2);
        e.layer = row.text(3);
        e.operation = row.text(4);
        e.backward = row.boolean(5);
        e.input_amax = row.real(6);
        e.limit = row.real(7);
        e.scale_dependent = row.boolean(8);
        e.detail = row.text(9);
        events.push_back(std::move(e));
    }
    return events;
}

bool has_table(Database &database, std::string_view name) {
    Statement row(database, "SELECT 1 FROM sqlite_master WHERE name = ?");
    row << name;
    return row.next();
}

std::vector<Drift> read_drifts(Database &database, RunId run) {
    // Traces written before the table existed have none.
    if (!has_table(database, "drifts")) return {};
    Statement row(database, "SELECT step, kind, name, layer, format, terms, elements, retained, distance, stuck FROM "
                            "drifts WHERE run = ? ORDER BY step, position");
    row << run;
    std::vector<Drift> drifts;
    while (row.next())
        drifts.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4), row.integer(5),
                          row.integer(6), row.real(7), row.real(8), row.real(9)});
    return drifts;
}

std::vector<Evaluation> read_evaluations(Database &database, RunId run) {
    Statement row(database, "SELECT step, metric, value FROM evaluations WHERE run = ? ORDER BY id");
    row << run;
    std::vector<Evaluation> evaluations;
    while (row.next()) evaluations.push_back({row.integer(0), row.text(1), row.real(2)});
    return evaluations;
}

std::optional<StepCost> read_cost(Database &database, RunId run) {
    if (!has_table(database, "step_costs")) return std::nullopt; // as above
    Statement row(database, "SELECT weight_bytes, master_bytes, gradient_bytes, state_bytes, activation_bytes, "
                            "multiply_adds, multiply_adds_16bit FROM step_costs WHERE run = ?");
    row << run;
    if (!row.next()) return std::nullopt;
    return StepCost{row.integer(0), row.integer(1), row.integer(2), row.integer(3),
                    row.integer(4), row.integer(5), row.integer(6)};
}

Run read_run(const Statement &row) {
    Run run;
    run.id = row.integer(0);
    run.kind = run_kind_from(row.text(1));
    run.recipe = row.text(2);
    run.compute_format = row.text(3);
    run.weight_format = row.text(4);
    run.master_weights = row.boolean(5);
    run.optimizer = row.text(6);
    run.state_format = row.text(7);
    run.loss_scale_rule = row.text(8);
    run.seed = static_cast<std::uint64_t>(row.integer(9));
    run.planned_steps = row.integer(10);
    run.description = row.text(11);
    return run;
}

} // namespace

struct Reader::Implementation {
    explicit Implementation(const std::filesystem::path &directory) : file(directory) {}
    [[nodiscard]] Database &database() { return file.database(); }

    StoredFile file;
};

Reader::Reader(const std::filesystem::path &directory) : implementation_(std::make_unique<Implementation>(directory)) {}

Reader::~Reader() = default;

Session Reader::session() const {
    Database &database = implementation_->database();
    Session session;
    Statement fact(database, "SELECT value FROM session WHERE key = ?");
    const auto find = [&](std::string_view key) -> bool {
        fact.rewind();
        fact << key;
        return fact.next();
    };
    const auto text = [&](std::string_view key, std::string &field) {
        if (find(key)) field = fact.text(0);
    };
    text("schema", session.schema);
    text("halfscope_version", session.halfscope_version);
    text("model", session.model);
    text("model_name", session.model_name);
    text("data", session.data);
    text("command", session.command);
    if (find("parameters")) session.parameters = fact.integer(0);
    const auto read_map = [&](std::string_view sql, std::map<std::string, std::string> &values) {
        Statement row(database, sql);
        while (row.next()) values.emplace(row.text(0), row.text(1));
    };
    read_map("SELECT key, value FROM environment", session.environment);
    read_map("SELECT key, value FROM settings", session.settings);
    Statement note(database, "SELECT note FROM notes ORDER BY position");
    while (note.next()) session.notes.push_back(note.text(0));
    return session;
}

std::vector<StoredRun> Reader::runs() const {
    Database &database = implementation_->database();
    std::vector<StoredRun> runs;
    {
        Statement row(database, "SELECT id, kind, recipe, compute_format, weight_format, master_weights, optimizer, "
                                "state_format, loss_scale_rule, seed, planned_steps, description, complete "
                                "FROM runs ORDER BY id");
        while (row.next()) {
            StoredRun stored;
            stored.run = read_run(row);
            stored.complete = row.boolean(12);
            runs.push_back(std::move(stored));
        }
    }
    for (StoredRun &stored : runs) {
        stored.run.cost = read_cost(database, stored.run.id);
        stored.tensors = read_tensors(database, stored.run.id);
        stored.steps = read_steps(database, stored.run.id);
        stored.fidelity = read_fidelity(database, stored.run.id);
        stored.drifts = read_drifts(database, stored.run.id);
        stored.events = read_events(database, stored.run.id);
        stored.evaluations = read_evaluations(database, stored.run.id);
    }
    return runs;
}

void Reader::for_each_tensor_step(RunId run, const std::function<void(const TensorStep &)> &visit) const {
    Database &database = implementation_->database();
    Statement row(
        database,
        "SELECT tensor, step, count, zeros, subnormals, underflows, overflows, infinities, nans, amax, amin, "
        "sum, sum_abs, sum_squares, sum_squared_error, sum_magnitude_error, exponents FROM tensor_steps WHERE run = ? "
        "ORDER BY tensor, step");
    row << run;
    const auto count = [&](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
    TensorStep record;
    while (row.next()) {
        record.tensor = row.integer(0);
        record.step = row.integer(1);
        number::RangeStatistics &s = record.statistics;
        s.count = count(2);
        s.zeros = count(3);
        s.subnormals = count(4);
        s.underflows = count(5);
        s.overflows = count(6);
        s.infinities = count(7);
        s.nans = count(8);
        s.amax = static_cast<float>(row.real(9));
        s.amin = static_cast<float>(row.real(10));
        s.sum = row.real(11);
        s.sum_abs = row.real(12);
        s.sum_squares = row.real(13);
        s.sum_squared_error = row.real(14);
        s.sum_magnitude_error = row.real(15);
        try {
            decode_histogram(row.bytes(16), s.exponents);
        } catch (const std::runtime_error &error) {
            database.complain("the trace is damaged", error.what());
        }
        visit(record);
    }
}

} // namespace halfscope::trace
