#include "emulation/data/synthetic.h"

#include "emulation/data/array.h"
#include "emulation/number/philox.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace halfscope::data {
namespace {

/// Streams are told apart by the `tensor` word: what is drawn, and for which slot.
enum class Draw : std::uint32_t { value = 0, label, pattern, teacher, chain };

class Random {
  public:
    Random(std::uint64_t seed, Draw draw, std::size_t slot, std::int64_t sample)
        : stream_{seed, static_cast<std::uint32_t>(sample),
                  static_cast<std::uint32_t>(draw) << 24 | static_cast<std::uint32_t>(slot),
                  number::RandomPurpose::data} {}

    std::uint32_t word() {
        if (next_ % 4 == 0) block_ = stream_.block(next_ / 4);
        return block_[next_++ % 4];
    }
    std::int64_t below(std::int64_t limit) {
        return static_cast<std::int64_t>((std::uint64_t{word()} * static_cast<std::uint64_t>(limit)) >> 32);
    }
    /// Sum of 12 uniforms of 16 bits, minus its mean: variance 1, exact in double.
    double normal() {
        std::int64_t sum = 0;
        for (int i = 0; i < 6; ++i) {
            const std::uint32_t bits = word();
            sum += (bits & 0xffff) + (bits >> 16);
        }
        return (static_cast<double>(sum) - 6.0 * 65535.0) / 65536.0;
    }

  private:
    number::RandomStream stream_;
    number::PhiloxBlock block_{};
    std::uint64_t next_ = 0;
};

/// Values a teacher reads from a sample; more would only cost time.
constexpr std::int64_t teacher_inputs = 64;
/// Strength of the class pattern against noise of deviation 1: easy to learn, not trivial.
constexpr double pattern_strength = 0.5;
/// Tokens of a classified sequence that tell the class.
constexpr int telling_in_16 = 4;
constexpr int chain_followed_in_10 = 9;
constexpr std::int64_t default_limit = 2;

class SyntheticDataset final : public Dataset {
  public:
    SyntheticDataset(const Demand &demand, std::uint64_t seed) : demand_(demand), seed_(seed) {}

    [[nodiscard]] std::int64_t size(Split split) const override {
        return split == Split::training ? synthetic_samples : synthetic_held_out;
    }
    [[nodiscard]] std::string description() const override {
        return fmt::format("synthetic: {} samples made to suit the model's inputs, {} held out", synthetic_samples,
                           synthetic_held_out);
    }
    [[nodiscard]] std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples,
                                                     Split split) const override {
        std::vector<ops::HostTensor> tensors;
        for (const Slot &slot : demand_.slots) tensors.emplace_back(slot.dtype, slot.shape);
        for (std::size_t at = 0; at < samples.size(); ++at) {
            const auto sample = make_sample(samples[at] + (split == Split::held_out ? synthetic_samples : 0));
            for (std::size_t i = 0; i < tensors.size(); ++i) {
                const std::int64_t count = elements(i);
                if (demand_.slots[i].whole && at > 0) continue;
                convert(sample[i], 0, count, demand_.slots[i].dtype,
                        tensors[i].bytes.data() +
                            at * static_cast<std::size_t>(count) * ops::size_of(demand_.slots[i].dtype));
            }
        }
        return tensors;
    }

  private:
    [[nodiscard]] std::int64_t elements(std::size_t slot) const {
        return sample_elements(demand_.slots[slot], demand_.batch);
    }
    [[nodiscard]] std::int64_t limit(std::size_t slot) const {
        return demand_.slots[slot].limit > 0 ? demand_.slots[slot].limit : default_limit;
    }
    static void set(Array &array, std::int64_t index, double value) {
        std::memcpy(array.bytes.data() + static_cast<std::size_t>(index) * 8, &value, 8);
    }
    static void set(Array &array, std::int64_t index, std::int64_t value) {
        std::memcpy(array.bytes.data() + static_cast<std::size_t>(index) * 8, &value, 8);
    }
    [[nodiscard]] Array empty(std::size_t slot) const {
        const bool integers = demand_.slots[slot].dtype == ops::DType::int64;
        return {integers ? ElementType::i64 : ElementType::f64,
                {elements(slot)},
                std::vector<std::byte>(static_cast<std::size_t>(elements(slot)) * 8)};
    }

