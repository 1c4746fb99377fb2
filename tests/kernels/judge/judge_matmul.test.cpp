// Results made by plain loops, changed in known ways: the judgement names the way.
#include "tests/kernels/judge/product_cases.h"

#include "emulation/ops/matmul/tensor_core_product.h"

#include <doctest/doctest.h>

#include <limits>

using namespace halfscope;
using namespace halfscope::test;
using kernels::judge::converted;
using ops::Accumulation;

namespace {

HostTensor by_model(ProductInputs inputs, Accumulation model, DType storage = DType::fp32) {
    ops::ThreadPool threads(1);
    HostTensor result(storage, inputs.shape);
    const ops::TensorView c = inputs.c ? inputs.c->view() : ops::TensorView{};
    ops::tensor_core_product(model, inputs.a.view(), inputs.b.view(), inputs.c ? &c : nullptr, result.view(), threads);
    return result;
}

bool says(const kernels::judge::Judgement &judgement, const std::string &words) {
    std::string all = judgement.explanation;
    for (const std::string &line : judgement.evidence) all += "\n" + line;
    CAPTURE(all);
    CHECK(all.find(words) != std::string::npos);
    return all.find(words) != std::string::npos;
}

} // namespace

TEST_CASE("another unit's bits are named") {
    const ProductInputs inputs = product(DType::fp16, 24, 96, 20);
    const auto asked = judged(inputs, by_model(inputs, Accumulation::hopper), Accumulation::hopper);
    CHECK(asked.verdict == Verdict::bit_equal);
    CHECK(asked.bit_equal == asked.elements);
    const auto other = judged(inputs, by_model(inputs, Accumulation::hopper), Accumulation::ampere);
    CHECK(other.verdict == Verdict::bit_equal);
    CHECK(other.bit_equal < other.elements);
    CHECK(other.identified == "hopper");
    says(other, "These are hopper's bits");
    says(other, "blackwell");
    const auto chain = judged(inputs, by_model(inputs, Accumulation::fma_chain), Accumulation::volta);
    CHECK(chain.identified == "fma-chain");
}

TEST_CASE("a sum cut into parts is an order, and is named") {
    const ProductInputs inputs = product(DType::fp16, 16, 256, 12);
    const PlainProduct plain(inputs);
    // fp16 products are exact in fp32, so that multiplying and adding is the fma.
    const auto split = judged(inputs, result_of(inputs, [&](auto i, auto j) {
                                  float total = 0;
                                  for (std::int64_t part = 0; part < 4; ++part)
                                      total += plain.sum(i, j, part * 64, part * 64 + 64);
                                  return total;
                              }));
    CHECK(split.verdict == Verdict::different_order);
    CHECK(split.identified == "fma-chain, k cut into 4 parts of 64, added in order");
    const auto lanes =
        judged(inputs, result_of(inputs, [&](auto i, auto j) {
                   std::array<float, 8> lane{};
                   for (std::int64_t l = 0; l < 8; ++l) lane[static_cast<std::size_t>(l)] = plain.sum(i, j, l, 256, 8);
                   return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
               }));
    CHECK(lanes.verdict == Verdict::different_order);
    CHECK(lanes.identified == "fma-chain, 8 accumulators that take turns every 1 of k, added as a tree of halves");
    // As OpenBLAS cuts 300 for blocks of 128: what is left after the first is more than a block, and is halved.
    const ProductInputs uneven = product(DType::fp16, 16, 300, 12);
    const PlainProduct shallow(uneven);
    const auto halves = [&](std::int64_t i, std::int64_t j) {
        return shallow.sum(i, j, 0, 128) + shallow.sum(i, j, 128, 216) + shallow.sum(i, j, 216, 300);
    };
    const auto blas = judged(uneven, result_of(uneven, halves));
    CHECK(blas.identified == "fma-chain, k cut into parts of 128, 88, 84, added in order");
    // Some columns in another order: most of the bits are named.
    const auto edges = judged(uneven, result_of(uneven, [&](auto i, auto j) {
                                  if (j < 11) return halves(i, j);
                                  float total = 0;
                                  for (std::int64_t k = 299; k >= 0; --k) total += shallow.product(i, k, j);
                                  return total;
                              }));
    CHECK(edges.verdict == Verdict::different_order);
    CHECK(!edges.identified);
    says(edges, "results have the bits of fma-chain, k cut into parts of 128, 88, 84");
    // From the end: no order that is tried.
    const auto backwards = judged(inputs, result_of(inputs, [&](auto i, auto j) {
                                      float total = 0;
                                      for (std::int64_t k = 255; k >= 0; --k) total += plain.product(i, k, j);
                                      return total;
                                  }));
    CHECK(backwards.verdict == Verdict::different_order);
    CHECK(!backwards.identified);
    CHECK(backwards.errors->beyond_bound == 0);
    CHECK(backwards.errors->worst_of_bound > 0);
}

