// Samples held in arrays: the base of the IDX and .npz loaders.
#pragma once

#include "emulation/data/array.h"
#include "emulation/data/dataset.h"

#include <optional>

namespace halfscope::data {

/// How an image [channels, height, width] is placed in what the model takes: centred on a background of 0 (before
/// normalisation), one channel repeated to `channels`.
struct ImageFit {
    std::int64_t height = 0, width = 0;                             ///< of the stored image
    std::int64_t channels = 1, padded_height = 0, padded_width = 0; ///< of the model's input
};

/// The array behind one slot. shape[0] counts samples, unless `shared`: then the array is the whole tensor, the same
/// for every batch.
struct Column {
    Array array;
    bool shared = false;
    double mean = 0, deviation = 1; ///< a floating slot gets (x - mean) / deviation, rounded once to fp32
    std::optional<ImageFit> image;
};

class ArrayDataset : public Dataset {
  public:
    /// `training` and `held_out` (which may be empty) are parallel to demand.slots. Throws std::invalid_argument,
    /// naming `where` and the slot, when sizes do not fit or integers fall outside a slot's limit.
    ArrayDataset(Demand demand, std::vector<Column> training, std::vector<Column> held_out, const std::string &where,
                 std::string description, std::vector<std::string> notes);

    [[nodiscard]] std::int64_t size(Split split) const override;
    [[nodiscard]] std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples, Split split) const override;
    [[nodiscard]] std::string description() const override { return description_; }
    [[nodiscard]] std::vector<std::string> notes() const override { return notes_; }

  private:
    void check(const std::vector<Column> &columns, const std::string &where) const;

    Demand demand_;
    std::vector<Column> training_, held_out_;
    std::string description_;
    std::vector<std::string> notes_;
};

} // namespace halfscope::data
