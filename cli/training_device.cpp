#include "cli/training_device.h"

#include "kernels/device.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>
#include <stdexcept>

namespace halfscope::cli {

TrainingDevice::TrainingDevice(const std::string &device, bool lockstep, int threads)
    : emulator_(ops::make_cpu_backend(threads)) {
    if (device == "cpu") {
        if (lockstep)
            throw std::invalid_argument(
                "--lockstep: there is nothing to compare the emulator with; give --device cuda too");
        return;
    }
    if (!kernels::cuda_available())
        throw std::invalid_argument("--device cuda: no CUDA device can be used here (" + kernels::cuda_status() +
                                    "); run without it, on the CPU emulator");
    cuda_ = kernels::make_cuda_backend(threads);
    if (lockstep) lockstep_.emplace(*cuda_, *emulator_);
}

ops::Backend &TrainingDevice::backend() {
    if (lockstep_) return *lockstep_;
    if (cuda_) return *cuda_;
    return *emulator_;
}

std::vector<std::string> TrainingDevice::notes() const {
    std::vector<std::string> all;
    if (cuda_) all.push_back(places_in_words(cuda_->places()));
    if (lockstep_) all.push_back(lockstep_in_words(lockstep_->counts()));
    return all;
}

std::vector<trace::Lockstep> TrainingDevice::lockstep() const {
    std::vector<trace::Lockstep> records;
    if (lockstep_)
        for (const kernels::LockstepCount &count : lockstep_->counts())
            records.push_back({count.layer, count.operation, count.runs, count.elements, count.bit_equal,
                               count.different_statistics});
    return records;
}

std::string places_in_words(const kernels::PlacesOfOperations &places) {
    const auto total = [](const std::map<std::string, std::int64_t> &counts) {
        return std::accumulate(counts.begin(), counts.end(), std::int64_t{0},
                               [](std::int64_t sum, const auto &entry) { return sum + entry.second; });
    };
    const std::int64_t on_device = total(places.on_device), on_host = total(places.on_host);
    std::string text = fmt::format("Of {} operations, {} ran on the device", on_device + on_host, on_device);
    if (on_host == 0) return text + ".";
    std::vector<std::string> names;
    for (const auto &[name, count] : places.on_host) names.push_back(fmt::format("{} ({})", name, count));
    return fmt::format("{} and {} on the host, with copies, for want of a kernel: {}.", text, on_host,
                       fmt::join(names, ", "));
}

std::string lockstep_in_words(const std::vector<kernels::LockstepCount> &counts) {
    const kernels::LockstepCount total = kernels::total_of(counts);
    std::string text =
        fmt::format("Lockstep with the emulator: bit-equal: {} of {} elements", total.bit_equal, total.elements);
    std::vector<std::string> different;
    for (const kernels::LockstepCount &count : counts)
        if (count.bit_equal != count.elements)
            different.push_back(fmt::format("{} in {} ({} of {})", count.operation,
                                            count.layer.empty() ? "no layer" : count.layer,
                                            count.elements - count.bit_equal, count.elements));
    constexpr std::size_t shown = 8;
    const std::size_t more = different.size() > shown ? different.size() - shown : 0;
    different.resize(different.size() - more);
    if (!different.empty())
        text += fmt::format("; different: {}{}", fmt::join(different, ", "),
                            more > 0 ? fmt::format(" and {} more", more) : "");
    if (total.different_statistics > 0)
        text += fmt::format("; statistics of {} results differ", total.different_statistics);
    return text + ".";
}

} // namespace halfscope::cli
