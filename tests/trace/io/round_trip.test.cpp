#include "tests/trace/io/example_records.h"

#include "trace/io/histogram_blob.h"
#include "trace/io/reader.h"
#include "trace/io/schema_text.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <sstream>

using namespace halfscope;
using namespace halfscope::test;

TEST_CASE("the session comes back as written, and may be replaced") {
    const ScratchDirectory scratch;
    trace::Session session = example_session();
    {
        trace::Writer writer(scratch.path);
        writer.session(session);
        session.model = "second";
        session.notes = {"only one"};
        session.settings = {{"lr", "1"}};
        writer.session(session);
    }
    const trace::Session back = trace::Reader(scratch.path).session();
    CHECK(back.schema == "halfscope.trace/2");
    CHECK(back.halfscope_version == session.halfscope_version);
    CHECK(back.model == "second");
    CHECK(back.model_name == session.model_name);
    CHECK(back.data == session.data);
    CHECK(back.command == session.command);
    CHECK(back.parameters == session.parameters);
    CHECK(back.environment == session.environment);
    CHECK(back.settings == session.settings);
    CHECK(back.notes == session.notes);
}

TEST_CASE("runs and tensors come back as written") {
    const ScratchDirectory scratch;
    trace::Writer writer(scratch.path);
    writer.session(example_session());
    const auto tensors = example_tensors(9);
    std::vector<trace::RunId> ids;
    for (const auto kind : {trace::Run::Kind::reference, trace::Run::Kind::sibling, trace::Run::Kind::recipe}) {
        ids.push_back(writer.begin_run(example_run(kind)));
        writer.tensors(ids.back(), tensors);
    }
    writer.end_run(ids[1]);
    writer.evaluation(ids[2], {99, "accuracy", 0.875});
    writer.evaluation(ids[2], {99, "loss", not_a_number});

    const trace::Reader reader(scratch.path); // while the writer is still open
    const auto runs = reader.runs();
    REQUIRE(runs.size() == 3);
    CHECK(runs[0].run.kind == trace::Run::Kind::reference);
    CHECK(runs[1].run.kind == trace::Run::Kind::sibling);
    CHECK(runs[2].run.kind == trace::Run::Kind::recipe);
    CHECK_FALSE(runs[0].complete);
    CHECK(runs[1].complete);
    const trace::Run expected = example_run();
    for (std::size_t r = 0; r < runs.size(); ++r) {
        const trace::Run &run = runs[r].run;
        CHECK(run.id == ids[r]);
        CHECK(run.recipe == expected.recipe);
        CHECK(run.compute_format == expected.compute_format);
        CHECK(run.weight_format == expected.weight_format);
        CHECK(run.master_weights == expected.master_weights);
        CHECK(run.optimizer == expected.optimizer);
        CHECK(run.state_format == expected.state_format);
        CHECK(run.loss_scale_rule == expected.loss_scale_rule);
        CHECK(run.seed == expected.seed);
        CHECK(run.planned_steps == expected.planned_steps);
        CHECK(run.description == expected.description);
        CHECK(run.cost.has_value() == (run.kind == trace::Run::Kind::recipe));
        if (run.cost) {
            CHECK(run.cost->weight_bytes == expected.cost->weight_bytes);
            CHECK(run.cost->master_bytes == expected.cost->master_bytes);
            CHECK(run.cost->gradient_bytes == expected.cost->gradient_bytes);
            CHECK(run.cost->state_bytes == expected.cost->state_bytes);
            CHECK(run.cost->activation_bytes == expected.cost->activation_bytes);
            CHECK(run.cost->multiply_adds == expected.cost->multiply_adds);
            CHECK(run.cost->multiply_adds_16bit == expected.cost->multiply_adds_16bit);
        }
        REQUIRE(runs[r].tensors.size() == tensors.size());
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            const trace::TensorInfo &t = runs[r].tensors[i];
            CHECK(t.id == tensors[i].id);
            CHECK(t.name == tensors[i].name);
            CHECK(t.layer == tensors[i].layer);
            CHECK(t.role == tensors[i].role);
            CHECK(t.operation == tensors[i].operation);
            CHECK(t.policy == tensors[i].policy);
            CHECK(t.format == tensors[i].format);
            CHECK(t.shape == tensors[i].shape);
            CHECK(t.order == tensors[i].order);
            CHECK(t.backward == tensors[i].backward);
            CHECK(t.scaled == tensors[i].scaled);
        }
    }
    REQUIRE(runs[2].evaluations.size() == 2);
    CHECK(runs[2].evaluations[0].step == 99);
    CHECK(runs[2].evaluations[0].metric == "accuracy");
    CHECK(runs[2].evaluations[0].value == 0.875);
    CHECK(std::isnan(runs[2].evaluations[1].value));
    CHECK(runs[1].evaluations.empty());
}

