// The timing of training steps, on the CPU: the same loop that a device is timed by.
#include "tests/gpu/steps/step_times.h"
#include "emulation/model/zoo/zoo.h"

#include <doctest/doctest.h>

using namespace halfscope;
using namespace halfscope::gpu;

TEST_CASE("steps of every recipe are timed, traced and not, and their memory read before tracing begins") {
    const auto backend = ops::make_cpu_backend(1);
    int forgotten = 0;
    std::size_t read = 0;
    const MemoryMeter meter{[&] { ++forgotten; }, [&] { return 1000 + ++read; }};
    const auto all = time_steps(*backend, {"mlp:in=6,hidden=5,depth=1,classes=3", 4}, {"fp32", "fp16-amp", "bf16-amp"},
                                "hopper", 3, meter);
    REQUIRE(all.size() == 3);
    CHECK(all[1].recipe == "fp16-amp");
    for (std::size_t i = 0; i < all.size(); ++i) {
        CHECK(all[i].seconds > 0);
        CHECK(all[i].traced_seconds > 0);
        CHECK(all[i].tracing_share() == doctest::Approx(all[i].traced_seconds / all[i].seconds - 1));
        CHECK(all[i].peak_bytes == 1001 + i);
    }
    CHECK(forgotten == 3);
    CHECK_THROWS((void)time_steps(*backend, timed_workloads()[0], {"fp16-amp"}, "no such unit", 1, {}));
}

TEST_CASE("the networks that a device is timed on can be built") {
    CHECK(timed_workloads().size() == 4);
    for (const Workload &workload : timed_workloads()) {
        CAPTURE(workload.model);
        CHECK(workload.batch > 0);
        if (!workload.model.starts_with("gpt:layers=12")) // 93 million weights
            CHECK_NOTHROW((void)model::build_zoo_model(workload.model, 1));
    }
}
