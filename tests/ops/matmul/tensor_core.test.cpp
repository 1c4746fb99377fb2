// Products with every block accumulation against the definition written out: blocks of the scalar reference in
// ascending k, the last filled up with zeros.
#include "emulation/number/tensor_core.h"
#include "emulation/number/cpu_dot_product.h"
#include "emulation/ops/kernels.h"
#include "emulation/ops/matmul/tensor_core_product.h"
#include "tests/ops/matmul/block_chain.h"
#include "tests/ops/matmul/products.h"

#include <doctest/doctest.h>

namespace halfscope::ops {
namespace {

using namespace products;

HostTensor product(Accumulation model, HostTensor &a, HostTensor &b, HostTensor *c, DType dtype, ThreadPool &threads) {
    HostTensor d(dtype, {a.shape[0], b.shape[1]});
    const TensorView start = c ? c->view() : TensorView{};
    tensor_core_product(model, a.view(), b.view(), c ? &start : nullptr, d.view(), threads);
    return d;
}

TEST_CASE("every model and operand format: bits of the chain of fused blocks, with and without a start") {
    for (const Accumulation model : block_chain::models)
        for (const DType dtype : {DType::fp16, DType::bf16, DType::fp32}) {
            if (!block_chain::takes(model, dtype)) continue;
            const bool narrow = block_chain::narrow(model);
            for (const block_chain::Data data : block_chain::all_data) {
                INFO(name_of(model), " ", name_of(dtype), " data ", static_cast<int>(data));
                HostTensor a = block_chain::tensor(data, dtype, {3, 277}, 1),
                           b = block_chain::tensor(data, dtype, {277, 37}, 2),
                           c = block_chain::start(data, narrow, {3, 37});
                const HostTensor wanted = block_chain::product(model, a, b, nullptr),
                                 onto = block_chain::product(model, a, b, &c);
                for_every_level_and_thread_count([&](ThreadPool &threads) {
                    CHECK(block_chain::difference(product(model, a, b, nullptr, wanted.dtype, threads), wanted) == "");
                    CHECK(block_chain::difference(product(model, a, b, &c, wanted.dtype, threads), onto) == "");
                });
            }
        }
}

TEST_CASE("shapes: transposes, batches, partial tiles, a bias after the accumulation, no k at all") {
    ThreadPool threads(2);
    HostTensor a = random_tensor(DType::fp16, {2, 40, 9}, 1), b = random_tensor(DType::fp16, {21, 40}, 2),
               bias = random_tensor(DType::fp16, {21}, 3), y(DType::fp32, {2, 9, 21});
    Matmul attributes;
    attributes.transpose_a = attributes.transpose_b = true;
    attributes.accumulation = Accumulation::ampere;
    const Operation operation{OpKind::matmul, attributes, {}};
    const std::vector<TensorView> inputs{a.view(), b.view(), bias.view()}, outputs{y.view()};
    run_matmul({operation, inputs, outputs, {}, {}, threads});
    for (std::int64_t batch = 0; batch < 2; ++batch) {
        HostTensor left(DType::fp16, {9, 40}), right(DType::fp16, {40, 21});
        for (std::int64_t k = 0; k < 40; ++k) {
            for (std::int64_t i = 0; i < 9; ++i)
                left.as<std::uint16_t>()[static_cast<std::size_t>(i * 40 + k)] =
                    a.as<std::uint16_t>()[static_cast<std::size_t>((batch * 40 + k) * 9 + i)];
            for (std::int64_t j = 0; j < 21; ++j)
                right.as<std::uint16_t>()[static_cast<std::size_t>(k * 21 + j)] =
                    b.as<std::uint16_t>()[static_cast<std::size_t>(j * 40 + k)];
        }
        const HostTensor sum = block_chain::product(Accumulation::ampere, left, right, nullptr);
        for (std::size_t i = 0; i < 9 * 21; ++i) {
            const float addend = number::widen_16bit(bias.as<std::uint16_t>()[i % 21], number::FormatId::fp16);
            CHECK(y.as<float>()[static_cast<std::size_t>(batch) * 9 * 21 + i] == sum.as<float>()[i] + addend);
        }
    }
    HostTensor none(DType::fp16, {3, 0}), nothing(DType::fp16, {0, 5}), start(DType::fp32, {1, 5}),
        d(DType::fp32, {3, 5});
    start.as<float>()[2] = -1.5F;
    const TensorView from = start.view();
    tensor_core_product(Accumulation::hopper, none.view(), nothing.view(), &from, d.view(), threads);
    CHECK(d.as<float>()[2] == -1.5F);
    CHECK(d.as<float>()[12] == -1.5F);
    CHECK(d.as<float>()[4] == 0.0F);
}

TEST_CASE("VDPBF16PS: a sum that only the subnormal grid would round up to the smallest normal is tiny") {
    // 2^-126 - 2^-150 * 3/4 in the first column, half of that below 2^-126 in the second.
    HostTensor a(DType::bf16, {1, 2}), b(DType::bf16, {2, 2}), c(DType::fp32, {1, 2});
    a.as<std::uint16_t>()[1] = 0x9A40;
    b.as<std::uint16_t>()[2] = 0x1980;
    b.as<std::uint16_t>()[3] = 0x1900;
    c.as<float>()[0] = c.as<float>()[1] = 0x1p-126F;
    for_every_level_and_thread_count([&](ThreadPool &threads) {
        const HostTensor d = product(Accumulation::cpu_avx512bf16, a, b, &c, DType::fp32, threads);
        CHECK(d.as<float>()[0] == 0.0F);
        CHECK(d.as<float>()[1] == 0x1p-126F);
    });
}

TEST_CASE("operands a unit does not have are refused in one sentence") {
    ThreadPool threads(1);
    const auto attempt = [&](Accumulation model, DType a, DType b, DType c = DType::int64) {
        HostTensor x(a, {2, 4}), y(b, {4, 2}), z(c, {2, 2}), d(DType::fp32, {2, 2});
        const TensorView start = z.view();
        try {
            tensor_core_product(model, x.view(), y.view(), c == DType::int64 ? nullptr : &start, d.view(), threads);
        } catch (const std::invalid_argument &error) {
            return std::string(error.what());
        }
        return std::string("taken");
    };
    CHECK(attempt(Accumulation::volta, DType::bf16, DType::bf16) ==
          "matmul: accumulation 'volta' takes fp16 operands, got bf16");
    CHECK(attempt(Accumulation::turing, DType::fp32, DType::fp32) ==
          "matmul: accumulation 'turing' takes fp16 operands, got fp32");
    CHECK(attempt(Accumulation::hopper, DType::fp64, DType::fp64) ==
          "matmul: accumulation 'hopper' takes fp16, bf16 or fp32 (read as tf32) operands, got fp64");
    CHECK(attempt(Accumulation::hopper_fp16acc, DType::bf16, DType::bf16) ==
          "matmul: accumulation 'hopper-fp16acc' takes fp16 operands, got bf16");
    CHECK(attempt(Accumulation::hopper, DType::fp16, DType::bf16) ==
          "matmul: accumulation 'hopper' takes operands of one format, got fp16 and bf16");
    CHECK(attempt(Accumulation::cpu_avx512bf16, DType::fp16, DType::fp16) ==
          "matmul: accumulation 'cpu-avx512bf16' takes bf16 operands, got fp16");
    CHECK(attempt(Accumulation::ada_fp16acc, DType::fp16, DType::fp16, DType::fp32) ==
          "matmul: accumulation 'ada-fp16acc' keeps its accumulator in fp16, got a third operand in fp32");
    CHECK(attempt(Accumulation::ada, DType::fp16, DType::fp16, DType::fp32) == "taken");
    CHECK(attempt(Accumulation::fma_chain, DType::fp16, DType::bf16, DType::fp32) == "taken");
}

} // namespace
} // namespace halfscope::ops
