// The emulator's bits against this machine's own instructions, and kernels that are wrong on purpose.
#include "kernels/registry/registry.h"
#include "kernels/twin/elementwise.h"
#include "kernels/validation/validate.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace halfscope;
using namespace halfscope::kernels;
using judge::Verdict;

namespace {

Validation validated(const Kernel &kernel, std::int64_t size = 30000) {
    ops::ThreadPool threads(2);
    ValidationOptions options;
    options.inputs.size = size;
    return validate(kernel, options, threads);
}

const Kernel &named(std::string_view name) {
    const auto &all = registered_kernels();
    return *std::find_if(all.begin(), all.end(), [&](const Kernel &kernel) { return kernel.name == name; });
}

/// A conversion to fp16 that does what `run` says.
Kernel conversion(std::function<void(const KernelCall &)> run) {
    Kernel kernel = named("f16c-fp32-to-fp16");
    kernel.name = "under-test";
    kernel.unavailable = [] { return std::string{}; };
    kernel.run = std::move(run);
    return kernel;
}

void emulate(const KernelCall &call) { emulate_elementwise(Task::convert, {}, call); }

} // namespace

TEST_CASE("every instruction that this CPU has gives the emulator's bits") {
    int ran = 0;
    for (const Kernel &kernel : registered_kernels()) {
        if (kernel.place != Place::cpu) continue;
        const Validation validation = validated(kernel);
        CAPTURE(kernel.name);
        CAPTURE(validation.judgement.explanation);
        if (!kernel.unavailable().empty()) {
            CHECK(validation.judgement.verdict == Verdict::skipped);
            CHECK(validation.judgement.explanation == kernel.unavailable());
            continue;
        }
        ++ran;
        CHECK(validation.judgement.verdict == Verdict::bit_equal);
        CHECK(validation.judgement.elements >= 30000);
        REQUIRE(validation.judgement.errors);
        CHECK(validation.judgement.errors->worst_of_bound <= 1);
    }
    CHECK(ran > 0);
}

TEST_CASE("one wrong bit is a bug") {
    const Validation validation = validated(conversion([](const KernelCall &call) {
        emulate(call);
        call.output.as<std::uint16_t>()[12345] ^= 1;
    }));
    CHECK(validation.judgement.verdict == Verdict::real_bug);
    REQUIRE(validation.judgement.worst);
    CHECK(validation.judgement.worst->index == 12345);
}

TEST_CASE("a wrong rounding mode is a bug, though within an ulp") {
    CHECK(validated(conversion([](const KernelCall &call) {
              ElementwiseMode mode;
              mode.rounding.rounding = number::Rounding::nearest_away;
              emulate_elementwise(Task::convert, mode, call);
          })).judgement.verdict == Verdict::real_bug);
}

TEST_CASE("a NaN of another payload is a bug of a conversion") {
    CHECK(validated(conversion([](const KernelCall &call) {
              emulate(call);
              for (auto &bits :
                   std::span(call.output.as<std::uint16_t>(), static_cast<std::size_t>(call.output.shape.elements())))
                  if ((bits & 0x7FFFu) > 0x7C00u) bits = 0x7FFF;
          })).judgement.verdict == Verdict::real_bug);
}

TEST_CASE("what a kernel does to memory is told") {
    const auto explanation = [](std::function<void(const KernelCall &)> run) {
        const Validation validation = validated(conversion(std::move(run)));
        CHECK(validation.judgement.verdict == Verdict::real_bug);
        return validation.judgement.explanation;
    };
    CHECK(explanation([](const KernelCall &call) {
              KernelCall half = call;
              ops::TensorView input = call.inputs[0];
              input.shape = half.output.shape = ops::Shape{call.output.shape.elements() - 7};
              half.inputs = {&input, 1};
              emulate(half);
          }).find("7 of ") == 0);
    CHECK(explanation([](const KernelCall &call) {
              emulate(call);
              call.output.as<std::uint16_t>()[call.output.shape.elements()] = 0;
          }) == "memory outside of the output is written.");
    CHECK(explanation([](const KernelCall &call) {
              emulate(call);
              call.inputs[0].as<float>()[3] = 1;
          }).find("input 0 is changed") != std::string::npos);
    CHECK(explanation([runs = std::make_shared<int>(0)](const KernelCall &call) {
              emulate(call);
              call.output.as<std::uint16_t>()[5] = static_cast<std::uint16_t>(++*runs);
          }).find("not deterministic") != std::string::npos);
}

TEST_CASE("a program can add kernels of its own") {
    Kernel mine = conversion(emulate);
    mine.name = "mine";
    register_kernel(mine);
    CHECK(validated(named("mine")).judgement.verdict == Verdict::bit_equal);
    CHECK_THROWS_AS(register_kernel(mine), std::invalid_argument);
    mine.name = "";
    CHECK_THROWS_AS(register_kernel(mine), std::invalid_argument);
}
