// What a format and a loss scale would lose, from the twin's trace, against rounding the values themselves.
#include "analysis/statistics/storage_outlook.h"
#include "tests/analysis/trace_builder.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::test;
using number::FormatId;

namespace {

std::size_t zeros_when_stored(const std::vector<float> &values, double scale, FormatId format) {
    std::size_t zeros = 0;
    for (const float v : values)
        zeros += number::round_to_16bit(static_cast<float>(double{v} * scale), format) % 0x8000 == 0;
    return zeros;
}

/// fc1's gradients are tiny, fc2's are large, and h is an activation.
analysis::RunRanges traced_twin(TraceBuilder &builder, double small, double large, double activations) {
    builder.twin(10);
    builder.tensor("fc1.out", activation("fc1", "matmul", "fp32"));
    builder.tensor("fc2.out:grad", gradient("fc2", "fp32"));
    builder.tensor("fc1.out:grad", gradient("fc1", "fp32"));
    builder.tensor("fc1.weight.v", optimizer_state("fc1", "fp32"));
    for (int t = 0; t < 10; ++t) {
        builder.put("fc1.out", normal_values(200, activations, 1));
        builder.put("fc2.out:grad", normal_values(200, large, 2));
        builder.put("fc1.out:grad", normal_values(200, small, 3));
        builder.put("fc1.weight.v", normal_values(200, 1e-12, 4));
        builder.step(learning_curve(t));
    }
    builder.end();
    return builder.ranges();
}

const analysis::LayerOutlook &layer(const analysis::StorageOutlook &outlook, const std::string &name) {
    for (const auto &l : outlook.layers)
        if (l.name == name) return l;
    throw std::logic_error("no layer " + name);
}

const number::Format &fp16 = number::format_of(FormatId::fp16);

} // namespace

TEST_CASE(
    "underflow is what rounding the values makes of it, but for the binade of the threshold, and a scale cures it") {
    TraceBuilder builder;
    const double small = std::ldexp(1.0, -25);
    const auto ranges = traced_twin(builder, small, 1e-3, 1);
    const auto unscaled = analysis::storage_outlook(ranges, fp16, 1);
    CHECK(unscaled.matters());
    CHECK(unscaled.layers[0].name == "fc1");
    CHECK(layer(unscaled, "fc1").gradient_underflows ==
          10 * zeros_when_stored(normal_values(200, small, 3), 1, FormatId::fp16));
    CHECK_FALSE(layer(unscaled, "fc2").matters);
    const auto scaled = analysis::storage_outlook(ranges, fp16, 1024);
    CHECK_FALSE(scaled.matters()); // the optimizer state is lost, and does not count
    CHECK_FALSE(analysis::storage_outlook(ranges, number::format_of(FormatId::bf16), 1).matters());
}

TEST_CASE("an overflow of the forward pass or of the scaled gradients matters, at the exact limit") {
    TraceBuilder builder;
    const auto ranges =
        traced_twin(builder, 1e-3, 10, 20000); // 200 values of N(0, 20000^2) reach past 3.3 deviations or not
    double amax = 0;
    for (const float v : normal_values(200, 20000, 1)) amax = std::max(amax, std::abs(double{v}));
    CHECK(layer(analysis::storage_outlook(ranges, fp16, 1), "fc1").matters == (amax >= 65520));
    double gradient_amax = 0;
    for (const float v : normal_values(200, 10, 2)) gradient_amax = std::max(gradient_amax, std::abs(double{v}));
    const double limit = 65520 / gradient_amax; // no power of two
    CHECK(layer(analysis::storage_outlook(ranges, fp16, limit * 1.001), "fc2").matters);
    CHECK_FALSE(layer(analysis::storage_outlook(ranges, fp16, limit * 0.999), "fc2").matters);
}

TEST_CASE("two layers further apart than the format: no scale fits, and it says by how much") {
    TraceBuilder builder;
    const auto ranges = traced_twin(builder, std::ldexp(1.0, -35), std::ldexp(1.0, 12), 1);
    const auto outlook = analysis::storage_outlook(ranges, fp16, 1024);
    CHECK_FALSE(outlook.windows.model.fits());
    CHECK(contains(outlook.windows.sentence, "No loss scale fits"));
    CHECK(contains(outlook.windows.sentence, "`fc1`"));
    CHECK(outlook.matters());
}

TEST_CASE("a mask's constant may overflow") {
    TraceBuilder builder;
    builder.twin(4);
    builder.tensor("masked", activation("attention", "where", "fp32"));
    builder.tensor("softmax", activation("attention", "softmax", "fp32"));
    for (int t = 0; t < 4; ++t) {
        builder.put("masked", {-1e9F, 1, -1e9F});
        builder.put("softmax", {0, 1, 0});
        builder.step(1);
    }
    builder.end();
    const auto ranges = builder.ranges();
    const auto outlook = analysis::storage_outlook(ranges, fp16, 1);
    CHECK_FALSE(outlook.matters());
    CHECK(outlook.layers[0].tensors[0].mask);
    const auto layers = analysis::summarize_layers(ranges, nullptr); // what the report's page counts by
    CHECK(layers[0].tensors[0].mask);
    CHECK_FALSE(layers[0].tensors[1].mask);
}
