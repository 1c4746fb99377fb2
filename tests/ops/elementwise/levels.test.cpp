// The same bits on every path: plain loop or any SIMD level, one thread or several, in place or not.
#include "emulation/ops/elementwise/scalar_kernels.h"
#include "tests/ops/operation_runner.h"

#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <random>

using namespace halfscope;
using ops::OpKind;
namespace elementwise = ops::elementwise;

namespace {

std::vector<float> arguments(std::size_t count, unsigned seed) {
    std::vector<float> values(count);
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0, 4);
    for (std::size_t i = 0; i < count; ++i)
        values[i] = i % 3 ? normal(engine) : std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
    return values;
}

bool same_bits(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

} // namespace

TEST_CASE("every SIMD level gives the bits of the plain loop") {
    // No multiple of a register's width, so that the last elements are computed too.
    constexpr std::size_t count = 6007;
    const auto a = arguments(count, 1), b = arguments(count, 2), c = arguments(count, 3);
    const float *const operands[] = {a.data(), b.data(), c.data()};
    std::vector<float> wanted(count), got(count);
    int kernels = 0;
    for (int index = 0; index <= static_cast<int>(OpKind::square_root_gradient); ++index) {
        const auto kind = static_cast<OpKind>(index);
        for (const double alpha : {0.3, 1.0, 2.0, 3.0, 0.5, -0.5, -1.0, -2.0}) {
            if (kind != OpKind::power_scalar && alpha != 0.3) continue;
            const auto plain = elementwise::scalar::Kernels<float>::choose_kernel(kind, alpha);
            if (!plain) continue;
            ++kernels;
            plain(operands, wanted.data(), count, static_cast<float>(alpha), 0.9f);
            for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
                hwy::SetSupportedTargetsForTest(target);
                std::fill(got.begin(), got.end(), -77.0f);
                elementwise::simd_kernel(kind, alpha)(operands, got.data(), count, static_cast<float>(alpha), 0.9f);
                std::size_t different = 0, at = 0;
                for (std::size_t i = 0; i < count; ++i)
                    if (!same_bits(got[i], wanted[i]) && different++ == 0) at = i;
                hwy::SetSupportedTargetsForTest(0);
                CAPTURE(hwy::TargetName(target));
                CAPTURE(name_of(kind));
                CAPTURE(a[at]);
                CAPTURE(b[at]);
                CHECK(different == 0);
            }
        }
    }
    // Every form; fewer means an operation that has lost its kernel.
    CHECK(kernels == 58);
}

TEST_CASE("results and statistics do not depend on threads, and the result may replace an operand") {
    const ops::Shape shape{3, 37, 211};
    const auto x = test::normal_tensor(ops::DType::fp16, shape, 4), y = test::normal_tensor(ops::DType::fp16, shape, 5);
    for (const OpKind kind : {OpKind::gelu_gradient, OpKind::add, OpKind::maximum}) {
        ops::Operation operation;
        operation.kind = kind;
        const auto one = test::run(operation, {x, y}, {{ops::DType::fp16, shape}}, 1);
        const auto four = test::run(operation, {x, y}, {{ops::DType::fp16, shape}}, 4);
        CHECK(test::same(one, four));
        CHECK(one.statistics[0].count == static_cast<std::uint64_t>(shape.elements()));

        ops::HostTensor in_place = x, other = y;
        const ops::TensorView operands[] = {in_place.view(), other.view()};
        ops::make_cpu_backend(2)->run(operation, operands, {operands, 1});
        CHECK(in_place.bytes == one.outputs[0].bytes);
    }
}
