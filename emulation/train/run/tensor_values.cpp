#include "emulation/train/run/tensor_values.h"

#include "emulation/number/round_array.h"

#include <cmath>
#include <limits>

namespace halfscope::train {

std::vector<double> doubles_of(ops::Backend &backend, const ops::TensorView &view) {
    const auto count = static_cast<std::size_t>(view.shape.elements());
    std::vector<double> values(count);
    std::vector<std::byte> bytes(view.bytes());
    backend.download(bytes.data(), view.data, bytes.size());
    if (view.dtype == ops::DType::fp32) {
        const auto *floats = reinterpret_cast<const float *>(bytes.data());
        for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(floats[i]);
    } else {
        std::vector<float> wide(count);
        number::widen_array(reinterpret_cast<const std::uint16_t *>(bytes.data()), count, ops::format_id(view.dtype),
                            wide.data());
        for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(wide[i]);
    }
    return values;
}

std::vector<double> minus(std::vector<double> values, const std::vector<double> &start) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= start[i];
    return values;
}

trace::Drift drift_between(const std::vector<double> &kept, const std::vector<double> &exact) {
    double dot = 0, squares = 0, error = 0;
    std::int64_t moved = 0, stuck = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        dot += kept[i] * exact[i];
        squares += exact[i] * exact[i];
        error += (kept[i] - exact[i]) * (kept[i] - exact[i]);
        moved += exact[i] != 0;
        stuck += exact[i] != 0 && kept[i] == 0;
    }
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    const bool known = squares > 0 && std::isfinite(squares) && std::isfinite(dot) && std::isfinite(error);
    trace::Drift drift;
    drift.elements = static_cast<std::int64_t>(exact.size());
    drift.retained = known ? dot / squares : unknown;
    drift.distance = known ? std::sqrt(error / squares) : unknown;
    drift.stuck = moved > 0 ? static_cast<double>(stuck) / static_cast<double>(moved) : 0;
    return drift;
}

} // namespace halfscope::train