TEST_CASE("steps, fidelity, events and statistics keep every bit, with inf, nan and -0") {
    const ScratchDirectory scratch;
    trace::Writer writer(scratch.path);
    const trace::RunId run = writer.begin_run(example_run());
    const auto tensors = example_tensors(5);
    writer.tensors(run, tensors);
    const std::vector<double> odd{0.0, -0.0, infinite, -infinite, not_a_number, 5.0, 1e-320, 0.1};
    for (std::size_t i = 0; i < odd.size(); ++i) {
        const auto at = [&](std::size_t k) { return odd[(i + k) % odd.size()]; };
        const auto n = static_cast<std::int64_t>(i);
        std::vector<trace::TensorStep> records;
        for (const auto &t : tensors)
            records.push_back({n, t.id, example_statistics(i * 10 + static_cast<std::size_t>(t.id))});
        const trace::Fidelity first{n,     "fc1", "fc1.weight", 10,    at(0), at(1), at(2),
                                    at(3), at(4), at(5),        at(6), at(7), at(0), at(1)};
        trace::Fidelity second = first;
        second.layer = "fc2";
        const trace::Event event{n, "first_inf", 4, "fc1", "matmul", i % 2 == 1, at(0), at(1), i % 3 == 1, "a * b"};
        writer.step(run, {n, at(0), at(1), at(2), i % 2 == 0, at(3), at(4), at(5), at(6)}, records,
                    std::vector{first, second}, std::vector{event, event},
                    std::vector{trace::Drift{n, "average", "fc1.weight", "fc1", "bf16", 7, 10, at(0), at(1), at(2)}});
    }

    const trace::Reader reader(scratch.path);
    const trace::StoredRun stored = reader.runs().at(0);
    REQUIRE(stored.steps.size() == odd.size());
    REQUIRE(stored.fidelity.size() == 2 * odd.size());
    REQUIRE(stored.events.size() == 2 * odd.size());
    REQUIRE(stored.drifts.size() == odd.size());
    for (std::size_t i = 0; i < odd.size(); ++i) {
        const auto at = [&](std::size_t k) { return odd[(i + k) % odd.size()]; };
        const auto n = static_cast<std::int64_t>(i);
        const trace::Step &s = stored.steps[i];
        CHECK(s.step == n);
        CHECK(same(s.loss, at(0)));
        CHECK(same(s.loss_scale, at(1)));
        CHECK(same(s.loss_scale_after, at(2)));
        CHECK(s.skipped == (i % 2 == 0));
        CHECK(same(s.gradient_norm, at(3)));
        CHECK(same(s.learning_rate, at(4)));
        CHECK(same(s.seconds, at(5)));
        CHECK(same(s.loss_in_fp32, at(6)));
        const trace::Drift &d = stored.drifts[i];
        CHECK(d.step == n);
        CHECK(d.kind + d.name + d.layer + d.format == "averagefc1.weightfc1bf16");
        CHECK(d.terms == 7);
        CHECK(d.elements == 10);
        CHECK(same(d.retained, at(0)));
        CHECK(same(d.distance, at(1)));
        CHECK(same(d.stuck, at(2)));
        for (std::size_t k = 0; k < 2; ++k) {
            const trace::Fidelity &f = stored.fidelity[2 * i + k];
            CHECK(f.step == n);
            CHECK(f.layer == (k ? "fc2" : "fc1"));
            CHECK(f.weight == "fc1.weight");
            CHECK(f.elements == 10);
            CHECK(same(f.cosine, at(0)));
            CHECK(same(f.norm_ratio, at(1)));
            CHECK(same(f.moved, at(2)));
            CHECK(same(f.reference_moved, at(3)));
            CHECK(same(f.gradient_cosine, at(4)));
            CHECK(same(f.gradient_norm_ratio, at(5)));
            CHECK(same(f.gradient_lost, at(6)));
            CHECK(same(f.update_dot, at(7)));
            CHECK(same(f.update_squares, at(0)));
            CHECK(same(f.reference_squares, at(1)));
            const trace::Event &e = stored.events[2 * i + k];
            CHECK(e.step == n);
            CHECK(e.kind == "first_inf");
            CHECK(e.tensor == 4);
            CHECK(e.layer == "fc1");
            CHECK(e.operation == "matmul");
            CHECK(e.backward == (i % 2 == 1));
            CHECK(same(e.input_amax, at(0)));
            CHECK(same(e.limit, at(1)));
            CHECK(e.scale_dependent == (i % 3 == 1));
            CHECK(e.detail == "a * b");
        }
    }
    std::size_t visited = 0;
    reader.for_each_tensor_step(run, [&](const trace::TensorStep &record) {
        // ordered by tensor, then step
        CHECK(record.tensor == tensors[visited / odd.size()].id);
        CHECK(record.step == static_cast<std::int64_t>(visited % odd.size()));
        const std::uint64_t seed =
            static_cast<std::uint64_t>(record.step) * 10 + static_cast<std::uint64_t>(record.tensor);
        CHECK(same(record.statistics, example_statistics(seed)));
        ++visited;
    });
    CHECK(visited == tensors.size() * odd.size());
    reader.for_each_tensor_step(run + 1, [&](const trace::TensorStep &) { FAIL("a run that does not exist"); });
}

