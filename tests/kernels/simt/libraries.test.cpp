// How cuBLASLt and cuDNN are called: with stand-ins in their place (stand_ins/), which compute chains of fma, the judge
// finds chains in the results, and --reveal their order.
#include "kernels/cuda_kernels/cuda_kernels.h"
#include "kernels/reveal/reveal.h"
#include "kernels/validation/validate.h"
#include "tests/kernels/simt/executor.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::kernels;

TEST_CASE("libraries are called so that operands, layouts and c arrive where they should") {
    ops::ThreadPool threads(1);
    simt::device() = {};
    std::size_t judged = 0;
    for (const Kernel &kernel : cuda_libraries()) {
        CAPTURE(kernel.name);
        if (!kernel.unavailable().empty()) { // no headers: nothing to call
            MESSAGE("skipped: " << kernel.name << ": " << kernel.unavailable());
            continue;
        }
        ++judged;
        ValidationOptions options;
        options.inputs.size = 48; // cuDNN's: 72
        const judge::Judgement judgement = validate(kernel, options, threads).judgement;
        CAPTURE(judgement.explanation);
        CHECK(judge::is_pass(judgement.verdict));
        REQUIRE(judgement.identified.has_value());
        CHECK(judgement.identified->find("fma-chain") != std::string::npos);
    }
    CHECK((judged == 0 || judged == 4 || judged == 8));
}

TEST_CASE("the order of a library's kernel is found, and where its results are too coarse that is said") {
    simt::device() = {};
    for (const Kernel &kernel : cuda_libraries()) {
        if (!kernel.unavailable().empty()) continue;
        CAPTURE(kernel.name);
        if (kernel.name == "cublaslt-gemm-fp16" || kernel.name == "cudnn-convolution-fp32") {
            const reveal::Revelation found = reveal::reveal(kernel, {16, 0});
            CHECK(found.matches());
            CHECK(found.orders.size() == 1);
        }
        if (kernel.name == "cudnn-convolution-fp16")
            CHECK_THROWS_WITH(
                static_cast<void>(reveal::reveal(kernel, {16, 0})),
                "'cudnn-convolution-fp16' leaves its sums in fp16, too coarse to tell the order they were "
                "added in");
    }
}