    /// Inputs first, since targets are made from them.
    [[nodiscard]] std::vector<Array> make_sample(std::int64_t sample) const {
        std::vector<Array> arrays(demand_.slots.size());
        const std::int64_t label = Random(seed_, Draw::label, 0, sample).below(classes());
        for (std::size_t i = 0; i < arrays.size(); ++i)
            if (!demand_.slots[i].target) arrays[i] = make_input(i, demand_.slots[i].whole ? 0 : sample, label);
        for (std::size_t i = 0; i < arrays.size(); ++i)
            if (demand_.slots[i].target) arrays[i] = make_target(i, sample, label, arrays);
        return arrays;
    }
    [[nodiscard]] std::int64_t classes() const {
        for (std::size_t i = 0; i < demand_.slots.size(); ++i)
            if (demand_.slots[i].target && demand_.slots[i].dtype == ops::DType::int64) return limit(i);
        return default_limit;
    }

    [[nodiscard]] Array make_input(std::size_t slot, std::int64_t sample, std::int64_t label) const {
        Array array = empty(slot);
        const std::int64_t count = elements(slot);
        const ops::DType dtype = demand_.slots[slot].dtype;
        if (dtype == ops::DType::boolean) {
            for (std::int64_t i = 0; i < count; ++i) set(array, i, 1.0);
        } else if (dtype == ops::DType::int64) {
            if (demand_.task == Task::language_model) return chain(slot, sample, 0);
            Random values(seed_, Draw::value, slot, sample), tokens(seed_, Draw::pattern, slot, label);
            for (std::int64_t i = 0; i < count; ++i) {
                const bool telling = demand_.task == Task::classification && values.word() % 16 < telling_in_16;
                const std::int64_t token = tokens.below(limit(slot)), other = values.below(limit(slot));
                set(array, i, telling ? token : other);
            }
        } else {
            Random noise(seed_, Draw::value, slot, sample), pattern(seed_, Draw::pattern, slot, label);
            const double strength = demand_.task == Task::classification ? pattern_strength : 0;
            for (std::int64_t i = 0; i < count; ++i) {
                double value = noise.normal();
                if (strength != 0) value += strength * pattern.normal();
                set(array, i, value);
            }
        }
        return array;
    }

    /// Tokens shift .. shift + count of the sample's sequence.
    [[nodiscard]] Array chain(std::size_t slot, std::int64_t sample, std::int64_t shift) const {
        Array array = empty(slot);
        const std::int64_t count = elements(slot), tokens = limit(slot);
        Random walk(seed_, Draw::value, 0, sample);
        std::int64_t token = walk.below(tokens);
        for (std::int64_t i = 0; i < count + shift; ++i) {
            if (i >= shift) set(array, i - shift, token);
            const bool follow = walk.below(10) < chain_followed_in_10;
            const std::int64_t other = walk.below(tokens);
            token = follow ? Random(seed_, Draw::chain, 0, token).below(tokens) : other;
        }
        return array;
    }

    [[nodiscard]] Array make_target(std::size_t slot, std::int64_t sample, std::int64_t label,
                                    const std::vector<Array> &inputs) const {
        if (demand_.task == Task::language_model && demand_.slots[slot].dtype == ops::DType::int64)
            return chain(slot, sample, 1);
        Array array = empty(slot);
        const std::int64_t count = elements(slot);
        for (std::int64_t i = 0; i < count; ++i) {
            if (demand_.slots[slot].dtype == ops::DType::int64) {
                set(array, i, label);
                continue;
            }
            const double taught = teach(slot, i, inputs);
            set(array, i, demand_.task == Task::binary ? (taught > 0 ? 1.0 : 0.0) : taught);
        }
        return array;
    }

    /// Output `index` of the teacher: a +-1 weighted mean of a few inputs, squashed by t / (1 + |t|).
    [[nodiscard]] double teach(std::size_t slot, std::int64_t index, const std::vector<Array> &inputs) const {
        Random weights(seed_, Draw::teacher, slot, index);
        double sum = 0;
        std::int64_t used = 0;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const Slot &input = demand_.slots[i];
            if (input.target || input.dtype == ops::DType::boolean) continue;
            const std::int64_t available = elements(i), reads = std::min(available, teacher_inputs);
            for (std::int64_t k = 0; k < reads; ++k, ++used) {
                const std::int64_t at = available <= teacher_inputs ? k : weights.below(available);
                double value = inputs[i].number_at(at);
                if (input.dtype == ops::DType::int64) value = 2 * value / static_cast<double>(limit(i)) - 1;
                sum += weights.word() & 1 ? value : -value;
            }
        }
        if (used == 0) return 0.5;
        const double taught = 2 * sum / std::sqrt(static_cast<double>(used));
        return taught / (1 + std::abs(taught));
    }

    Demand demand_;
    std::uint64_t seed_;
};

} // namespace

std::unique_ptr<Dataset> make_synthetic(const Demand &demand, std::uint64_t seed) {
    return std::make_unique<SyntheticDataset>(demand, seed);
}

} // namespace halfscope::data
