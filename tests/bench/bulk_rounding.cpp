// fp32 to 16 bits with all statistics, beside memcpy of the same fp32 array: 64 MiB, one thread.
#include "emulation/number/round_array.h"
#include "tests/bench/benchmark.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>

namespace halfscope::bench {
namespace {

constexpr std::size_t elements = (std::size_t{64} << 20) / sizeof(float);

struct Release {
    void operator()(void *memory) const { ::operator delete (memory, std::align_val_t{64}); }
};
template <typename T> using Memory = std::unique_ptr<T[], Release>;
template <typename T> Memory<T> allocate(std::size_t count) {
    void *memory = ::operator new (count * sizeof(T), std::align_val_t{64});
    std::memset(memory, 0, count * sizeof(T)); // pages are there before anything is timed
    return Memory<T>(static_cast<T *>(memory));
}

std::vector<Figure> run(const Options &options) {
    const auto source = allocate<float>(elements), copy = allocate<float>(elements);
    const auto stored = allocate<std::uint16_t>(elements);
    std::minstd_rand random(1);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < elements; ++i) source[i] = normal(random) * 0.02F; // as weights are
    number::RangeStatistics statistics;
    const auto round = [&](number::FormatId format) {
        statistics = {};
        number::round_array(source.get(), elements, format, stored.get(), {}, &statistics);
    };
    const auto seconds = interleave(options.repetitions > 0 ? options.repetitions : 15,
                                    {[&] { std::memcpy(copy.get(), source.get(), elements * sizeof(float)); },
                                     [&] { round(number::FormatId::fp16); }, [&] { round(number::FormatId::bf16); }});
    const auto figure = [&](const char *key, std::size_t which) {
        char detail[160];
        std::snprintf(detail, sizeof detail, "time ratio, aim <= 1.25: %.2f ms (%.2f Gelem/s) beside memcpy %.2f ms",
                      median(seconds[which]) * 1e3, static_cast<double>(elements) / median(seconds[which]) * 1e-9,
                      median(seconds[0]) * 1e3);
        return Figure{key, median_ratio(seconds[which], seconds[0]), detail};
    };
    return {figure("round_fp16_vs_copy", 1), figure("round_bf16_vs_copy", 2)};
}

const Registration registration("bulk rounding", run);

} // namespace
} // namespace halfscope::bench
