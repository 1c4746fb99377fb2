#include "emulation/data/set_apart.h"

#include "emulation/data/sample_order.h"

#include <fmt/format.h>

#include <algorithm>

namespace halfscope::data {
namespace {

/// Of the draw; any constant would do, but it must never change.
constexpr std::uint64_t draw_seed = 0x68656c64206f7574; // "held out"

class SetApart final : public Dataset {
  public:
    SetApart(std::unique_ptr<Dataset> whole, std::int64_t held_out) : whole_(std::move(whole)) {
        const std::int64_t samples = whole_->size(Split::training);
        held_out_ = SampleOrder(Order::shuffled, draw_seed, samples).take(0, held_out);
        std::vector<bool> held(static_cast<std::size_t>(samples));
        for (const std::int64_t sample : held_out_) held[static_cast<std::size_t>(sample)] = true;
        for (std::int64_t sample = 0; sample < samples; ++sample)
            if (!held[static_cast<std::size_t>(sample)]) training_.push_back(sample);
    }

    [[nodiscard]] std::int64_t size(Split split) const override { return static_cast<std::int64_t>(of(split).size()); }
    [[nodiscard]] std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples,
                                                     Split split) const override {
        std::vector<std::int64_t> named;
        named.reserve(samples.size());
        for (const std::int64_t sample : samples) named.push_back(of(split)[static_cast<std::size_t>(sample)]);
        return whole_->batch(named, Split::training);
    }
    [[nodiscard]] std::string description() const override { return whole_->description(); }
    [[nodiscard]] std::vector<std::string> notes() const override {
        std::vector<std::string> notes = whole_->notes();
        notes.push_back(fmt::format("The data has no held-out part: {} of its {} samples, drawn once, are set apart "
                                    "and not trained on.",
                                    held_out_.size(), held_out_.size() + training_.size()));
        return notes;
    }

  private:
    [[nodiscard]] const std::vector<std::int64_t> &of(Split split) const {
        return split == Split::training ? training_ : held_out_;
    }

    std::unique_ptr<Dataset> whole_;
    std::vector<std::int64_t> training_, held_out_;
};

} // namespace

std::unique_ptr<Dataset> set_apart(std::unique_ptr<Dataset> dataset, std::int64_t batch) {
    if (dataset->size(Split::held_out) >= batch) return dataset;
    const std::int64_t samples = dataset->size(Split::training);
    const std::int64_t held_out = std::max(batch, samples / set_apart_share);
    if (dataset->size(Split::held_out) > 0 || samples < held_out + batch) return dataset;
    return std::make_unique<SetApart>(std::move(dataset), held_out);
}

} // namespace halfscope::data
