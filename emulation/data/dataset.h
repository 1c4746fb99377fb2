// Samples for training: what a graph asks for, and who can give it.
#pragma once

#include "emulation/ops/tensor.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace halfscope::data {

/// One input of the graph that each batch must fill. A batch is the samples one after another in row-major order, so a
/// sample is elements(shape) / batch consecutive elements (an LM target may be [batch * seq]).
struct Slot {
    std::string name;
    ops::DType dtype = ops::DType::fp32;
    ops::Shape shape; ///< of the whole batch
    bool target = false;
    /// int64 slots: values must lie in [0, limit) (classes of a target, rows of an embedding); 0: unknown.
    std::int64_t limit = 0;
    /// Its size is no multiple of the batch (the edges of a graph, a mask): it is filled as a whole, the same each
    /// time.
    bool whole = false;
};
/// Elements that one sample gives to a slot; all of it where it is whole.
[[nodiscard]] inline std::int64_t sample_elements(const Slot &slot, std::int64_t batch) {
    return slot.whole ? slot.shape.elements() : slot.shape.elements() / batch;
}

/// What the targets mean to the loss; synthetic data is made to suit.
enum class Task : std::uint8_t {
    classification, ///< int64 classes
    regression,     ///< floating values
    binary,         ///< floating 0 or 1
    language_model, ///< int64 next tokens
    none,           ///< no target
};

struct Demand {
    std::vector<Slot> slots;
    std::int64_t batch = 1;
    Task task = Task::none;
};

enum class Split : std::uint8_t { training, held_out };

class Dataset {
  public:
    virtual ~Dataset() = default;
    /// Number of samples; 0 when there is no held-out part.
    [[nodiscard]] virtual std::int64_t size(Split split) const = 0;
    /// One tensor per slot of the demand, with the slot's dtype and shape. `samples` has Demand::batch indices, each in
    /// [0, size(split)). Safe to call from several threads.
    [[nodiscard]] virtual std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples,
                                                             Split split) const = 0;
    /// One sentence: what it is, how many samples, how they were normalised.
    [[nodiscard]] virtual std::string description() const = 0;
    /// What was adapted to suit the model (padding, repeated channels, remapped bytes); one sentence each.
    [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }
};

/// Opens `spec`: "fashion-mnist" or "mnist" (Debian's dataset package, or a directory of that name), "synthetic" (also
/// the empty string), an IDX directory, a .npz file, or any other file as text of bytes for a language model.
/// Throws std::runtime_error or std::invalid_argument with one sentence: missing file, damaged file, shapes that do not
/// fit the demand.
[[nodiscard]] std::unique_ptr<Dataset> open_dataset(const std::string &spec, const Demand &demand);

} // namespace halfscope::data