TEST_CASE("products rounded before they are added are named") {
    const ProductInputs inputs = product(DType::fp32, 16, 100, 12);
    const PlainProduct plain(inputs);
    const auto whole = judged(inputs, result_of(inputs, [&](auto i, auto j) { return plain.sum(i, j, 0, 100); }));
    CHECK(whole.verdict == Verdict::different_order);
    CHECK(whole.identified == "products rounded, then added");
}

TEST_CASE("a blocked product with narrower loops at its edges takes two orders, and both are named") {
    const ProductInputs inputs = product(DType::fp32, 24, 300, 20);
    const PlainProduct plain(inputs);
    const auto found = judged(inputs, result_of(inputs, [&](auto i, auto j) {
                                  const auto block = [&](std::int64_t first, std::int64_t last) {
                                      if (i < 16) return plain.sum(i, j, first, last);
                                      return plain.sum(i, j, first, last, 2) + plain.sum(i, j, first + 1, last, 2);
                                  };
                                  return block(0, 256) + block(256, 300);
                              }));
    CHECK(found.verdict == Verdict::different_order);
    says(found, "several orders, in different places, give all bits");
    says(found, "2 lanes");
    // One wrong element is no order.
    const auto wrong = judged(
        inputs, result_of(inputs, [&](auto i, auto j) { return plain.sum(i, j, 0, i == 3 && j == 4 ? 290 : 300); }));
    CHECK(wrong.verdict == Verdict::real_bug);
}

TEST_CASE("one more rounding is found and named") {
    const ProductInputs inputs = product(DType::fp16, 16, 128, 16);
    const PlainProduct plain(inputs);
    const HostTensor chain = by_model(inputs, Accumulation::fma_chain);
    const auto rounded_to_bf16 = [](const HostTensor &from) {
        return tensor(DType::fp32, from.shape, values(tensor(DType::bf16, from.shape, values(from))));
    };
    const auto result = judged(inputs, rounded_to_bf16(chain));
    CHECK(result.verdict == Verdict::extra_rounding);
    says(result, "rounded to bf16");
    // The order is none that is known: the bits that fit say it.
    const auto unknown = judged(inputs, rounded_to_bf16(result_of(inputs, [&](auto i, auto j) {
                                    float total = 0;
                                    for (std::int64_t k = 127; k >= 0; --k) total += plain.product(i, k, j);
                                    return total * (1 + 0x1p-20F);
                                })));
    CHECK(unknown.verdict == Verdict::extra_rounding);
    says(unknown, "bf16");
    const auto narrow = judged(inputs, by_model(inputs, Accumulation::fp16_fma_chain), Accumulation::hopper);
    CHECK(narrow.verdict == Verdict::extra_rounding);
    says(narrow, "fp16-fma-chain");
    // fp32 operands read as tf32.
    const ProductInputs wide = product(DType::fp32, 16, 64, 16);
    const auto tf32 = judged(wide, by_model(wide, Accumulation::ampere));
    CHECK(tf32.verdict == Verdict::extra_rounding);
    says(tf32, "ampere");
    // In an order that is not tried, from the end. Partial sums kept in 16 bits: errors alone can say it.
    const ProductInputs tall = product(DType::fp16, 8, 2048, 8, 5);
    const PlainProduct deep(tall);
    const auto backwards = [&](std::int64_t i, std::int64_t j, auto keep) {
        float total = 0;
        for (std::int64_t part = 31; part >= 0; --part) {
            float sum = 0;
            for (std::int64_t k = part * 64 + 63; k >= part * 64; --k) sum += deep.product(i, k, j);
            total += keep(sum);
        }
        return total;
    };
    const auto kept = judged(tall, result_of(tall, [&](auto i, auto j) {
                                 return backwards(i, j, [](float sum) {
                                     return static_cast<float>(rounded(static_cast<double>(sum), DType::fp16));
                                 });
                             }));
    CHECK(kept.verdict == Verdict::extra_rounding);
    CHECK(!kept.identified);
    CHECK(kept.errors->beyond_bound == 0);
    // tf32 results, within so long a product's bound; and one wrong element.
    const HostTensor odd =
        result_of(tall, [&](auto i, auto j) { return backwards(i, j, [](float sum) { return sum; }); });
    const auto order = judged(tall, odd);
    CHECK(order.verdict == Verdict::different_order);
    const auto fits = judged(tall, converted(odd, number::FormatId::tf32, true));
    CHECK(fits.errors->beyond_bound == 0);
    CHECK(fits.verdict == Verdict::extra_rounding);
    says(fits, "cut to"); // to fp16: it has tf32's precision, and these values lie in its range
    HostTensor one = odd;
    one.as<float>()[50] += static_cast<float>(0.2 * *order.worst_error->bound);
    const auto single = judged(tall, one);
    CHECK(single.errors->beyond_bound == 0);
    CHECK(single.verdict == Verdict::real_bug);
    says(single, "one element alone");
}

