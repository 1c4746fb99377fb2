// Data made on the spot: sample i is a pure function of i, the same in every run and on every machine.
#pragma once

#include "emulation/data/dataset.h"

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace halfscope::hazards {

/// Random numbers of one sample, of one teacher, ... std::mt19937_64 is specified exactly.
class Draw {
  public:
    explicit Draw(std::uint64_t seed) : engine_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
    double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; } ///< [0, 1)
    double normal(double deviation = 1);                                        ///< mean 0
    std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(n)); }
    std::vector<double> normals(std::size_t count, double deviation = 1);

  private:
    std::mt19937_64 engine_;
};

/// One vector per input of the graph, in their order, with as many elements as a sample has.
using Sample = std::vector<std::vector<double>>;
/// Fills sample `index`.
using Sampler = std::function<void(Draw &draw, std::int64_t index, Sample &sample)>;

/// 4096 samples to train on and 256 held out, made by `sampler`.
class GeneratedDataset : public data::Dataset {
  public:
    GeneratedDataset(data::Demand demand, Sampler sampler, bool held_out)
        : demand_(std::move(demand)), sampler_(std::move(sampler)), held_out_(held_out) {}
    [[nodiscard]] std::int64_t size(data::Split split) const override;
    [[nodiscard]] std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples,
                                                     data::Split split) const override;
    [[nodiscard]] std::string description() const override { return "made by the case"; }

  private:
    data::Demand demand_;
    Sampler sampler_;
    bool held_out_;
};

[[nodiscard]] inline double dot(const std::vector<double> &a, const std::vector<double> &b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

} // namespace halfscope::hazards
