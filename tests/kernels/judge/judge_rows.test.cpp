// Sums, softmax, layer norms and roundings made by plain loops, and changed in known ways.
#include "tests/kernels/judge/product_cases.h"

#include "kernels/judge/compare.h"
#include "kernels/judge/judge_rows.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace halfscope;
using namespace halfscope::test;
using namespace halfscope::kernels::judge;

namespace {

RowInputs rows(RowTask task, DType dtype, const Shape &shape, double mean = 0) {
    RowInputs inputs;
    inputs.task = task;
    inputs.x = normal_tensor(dtype, shape, 3, 1, mean);
    return inputs;
}

Judgement judged_rows(const RowInputs &inputs, HostTensor tested, std::string_view model) {
    ops::ThreadPool threads(1);
    return judge_rows(inputs, tested.view(), model, threads);
}

HostTensor by(const RowInputs &inputs, std::string_view model, DType storage = DType::fp32) {
    ops::ThreadPool threads(1);
    return rounded_to(compute(row_model_named(inputs.task, model), inputs, threads), storage);
}

/// In long double, rounded to float: an oracle that knows nothing of orders.
HostTensor long_double_softmax(const RowInputs &inputs) {
    const auto x = values(inputs.x);
    const auto n = static_cast<std::size_t>(inputs.length());
    HostTensor result(DType::fp32, inputs.x.shape);
    for (std::size_t first = 0; first < x.size(); first += n) {
        long double sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<long double>(x[first + i]));
        for (std::size_t i = 0; i < n; ++i)
            result.as<float>()[first + i] = static_cast<float>(std::exp(static_cast<long double>(x[first + i])) / sum);
    }
    return result;
}

HostTensor long_double_layer_norm(const RowInputs &inputs) {
    const auto x = values(inputs.x);
    const auto n = static_cast<std::size_t>(inputs.length());
    HostTensor result(DType::fp32, inputs.x.shape);
    for (std::size_t first = 0; first < x.size(); first += n) {
        long double mean = 0, variance = 0;
        for (std::size_t i = 0; i < n; ++i) mean += static_cast<long double>(x[first + i]);
        mean /= static_cast<long double>(n);
        for (std::size_t i = 0; i < n; ++i)
            variance +=
                (static_cast<long double>(x[first + i]) - mean) * (static_cast<long double>(x[first + i]) - mean);
        variance /= static_cast<long double>(n);
        for (std::size_t i = 0; i < n; ++i)
            result.as<float>()[first + i] =
                static_cast<float>((static_cast<long double>(x[first + i]) - mean) /
                                   std::sqrt(variance + static_cast<long double>(static_cast<float>(inputs.epsilon))));
    }
    return result;
}

} // namespace

TEST_CASE("the models named fp32 and tree are the operations of the emulator") {
    RowInputs inputs = rows(RowTask::softmax, DType::fp16, {5, 300});
    ops::Operation operation{ops::OpKind::softmax, ops::Axis{1}, {}};
    HostTensor softmax = run(operation, {inputs.x}, {{DType::fp32, {5, 300}}}).outputs[0];
    CHECK(by(inputs, "fp32").bytes == softmax.bytes);
    inputs.task = RowTask::layer_norm;
    inputs.gamma = normal_tensor(DType::fp32, {300}, 5);
    inputs.beta = normal_tensor(DType::fp32, {300}, 6);
    ops::Normalization attributes;
    attributes.axis = 1;
    operation = {ops::OpKind::layer_norm, attributes, {}};
    HostTensor norm = run(operation, {inputs.x, *inputs.gamma, *inputs.beta}, {{DType::fp32, {5, 300}}}).outputs[0];
    CHECK(by(inputs, "fp32").bytes == norm.bytes);
    inputs.task = RowTask::sum;
    ops::Reduction reduction;
    reduction.axes = {1};
    operation = {ops::OpKind::reduce_sum, reduction, {}};
    HostTensor sum = run(operation, {inputs.x}, {{DType::fp32, {5}}}).outputs[0];
    CHECK(by(inputs, "tree").bytes == sum.bytes);
}

TEST_CASE("orders of a sum are named, and a dropped element is a bug") {
    const RowInputs inputs = rows(RowTask::sum, DType::fp32, {12, 1000});
    const auto x = values(inputs.x);
    HostTensor loop(DType::fp32, {12});
    for (std::size_t r = 0; r < 12; ++r) {
        float total = 0;
        for (std::size_t i = 0; i < 1000; ++i) total += static_cast<float>(x[r * 1000 + i]);
        loop.as<float>()[r] = total;
    }
    CHECK(judged_rows(inputs, loop, "sequential").verdict == Verdict::bit_equal);
    const auto order = judged_rows(inputs, loop, "tree");
    CHECK(order.verdict == Verdict::different_order);
    CHECK(order.identified == "sequential");
    HostTensor wrong = loop;
    wrong.as<float>()[7] -= static_cast<float>(x[7 * 1000 + 999]);
    const auto bug = judged_rows(inputs, wrong, "tree");
    CHECK(bug.verdict == Verdict::real_bug);
    CHECK(bug.errors->beyond_bound == 1);
    CHECK(bug.worst_error->index == 7);
    CHECK(judged_rows(inputs, by(inputs, "sequential-bf16"), "tree").verdict == Verdict::extra_rounding);
    // Rounding the result to fp16 is an extra rounding when it is stored in fp32.
    const HostTensor through = rounded_to(loop, DType::fp32, number::FormatId::fp16);
    CHECK(judged_rows(inputs, through, "tree").verdict == Verdict::extra_rounding);
}