TEST_CASE("a real bug is told with what it looks like") {
    const ProductInputs inputs = product(DType::fp16, 70, 72, 70);
    const HostTensor right = by_model(inputs, Accumulation::hopper);
    const auto changed = [&](auto change) {
        HostTensor wrong = right;
        change(wrong.as<float>());
        return judged(inputs, std::move(wrong), Accumulation::hopper);
    };
    const auto element = changed([](auto values) { values[70 * 3 + 17] += 0.25F; });
    CHECK(element.verdict == Verdict::real_bug);
    CHECK(element.errors->beyond_bound == 1);
    CHECK(element.worst->position == std::vector<std::int64_t>{3, 17});
    CHECK(element.bit_equal == element.elements - 1);
    CHECK(!element.worst->operands.empty());
    says(element, "one element alone");
    const auto tile = changed([](auto values) {
        for (std::size_t i = 0; i < values.size(); ++i)
            if (i % 70 >= 64) values[i] = 0;
    });
    CHECK(tile.verdict == Verdict::real_bug);
    says(tile, "the last partial tile of 64 columns");
    says(tile, "zero");
    const auto nan = changed([](auto values) {
        for (float &value : values) value = std::numeric_limits<float>::quiet_NaN();
    });
    CHECK(nan.verdict == Verdict::real_bug);
    CHECK(nan.nan_mismatches == nan.elements);
    says(nan, "NaN");
    const auto scaled = changed([](auto values) {
        for (float &value : values) value *= 0.125F;
    });
    CHECK(scaled.verdict == Verdict::real_bug);
    says(scaled, "0.125");

    const PlainProduct plain(inputs);
    says(judged(inputs, result_of(inputs, [&](auto i, auto j) { return plain.sum(i, j, 0, 64); })),
         "first 64 of k = 72");
    ProductInputs square = product(DType::fp16, 32, 32, 32);
    square.c = normal_tensor(DType::fp32, {32}, 9);
    const ProductInputs without_c{square.a, square.b, std::nullopt, square.shape};
    says(judged(square, by_model(without_c, Accumulation::fma_chain)), "c is ignored");
    const PlainProduct small(without_c);
    const std::vector<double> a = values(square.a), b = values(square.b);
    says(judged(without_c, result_of(square,
                                     [&](auto i, auto j) {
                                         float total = 0;
                                         for (std::int64_t k = 0; k < 32; ++k)
                                             total += static_cast<float>(a[static_cast<std::size_t>(i * 32 + k)] *
                                                                         b[static_cast<std::size_t>(j * 32 + k)]);
                                         return total;
                                     })),
         "b transposed");
}

TEST_CASE("c may start the chain or be added last; batches broadcast") {
    ProductInputs inputs = product(DType::bf16, 12, 80, 8);
    inputs.c = normal_tensor(DType::fp32, {12, 8}, 4);
    const HostTensor product_alone =
        by_model({inputs.a, inputs.b, std::nullopt, inputs.shape}, Accumulation::fma_chain);
    const std::vector<double> c = values(*inputs.c);
    HostTensor last = product_alone;
    for (std::size_t i = 0; i < c.size(); ++i) last.as<float>()[i] += static_cast<float>(c[i]);
    const auto added = judged(inputs, last);
    CHECK(added.verdict == Verdict::different_order);
    CHECK(added.identified == "fma-chain, c added last");

    ProductInputs batched;
    batched.a = normal_tensor(DType::fp16, {3, 1, 8, 40}, 1);
    batched.b = normal_tensor(DType::fp16, {2, 40, 6}, 2);
    batched.shape = {3, 2, 8, 6};
    const auto hopper = judged(batched, by_model(batched, Accumulation::hopper), Accumulation::turing);
    CHECK(hopper.identified == "hopper");
}

TEST_CASE("infinities and NaN that the operands make are right") {
    ProductInputs inputs = product(DType::fp16, 8, 32, 8);
    inputs.a.as<std::uint16_t>()[5] = 0x7C00;
    inputs.a.as<std::uint16_t>()[40] = 0x7E00;
    const auto hopper = judged(inputs, by_model(inputs, Accumulation::hopper), Accumulation::hopper);
    CHECK(hopper.verdict == Verdict::bit_equal);
    CHECK(hopper.errors->beyond_bound == 0);
    // Another NaN payload is an equal value.
    HostTensor other = by_model(inputs, Accumulation::hopper);
    other.as<std::uint32_t>()[8] = 0x7FC00001;
    const auto payload = judged(inputs, other, Accumulation::hopper);
    CHECK(payload.verdict == Verdict::bit_equal);
    CHECK(payload.nan_payload_differences == 1);
    other.as<std::uint32_t>()[0] = 0x7FC00001; // an infinity is right there
    CHECK(judged(inputs, other, Accumulation::hopper).verdict == Verdict::real_bug);
}
