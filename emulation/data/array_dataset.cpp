#include "emulation/data/array_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace halfscope::data {
namespace {

/// Where all columns are shared, they are one batch.
std::int64_t samples_of(const std::vector<Column> &columns, std::int64_t batch) {
    for (const Column &column : columns)
        if (!column.shared) return column.array.shape.empty() ? 0 : column.array.shape.front();
    return columns.empty() ? 0 : batch;
}

/// Throws when integers fall outside what the slot takes.
void check_limit(const Column &column, const Slot &slot, const std::string &where) {
    if (slot.limit <= 0 || slot.dtype != ops::DType::int64) return;
    if (is_floating(column.array.type))
        throw std::invalid_argument(
            fmt::format("{}: '{}' must be integers, but the array is floating point", where, slot.name));
    const std::int64_t total = column.array.elements();
    for (std::int64_t index = 0; index < total; ++index) {
        const std::int64_t value = column.array.integer_at(index);
        // -100 is PyTorch's default ignore_index: a target that is not counted.
        if ((value >= 0 && value < slot.limit) || (slot.target && value == -100)) continue;
        throw std::invalid_argument(
            fmt::format("{}: '{}' holds {}, but the model takes 0 to {}", where, slot.name, value, slot.limit - 1));
    }
}

/// Writes one sample of a column, as the slot wants it.
void write_sample(const Column &column, const Slot &slot, std::int64_t sample, std::int64_t elements, std::byte *out) {
    const std::int64_t stored = column.array.elements() / std::max<std::int64_t>(1, column.array.shape.front());
    const std::int64_t first = sample * stored;
    if (column.mean == 0 && column.deviation == 1 && !column.image) {
        convert(column.array, first, elements, slot.dtype, out);
        return;
    }
    Array normalised{ElementType::f32, {elements}, std::vector<std::byte>(static_cast<std::size_t>(elements) * 4)};
    auto *values = reinterpret_cast<float *>(normalised.bytes.data());
    const auto value_at = [&](std::int64_t index) {
        return static_cast<float>((column.array.number_at(first + index) - column.mean) / column.deviation);
    };
    if (!column.image) {
        for (std::int64_t i = 0; i < elements; ++i) values[i] = value_at(i);
    } else {
        const ImageFit &fit = *column.image;
        std::fill(values, values + elements, static_cast<float>(-column.mean / column.deviation));
        const std::int64_t top = (fit.padded_height - fit.height) / 2, left = (fit.padded_width - fit.width) / 2;
        for (std::int64_t channel = 0; channel < fit.channels; ++channel)
            for (std::int64_t y = 0; y < fit.height; ++y)
                for (std::int64_t x = 0; x < fit.width; ++x)
                    values[(channel * fit.padded_height + top + y) * fit.padded_width + left + x] =
                        value_at(y * fit.width + x);
    }
    convert(normalised, 0, elements, slot.dtype, out);
}

} // namespace

ArrayDataset::ArrayDataset(Demand demand, std::vector<Column> training, std::vector<Column> held_out,
                           const std::string &where, std::string description, std::vector<std::string> notes)
    : demand_(std::move(demand)),
      training_(std::move(training)),
      held_out_(std::move(held_out)),
      description_(std::move(description)),
      notes_(std::move(notes)) {
    check(training_, where);
    if (!held_out_.empty()) check(held_out_, where + " (held-out part)");
}

void ArrayDataset::check(const std::vector<Column> &columns, const std::string &where) const {
    const std::int64_t samples = samples_of(columns, demand_.batch);
    if (samples == 0) throw std::invalid_argument(fmt::format("{}: it holds no samples", where));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const Slot &slot = demand_.slots[i];
        const Column &column = columns[i];
        const std::int64_t wanted = sample_elements(slot, demand_.batch);
        if (column.shared) {
            check_limit(column, slot, where);
            continue;
        }
        if (slot.whole)
            throw std::invalid_argument(fmt::format(
                "{}: '{}' cannot be cut into the {} samples of a batch, so its array must be of the model's shape {}",
                where, slot.name, demand_.batch, slot.shape.text()));
        if (column.array.shape.empty() || column.array.shape.front() != samples)
            throw std::invalid_argument(
                fmt::format("{}: '{}' has {} samples where the first array has {}", where, slot.name,
                            column.array.shape.empty() ? 1 : column.array.shape.front(), samples));
        const std::int64_t stored = column.array.elements() / samples;
        if (!column.image && stored != wanted)
            throw std::invalid_argument(fmt::format(
                "{}: a sample of '{}' has {} values, but the model's input of shape {} needs {} per sample at batch {}",
                where, slot.name, stored, slot.shape.text(), wanted, demand_.batch));
        check_limit(column, slot, where);
    }
}

std::int64_t ArrayDataset::size(Split split) const {
    return samples_of(split == Split::training ? training_ : held_out_, demand_.batch);
}

std::vector<ops::HostTensor> ArrayDataset::batch(std::span<const std::int64_t> samples, Split split) const {
    const std::vector<Column> &columns = split == Split::training ? training_ : held_out_;
    std::vector<ops::HostTensor> tensors;
    tensors.reserve(demand_.slots.size());
    for (std::size_t i = 0; i < demand_.slots.size(); ++i) {
        const Slot &slot = demand_.slots[i];
        ops::HostTensor tensor(slot.dtype, slot.shape);
        if (columns[i].shared) {
            convert(columns[i].array, 0, slot.shape.elements(), slot.dtype, tensor.bytes.data());
        } else {
            const std::int64_t elements = sample_elements(slot, demand_.batch);
            const std::size_t width = static_cast<std::size_t>(elements) * ops::size_of(slot.dtype);
            for (std::size_t at = 0; at < samples.size(); ++at)
                write_sample(columns[i], slot, samples[at], elements, tensor.bytes.data() + at * width);
        }
        tensors.push_back(std::move(tensor));
    }
    return tensors;
}

} // namespace halfscope::data
