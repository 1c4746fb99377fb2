// produce, store, leave_block and measure: the same bits and statistics as one round_array over the whole tensor.
#include "emulation/ops/kernel_call.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

namespace halfscope::ops {
namespace {

std::vector<float> values_of(std::int64_t count) {
    std::mt19937 random(static_cast<unsigned>(count));
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float &x : values) x = std::ldexp(normal(random), -static_cast<int>(random() % 30));
    return values;
}

number::RoundArrayOptions options_of(const OutputRounding &rounding, const RandomKey &key) {
    number::RoundArrayOptions options;
    if (rounding.mode == OutputRounding::Mode::stochastic) options.rounding = number::ArrayRounding::stochastic;
    if (rounding.mode == OutputRounding::Mode::toward_zero) options.rounding = number::ArrayRounding::toward_zero;
    options.flush_subnormals = rounding.flush_subnormals;
    options.seed = key.seed;
    options.step = key.step;
    options.tensor = key.tensor;
    return options;
}

TEST_CASE("results are rounded and measured as one round_array would, whatever the threads") {
    const RandomKey key{1, 2, 3};
    const std::vector<OutputRounding> roundings{{},
                                                {OutputRounding::Mode::stochastic, false},
                                                {OutputRounding::Mode::toward_zero, false},
                                                {OutputRounding::Mode::nearest_even, true}};
    for (const std::int64_t count : {0, 1, 100, 4096, 4097, 16 * 4096, 300000})
        for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32})
            for (const OutputRounding &rounding : roundings) {
                const std::vector<float> values = values_of(count);
                HostTensor wanted(dtype, {count});
                number::RangeStatistics expected;
                number::RoundArrayOptions options = options_of(rounding, key);
                number::round_array(values.data(), values.size(), format_id(dtype), wanted.bytes.data(), options,
                                    &expected);
                for (int threads = 1; threads <= 3; ++threads) {
                    ThreadPool pool(threads);
                    HostTensor produced(dtype, {count}), stored(dtype, {count}), silent(dtype, {count});
                    const Operation operation{OpKind::cast, {}, rounding};
                    const auto run = [&](HostTensor &tensor, number::RangeStatistics *statistics, auto &&body) {
                        const std::vector<TensorView> outputs{tensor.view()};
                        const std::vector<number::RangeStatistics *> wants{statistics};
                        body(KernelCall{operation, {}, outputs, wants, key, pool});
                    };
                    const auto fill = [&](std::int64_t first, std::int64_t n, float *out) {
                        std::copy_n(values.data() + first, n, out);
                    };
                    number::RangeStatistics of_produced, of_stored;
                    run(produced, &of_produced, [&](const KernelCall &call) { produce<float>(call, 0, fill); });
                    run(stored, &of_stored, [&](const KernelCall &call) { store<float>(call, 0, values.data()); });
                    run(silent, nullptr, [&](const KernelCall &call) { produce<float>(call, 0, fill); });
                    CHECK(produced.bytes == wanted.bytes);
                    CHECK(stored.bytes == wanted.bytes);
                    CHECK(silent.bytes == wanted.bytes);
                    CHECK(of_produced == expected);
                    CHECK(of_stored == expected);

                    number::RangeStatistics measured, of_values;
                    run(stored, &measured, [&](const KernelCall &call) { measure(call, 0); });
                    number::measure_array(wanted.bytes.data(), values.size(), format_id(dtype), of_values);
                    CHECK(measured == of_values);
                    CHECK(stored.bytes == wanted.bytes);
                }
            }
}

TEST_CASE("statistics are merged into what is there already") {
    ThreadPool pool(2);
    const std::vector<float> values = values_of(50000);
    HostTensor out(DType::fp16, {50000});
    const Operation operation{OpKind::cast, {}, {}};
    const std::vector<TensorView> outputs{out.view()};
    number::RangeStatistics statistics, once;
    const std::vector<number::RangeStatistics *> wants{&statistics};
    const KernelCall call{operation, {}, outputs, wants, {}, pool};
    store<float>(call, 0, values.data());
    once = statistics;
    store<float>(call, 0, values.data());
    CHECK(statistics.count == 2 * once.count);
    CHECK(statistics.underflows == 2 * once.underflows);
    CHECK(statistics.amax == once.amax);
    CHECK(statistics.exponents[120] == 2 * once.exponents[120]);
}

TEST_CASE("a result that is already in place is measured and flushed there") {
    ThreadPool pool(2);
    HostTensor out(DType::fp32, {10000});
    for (float &x : out.as<float>()) x = 0x1p-130F;
    const Operation operation{OpKind::cast, {}, {OutputRounding::Mode::nearest_even, true}};
    const std::vector<TensorView> outputs{out.view()};
    number::RangeStatistics statistics;
    const std::vector<number::RangeStatistics *> wants{&statistics};
    store<float>({operation, {}, outputs, wants, {}, pool}, 0, out.as<float>().data());
    CHECK(statistics.underflows == 10000);
    for (const float x : out.as<float>()) REQUIRE(x == 0);
}

TEST_CASE("fp64 results keep their bits; their statistics are those of the values narrowed to fp32") {
    ThreadPool pool(3);
    std::vector<double> values(30000);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<double>(i)) * 1e-3;
    HostTensor out(DType::fp64, {30000}), half(DType::fp16, {30000}), wanted(DType::fp16, {30000});
    const Operation operation{OpKind::cast, {}, {}};
    const std::vector<float> narrow(values.begin(), values.end());
    number::RangeStatistics statistics, expected, of_half, expected_half;
    for (auto [tensor, into] : {std::pair{&out, &statistics}, std::pair{&half, &of_half}}) {
        const std::vector<TensorView> outputs{tensor->view()};
        const std::vector<number::RangeStatistics *> wants{into};
        store<double>({operation, {}, outputs, wants, {}, pool}, 0, values.data());
    }
    number::round_array(narrow.data(), narrow.size(), number::FormatId::fp32, nullptr, {}, &expected);
    number::round_array(narrow.data(), narrow.size(), number::FormatId::fp16, wanted.bytes.data(), {}, &expected_half);
    CHECK(std::memcmp(out.bytes.data(), values.data(), out.bytes.size()) == 0);
    CHECK(half.bytes == wanted.bytes);
    CHECK(statistics == expected);
    CHECK(of_half == expected_half);
}

} // namespace
} // namespace halfscope::ops
