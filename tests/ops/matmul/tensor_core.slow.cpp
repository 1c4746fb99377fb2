// Ten million blocks of every model and kind of operand: the product engine at each SIMD level, the scalar reference,
// and a transcription of the model in doubles give the same bits.
#include "emulation/ops/matmul/tensor_core_product.h"
#include "tests/number/tensor_core/by_values.h"
#include "tests/ops/matmul/block_chain.h"
#include "tests/ops/matmul/products.h"

#include <doctest/doctest.h>

namespace halfscope::ops {
namespace {

/// d = c + a b of single blocks, by the second transcription.
HostTensor by_values(Accumulation model, const HostTensor &a, const HostTensor &b, const HostTensor &c) {
    const number::TensorCore &core = *block_chain::row(model);
    const bool narrow = block_chain::narrow(model);
    const number::Format &format =
        number::format_of(a.dtype == DType::fp32 ? number::FormatId::tf32 : format_id(a.dtype));
    const std::int64_t m = a.shape[0], k = a.shape[1], n = b.shape[1];
    HostTensor d(c.dtype, {m, n});
    std::vector<std::uint32_t> x(static_cast<std::size_t>(k)), y(x);
    for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
            for (std::int64_t t = 0; t < k; ++t) {
                x[static_cast<std::size_t>(t)] = block_chain::operand(a, i * k + t);
                y[static_cast<std::size_t>(t)] = block_chain::operand(b, t * n + j);
            }
            const std::uint64_t sum = test::by_values(core, format, x, y, narrow, block_chain::element(c, i * n + j));
            const auto at = static_cast<std::size_t>(i * n + j);
            if (narrow)
                d.as<std::uint16_t>()[at] = static_cast<std::uint16_t>(sum);
            else
                d.as<std::uint32_t>()[at] = static_cast<std::uint32_t>(sum);
        }
    return d;
}

TEST_CASE("single blocks onto a start: engine, scalar reference and second transcription agree") {
    std::int64_t blocks = 0;
    for (const Accumulation model : block_chain::models)
        for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32}) {
            if (!block_chain::takes(model, dtype)) continue;
            const number::TensorCore *core = block_chain::row(model);
            const std::int64_t k = !core ? 2 : dtype == DType::fp32 ? core->block_tf32 : core->block;
            for (const block_chain::Data data : block_chain::all_data) {
                INFO(name_of(model), " ", name_of(dtype), " data ", static_cast<int>(data));
                const Shape result{240, 250};
                HostTensor a = block_chain::tensor(data, dtype, {result[0], k}, 1),
                           b = block_chain::tensor(data, dtype, {k, result[1]}, 2),
                           c = block_chain::start(data, block_chain::narrow(model), result);
                const TensorView start = c.view();
                const HostTensor wanted = block_chain::product(model, a, b, &c);
                if (core) CHECK(block_chain::difference(by_values(model, a, b, c), wanted) == "");
                products::for_every_level_and_thread_count([&](ThreadPool &threads) {
                    HostTensor d(wanted.dtype, result);
                    tensor_core_product(model, a.view(), b.view(), &start, d.view(), threads);
                    CHECK(block_chain::difference(d, wanted) == "");
                });
                blocks += result.elements();
            }
        }
    CHECK(blocks >= 10'000'000);
}

TEST_CASE("long chains of every kind of operand") {
    for (const Accumulation model : block_chain::models)
        for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32}) {
            if (!block_chain::takes(model, dtype)) continue;
            for (const block_chain::Data data : block_chain::all_data) {
                INFO(name_of(model), " ", name_of(dtype), " data ", static_cast<int>(data));
                HostTensor a = block_chain::tensor(data, dtype, {13, 1500}, 1),
                           b = block_chain::tensor(data, dtype, {1500, 70}, 2);
                const HostTensor wanted = block_chain::product(model, a, b, nullptr);
                products::for_every_level_and_thread_count([&](ThreadPool &threads) {
                    HostTensor d(wanted.dtype, wanted.shape);
                    tensor_core_product(model, a.view(), b.view(), nullptr, d.view(), threads);
                    CHECK(block_chain::difference(d, wanted) == "");
                });
            }
        }
}

} // namespace
} // namespace halfscope::ops