TEST_CASE("a new trace replaces an old one") {
    const ScratchDirectory scratch;
    { trace::Writer(scratch.path / "deep" / "er").session(example_session()); }
    trace::Writer writer(scratch.path / "deep" / "er");
    CHECK(trace::Reader(scratch.path / "deep" / "er").session().model.empty());
}

TEST_CASE("a histogram takes few bytes and comes back exactly") {
    std::vector<std::uint8_t> blob;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const auto exponents = example_statistics(seed).exponents;
        trace::encode_histogram(exponents, blob);
        std::array<std::uint64_t, 256> back{};
        back.fill(7);
        trace::decode_histogram(blob, back);
        CHECK(back == exponents);
    }
    trace::encode_histogram(example_statistics(1).exponents, blob);
    CHECK(blob.size() <= 2 + 30 * 3); // 30 binades, counts below 2^21
    std::array<std::uint64_t, 256> largest{};
    largest.fill(std::numeric_limits<std::uint64_t>::max());
    trace::encode_histogram(largest, blob);
    std::array<std::uint64_t, 256> back{};
    trace::decode_histogram(blob, back);
    CHECK(back == largest);
}

TEST_CASE("a damaged histogram is refused, never read past its end") {
    std::vector<std::uint8_t> whole;
    trace::encode_histogram(example_statistics(1).exponents, whole);
    std::array<std::uint64_t, 256> back{};
    for (std::size_t length = 1; length < whole.size(); ++length) {
        // An exact-size copy, so that a sanitizer sees one byte too many.
        const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK_THROWS_AS(trace::decode_histogram(cut, back), std::runtime_error);
    }
    whole.push_back(0);
    CHECK_THROWS_AS(trace::decode_histogram(whole, back), std::runtime_error);
    CHECK_THROWS_AS(trace::decode_histogram(std::vector<std::uint8_t>{9, 8, 1}, back), std::runtime_error);
    CHECK_THROWS_AS(trace::decode_histogram(std::vector<std::uint8_t>(13, 0xff), back), std::runtime_error);
}

TEST_CASE("the tables are made by the schema file people read") {
    std::ifstream file(HALFSCOPE_SCHEMA_SQL);
    REQUIRE(file);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    CHECK(text == trace::schema_sql);
}
