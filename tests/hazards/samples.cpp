#include "tests/hazards/samples.h"

#include <cmath>
#include <numbers>

namespace halfscope::hazards {

namespace {
constexpr std::int64_t training_samples = 4096, held_out_samples = 256;
}

double Draw::normal(double deviation) {
    const double u = 1 - uniform(), v = uniform();
    return deviation * std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

std::vector<double> Draw::normals(std::size_t count, double deviation) {
    std::vector<double> values(count);
    for (double &value : values) value = normal(deviation);
    return values;
}

std::int64_t GeneratedDataset::size(data::Split split) const {
    if (split == data::Split::training) return training_samples;
    return held_out_ ? held_out_samples : 0;
}

std::vector<ops::HostTensor> GeneratedDataset::batch(std::span<const std::int64_t> samples, data::Split split) const {
    std::vector<ops::HostTensor> tensors;
    Sample sample;
    for (const data::Slot &slot : demand_.slots) {
        tensors.emplace_back(slot.dtype, slot.shape);
        sample.emplace_back(static_cast<std::size_t>(slot.shape.elements() / demand_.batch));
    }
    for (std::size_t k = 0; k < samples.size(); ++k) {
        const std::int64_t index = samples[k] + (split == data::Split::training ? 0 : training_samples);
        Draw draw(static_cast<std::uint64_t>(index) + 1000);
        sampler_(draw, index, sample);
        for (std::size_t i = 0; i < tensors.size(); ++i)
            for (std::size_t e = 0; e < sample[i].size(); ++e) {
                const std::size_t at = k * sample[i].size() + e;
                if (tensors[i].dtype == ops::DType::int64)
                    tensors[i].as<std::int64_t>()[at] = static_cast<std::int64_t>(sample[i][e]);
                else
                    tensors[i].as<float>()[at] = static_cast<float>(sample[i][e]);
            }
    }
    return tensors;
}

} // namespace halfscope::hazards