TEST_CASE("softmax and layer norm of long doubles are within the bound, wrong ones are not") {
    for (const double mean : {0.0, 20.0}) {
        const RowInputs softmax = rows(RowTask::softmax, DType::fp16, {6, 200}, mean);
        const auto right = judged_rows(softmax, long_double_softmax(softmax), "fp32");
        CHECK(right.verdict == Verdict::different_order);
        CHECK(right.errors->worst_ulp <= 0.51); // one rounding of the long double's value, which is exact enough
        HostTensor wrong = long_double_softmax(softmax);
        wrong.as<float>()[77] *= 1.001F;
        CHECK(judged_rows(softmax, wrong, "fp32").verdict == Verdict::real_bug);

        RowInputs norm = rows(RowTask::layer_norm, DType::fp16, {6, 200}, mean);
        const auto fine = judged_rows(norm, long_double_layer_norm(norm), "fp32");
        CHECK(fine.verdict == Verdict::different_order);
        CHECK(fine.errors->worst_ulp <= 0.51);
        RowInputs other = norm;
        other.epsilon = 1e-3;
        const auto epsilon = judged_rows(norm, long_double_layer_norm(other), "fp32");
        CHECK(epsilon.verdict == Verdict::real_bug);
        REQUIRE(!epsilon.evidence.empty());
        CHECK(epsilon.evidence[0].find("epsilon 0.001") != std::string::npos);
    }
}

TEST_CASE("fast exponentials and plain loops are right kernels") {
    // exp(d) as 2^(d log2 e), the product rounded: its error grows with |d|.
    RowInputs softmax = rows(RowTask::softmax, DType::fp32, {200, 3});
    for (float &value : softmax.x.as<float>()) value *= 40;
    HostTensor fast(DType::fp32, softmax.x.shape);
    for (std::size_t first = 0; first < 600; first += 3) {
        const auto x = softmax.x.as<float>().subspan(first, 3);
        const float largest = std::max({x[0], x[1], x[2]});
        std::array<float, 3> e{};
        for (std::size_t i = 0; i < 3; ++i) e[i] = std::exp2((x[i] - largest) * 1.44269504F);
        const float sum = (e[0] + e[1]) + e[2];
        for (std::size_t i = 0; i < 3; ++i) fast.as<float>()[first + i] = e[i] / sum;
    }
    const auto exponent = judged_rows(softmax, fast, "fp32");
    CHECK(exponent.verdict == Verdict::different_order);
    CHECK(exponent.errors->worst_of_bound > 0.1);
    // Long rows of one sign, added in order: the variance's error is what the bound grows for.
    RowInputs norm = rows(RowTask::layer_norm, DType::fp32, {3, 20000}, 5);
    HostTensor plain(DType::fp32, norm.x.shape);
    for (std::size_t first = 0; first < 60000; first += 20000) {
        const auto x = norm.x.as<float>().subspan(first, 20000);
        float sum = 0, squares = 0;
        for (const float value : x) sum += value;
        const float mean = sum / 20000;
        for (const float value : x) squares += (value - mean) * (value - mean);
        const float rstd = 1 / std::sqrt(squares / 20000 + 1e-5F);
        for (std::size_t i = 0; i < 20000; ++i) plain.as<float>()[first + i] = (x[i] - mean) * rstd;
    }
    CHECK(judged_rows(norm, plain, "fp32").verdict == Verdict::different_order);
}

TEST_CASE("every model of softmax and layer norm in fp32 is within the bound") {
    ops::ThreadPool threads(1);
    for (const RowModel &model : row_models()) {
        if (model.task == RowTask::sum || model.name == "one-pass" || model.name.ends_with("16")) continue;
        const RowInputs inputs = rows(model.task, DType::bf16, {4, 500}, 3);
        CAPTURE(model.name);
        CHECK(is_pass(judged_rows(inputs, by(inputs, model.name), "fp32").verdict));
    }
    // One pass loses what the mean's square is larger than the variance.
    RowInputs far = rows(RowTask::layer_norm, DType::fp32, {4, 500}, 3000);
    const auto one_pass = judged_rows(far, by(far, "one-pass"), "fp32");
    CHECK(one_pass.identified == "one-pass");
    CHECK(one_pass.verdict == Verdict::real_bug);
    CHECK(one_pass.errors->beyond_bound > 0);
}

TEST_CASE("roundings are told apart") {
    const HostTensor x = normal_tensor(DType::fp32, {4000}, 8, 1e-3);
    const auto rule = [](number::Rounding rounding, bool flush = false) {
        RoundingRule r;
        r.mode.rounding = rounding;
        r.mode.flush_subnormals = flush;
        return r;
    };
    const auto judged_rounding = [&](HostTensor tested, const RoundingRule &asked) {
        ops::ThreadPool threads(1);
        return judge_rounding(x, tested.view(), asked, threads);
    };
    const RoundingRule nearest = rule(number::Rounding::nearest_even);
    CHECK(judged_rounding(rounded_by(nearest, x), nearest).verdict == Verdict::bit_equal);
    const auto cut = judged_rounding(rounded_by(rule(number::Rounding::toward_zero), x), nearest);
    CHECK(cut.verdict == Verdict::extra_rounding);
    CHECK(cut.identified == "toward-zero");
    const auto flushed = judged_rounding(rounded_by(rule(number::Rounding::nearest_even, true), x), nearest);
    CHECK(flushed.identified == "nearest-even, subnormals flushed");
    HostTensor wrong = rounded_by(nearest, x);
    wrong.as<std::uint16_t>()[5] += 3;
    const auto bug = judged_rounding(wrong, nearest);
    CHECK(bug.verdict == Verdict::real_bug);
    CHECK(bug.worst->index == 5);
    CHECK(bug.worst_ulp == 3);
}
