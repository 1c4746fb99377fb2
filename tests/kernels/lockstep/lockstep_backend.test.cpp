// Lockstep finds what a faulty machine does, and counts it where it arises.
#include "kernels/lockstep/lockstep_backend.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <memory>

using namespace halfscope;
using namespace halfscope::kernels;

namespace {

/// The emulator, but for one wrong bit in one operation's first result, or a wrong count of zeros.
class FaultyBackend final : public ops::Backend {
  public:
    ops::OpKind wrong = ops::OpKind::fill;
    bool wrong_statistics = false;

    [[nodiscard]] std::string_view name() const override { return "faulty"; }
    [[nodiscard]] void *allocate(std::size_t bytes) override { return cpu_->allocate(bytes); }
    void release(void *memory) noexcept override { cpu_->release(memory); }
    void upload(void *to, const void *host, std::size_t bytes) override { cpu_->upload(to, host, bytes); }
    void download(void *host, const void *from, std::size_t bytes) override { cpu_->download(host, from, bytes); }
    void run(const ops::Operation &operation, std::span<const ops::TensorView> inputs,
             std::span<const ops::TensorView> outputs, std::span<number::RangeStatistics *const> statistics,
             const ops::RandomKey &key) override {
        cpu_->run(operation, inputs, outputs, statistics, key);
        if (operation.kind != wrong) return;
        if (wrong_statistics)
            ++statistics[0]->zeros;
        else
            outputs[0].as<std::uint8_t>()[0] ^= 1;
    }

  private:
    std::unique_ptr<ops::Backend> cpu_ = ops::make_cpu_backend(1);
};

struct Machine {
    FaultyBackend tested;
    std::unique_ptr<ops::Backend> emulator = ops::make_cpu_backend(1);
    LockstepBackend lockstep{tested, *emulator};
    std::array<float, 4> x{1, 2, NAN, 4}, y{0, -1, 5, 6}, z{};

    /// z = x + y in layer "one", x = z * y in place of x in layer "two".
    void run(number::RangeStatistics *statistics = nullptr) {
        const auto view = [](std::array<float, 4> &values) {
            return ops::TensorView{values.data(), ops::DType::fp32, ops::Shape{4}};
        };
        const ops::TensorView sum[] = {view(x), view(y)}, product[] = {view(z), view(y)};
        const ops::TensorView to_z = view(z), to_z_again = view(z);
        number::RangeStatistics *const wanted[] = {statistics};
        lockstep.enter("one");
        lockstep.run({ops::OpKind::add, {}, {}}, sum, {&to_z, 1},
                     statistics != nullptr ? std::span<number::RangeStatistics *const>(wanted)
                                           : std::span<number::RangeStatistics *const>());
        lockstep.enter("two");
        lockstep.run({ops::OpKind::multiply, {}, {}}, product, {&to_z_again, 1});
    }
};

} // namespace

TEST_CASE("a machine with the emulator's bits is equal in every element") {
    Machine machine;
    machine.run();
    machine.run();
    REQUIRE(machine.lockstep.counts().size() == 2);
    const LockstepCount &first = machine.lockstep.counts()[0], total = total_of(machine.lockstep.counts());
    CHECK(first.layer == "one");
    CHECK(first.operation == "add");
    CHECK(first.runs == 2);
    CHECK(first.elements == 8);
    CHECK(total.elements == 16);
    CHECK(total.bit_equal == 16); // NaN are as good as each other, and operands may be overwritten
}

TEST_CASE("a wrong bit is counted in its operation and layer, and not again where it is used") {
    Machine machine;
    machine.tested.wrong = ops::OpKind::add;
    machine.run();
    CHECK(machine.lockstep.counts()[0].bit_equal == 3);
    CHECK(machine.lockstep.counts()[1].bit_equal == 4);
    std::uint32_t bits = 0;
    std::memcpy(&bits, machine.z.data(), sizeof bits);
    CHECK(total_of(machine.lockstep.counts()).bit_equal == 7);
}

TEST_CASE("wrong statistics are counted too") {
    Machine machine;
    machine.tested.wrong = ops::OpKind::add;
    machine.tested.wrong_statistics = true;
    number::RangeStatistics statistics;
    machine.run(&statistics);
    CHECK(machine.lockstep.counts()[0].bit_equal == 4);
    CHECK(machine.lockstep.counts()[0].different_statistics == 1);
    CHECK(statistics.count == 4);
}
