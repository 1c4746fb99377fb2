// Orders that are known, found from outside; and the emulator's bits in the order that was found.
#include "kernels/reveal/reveal.h"
#include "kernels/reveal/find_tree.h"

#include "emulation/number/tensor_core.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <set>

using namespace halfscope;
using namespace halfscope::kernels;
using namespace halfscope::kernels::reveal;

namespace {

using Row = std::function<float(const float *x, std::int64_t n)>;

/// A sum of rows by `row`.
Kernel summing(const Row &row) {
    Kernel kernel;
    kernel.name = "known";
    kernel.task = Task::sum;
    kernel.accumulator = number::FormatId::fp32;
    kernel.defines_bits = false;
    kernel.run = [row](const KernelCall &call) {
        const std::int64_t rows = call.inputs[0].shape[0], n = call.inputs[0].shape[1];
        for (std::int64_t r = 0; r < rows; ++r)
            call.output.as<float>()[r] = row(call.inputs[0].as<const float>() + r * n, n);
    };
    return kernel;
}

float sequential(const float *x, std::int64_t n) {
    float sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += x[i];
    return sum;
}
float backwards(const float *x, std::int64_t n) {
    float sum = 0;
    for (std::int64_t i = n - 1; i >= 0; --i) sum += x[i];
    return sum;
}
float pairwise(const float *x, std::int64_t n) {
    return n == 1 ? x[0] : pairwise(x, n / 2) + pairwise(x + n / 2, n - n / 2);
}
float lanes(const float *x, std::int64_t n) {
    float lane[8] = {};
    for (std::int64_t i = 0; i < n; ++i) lane[i % 8] += x[i];
    for (int width = 4; width > 0; width /= 2)
        for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
    return lane[0];
}

std::string text_of(const Revelation &found) {
    std::string text;
    for (const TreeLine &line : describe(found.orders.at(0).tree, found.names))
        text += std::string(static_cast<std::size_t>(line.depth) * 2, ' ') + line.text + "\n";
    return text;
}

/// The leaves below every node: what an order is, whatever the nodes are called.
std::multiset<std::set<std::int64_t>> groups(const SummationTree &tree) {
    std::vector<std::set<std::int64_t>> below;
    for (std::int64_t term = 0; term < tree.terms; ++term) below.push_back({term});
    std::multiset<std::set<std::int64_t>> all;
    for (const auto &node : tree.nodes) {
        std::set<std::int64_t> leaves;
        for (const std::int64_t child : node)
            leaves.insert(below[static_cast<std::size_t>(child)].begin(), below[static_cast<std::size_t>(child)].end());
        below.push_back(leaves);
        all.insert(leaves);
    }
    return all;
}

Revelation revealed(const Kernel &kernel, std::int64_t size) { return reveal::reveal(kernel, {size, 1}); }

/// c + products of fp16 in blocks of 16, as the hopper row says; other rows of a are the same.
Kernel tensor_core_matmul() {
    Kernel kernel;
    kernel.name = "known-blocks";
    kernel.task = Task::matmul;
    kernel.operands = number::FormatId::fp16;
    kernel.accumulator = number::FormatId::fp32;
    kernel.defines_bits = false;
    kernel.length_multiple = 16;
    kernel.run = [](const KernelCall &call) {
        const auto *a = call.inputs[0].as<const std::uint16_t>(), *b = call.inputs[1].as<const std::uint16_t>();
        const std::int64_t m = call.inputs[0].shape[0], depth = call.inputs[0].shape[1], n = call.inputs[1].shape[1];
        const number::Format &fp16 = number::format_of(number::FormatId::fp16),
                             &fp32 = number::format_of(number::FormatId::fp32);
        for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t j = 0; j < n; ++j) {
                std::uint64_t sum = std::bit_cast<std::uint32_t>(call.inputs[2].as<const float>()[i * n + j]);
                for (std::int64_t k = 0; k < depth; k += 16) {
                    std::vector<std::uint32_t> x, y;
                    for (std::int64_t l = k; l < k + 16; ++l) {
                        x.push_back(a[i * depth + l]);
                        y.push_back(b[l * n + j]);
                    }
                    sum = number::fused_dot_add(number::tensor_cores[4], fp16, x, y, fp32, sum);
                }
                call.output.as<float>()[i * n + j] = std::bit_cast<float>(static_cast<std::uint32_t>(sum));
            }
    };
    return kernel;
}

} // namespace

TEST_CASE("a sequential sum is a chain, found with one probe a term") {
    const Revelation found = revealed(summing(sequential), 100);
    CHECK(found.orders.at(0).tree.nodes.size() == 99);
    CHECK(found.probes < 110);
    CHECK(text_of(found) == "chain over i = 0..99\n");
    CHECK(found.matches());
}

TEST_CASE("a backward sum is a chain from the end") {
    const Revelation found = revealed(summing(backwards), 40);
    std::multiset<std::set<std::int64_t>> expected;
    for (std::int64_t first = 38; first >= 0; --first) {
        std::set<std::int64_t> leaves;
        for (std::int64_t i = first; i < 40; ++i) leaves.insert(i);
        expected.insert(leaves);
    }
    CHECK(groups(found.orders.at(0).tree) == expected);
    CHECK(found.matches());
}

TEST_CASE("halves of halves, also of a length that is no power of two") {
    const Revelation even = revealed(summing(pairwise), 64);
    CHECK(text_of(even) == "tree over i = 0..63: joined in pairs 1 apart, then 2 apart, then 4 apart, then 8 apart, "
                           "then 16 apart, then 32 apart\n");
    CHECK(even.matches());
    const Revelation odd = revealed(summing(pairwise), 77);
    CHECK(odd.orders.at(0).tree.nodes.size() == 76);
    CHECK(odd.matches());
}

TEST_CASE("strided lanes") {
    const Revelation found = revealed(summing(lanes), 128);
    CHECK(text_of(found) == "8 lanes (i mod 8), joined in pairs 4 apart, then 2 apart, then 1 apart; each:\n"
                            "  chain over i = 0, 8, ..., 120\n");
    CHECK(found.matches());
}

TEST_CASE("fused blocks of a matrix unit, with the cut found from the bits") {
    const Revelation found = revealed(tensor_core_matmul(), 48);
    CHECK(found.orders.at(0).tree.widest() == 17);
    CHECK(text_of(found) == "from c: chain of 3 fused adds of 16 terms, k = 0..15; 16..31; 32..47\n");
    CAPTURE(found.orders.at(0).steps);
    CHECK(found.matches());
    CHECK(found.orders.at(0).steps.find("25 bits") != std::string::npos);
}

TEST_CASE("a product that takes another order in its last columns has two") {
    Kernel kernel;
    kernel.name = "two-orders";
    kernel.task = Task::matmul;
    kernel.accumulator = number::FormatId::fp32;
    kernel.defines_bits = false;
    kernel.run = [](const KernelCall &call) {
        const auto *a = call.inputs[0].as<const float>(), *b = call.inputs[1].as<const float>();
        const std::int64_t m = call.inputs[0].shape[0], depth = call.inputs[0].shape[1], n = call.inputs[1].shape[1];
        for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t j = 0; j < n; ++j) {
                float sum = call.inputs[2].as<const float>()[i * n + j];
                for (std::int64_t step = 0; step < depth; ++step) {
                    const std::int64_t k = j < n - 3 ? step : depth - 1 - step;
                    sum = std::fma(a[i * depth + k], b[k * n + j], sum);
                }
                call.output.as<float>()[i * n + j] = sum;
            }
    };
    const Revelation found = revealed(kernel, 24);
    CHECK(found.orders.size() == 2);
    CHECK(found.orders.at(1).element % 24 >= 21);
    CHECK(found.matches());
    CHECK(found.compared == 24 * 24);
}

TEST_CASE("what is no order is said to be none") {
    Kernel exact = summing([](const float *x, std::int64_t n) {
        // Positive and negative terms apart, each exactly: no mask can hide a one.
        double sum = 0;
        for (std::int64_t i = 0; i < n; ++i)
            if (std::fabs(x[i]) < 1) sum += static_cast<double>(x[i]);
        return static_cast<float>(sum);
    });
    CHECK_THROWS_AS((void)revealed(exact, 16), std::runtime_error);
    Kernel zero = summing([](const float *, std::int64_t) { return 0.0F; });
    CHECK_THROWS_AS((void)revealed(zero, 16), std::runtime_error);
}

TEST_CASE("another rounding than the order's is seen") {
    // The same order, but every partial sum is rounded to 16 bits of precision by a detour.
    const Revelation found = revealed(summing([](const float *x, std::int64_t n) {
                                          float sum = 0;
                                          for (std::int64_t i = 0; i < n; ++i) {
                                              const float big = (sum + x[i]) * 257.0F;
                                              sum = big - (big - (sum + x[i]));
                                          }
                                          return sum;
                                      }),
                                      16);
    CHECK_FALSE(found.matches());
}
