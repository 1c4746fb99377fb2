#include "emulation/data/idx.h"

#include "emulation/data/array_dataset.h"
#include "emulation/data/file_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

namespace halfscope::data {
namespace {

std::optional<std::filesystem::path> find_file(const std::filesystem::path &directory, const std::string &stem,
                                               const std::string &kind) {
    for (const char *separator : {"-", "."})
        for (const char *suffix : {"", ".gz"}) {
            auto file = directory / fmt::format("{}{}{}{}", stem, separator, kind, suffix);
            if (std::filesystem::exists(file)) return file;
        }
    return std::nullopt;
}

struct Part {
    Array images, labels;
};

std::optional<Part> read_part(const std::filesystem::path &directory, const std::string &prefix) {
    const auto images = find_file(directory, prefix + "-images", "idx3-ubyte");
    const auto labels = find_file(directory, prefix + "-labels", "idx1-ubyte");
    if (!images || !labels) return std::nullopt;
    Part part{parse_idx(read_file_or_gzip(*images), images->string()),
              parse_idx(read_file_or_gzip(*labels), labels->string())};
    if (part.images.shape.size() != 3)
        throw std::runtime_error(fmt::format("{}: images must have three axes (samples, rows, columns), these have {}",
                                             images->string(), part.images.shape.size()));
    if (part.labels.shape.size() != 1 || part.labels.shape[0] != part.images.shape[0])
        throw std::runtime_error(fmt::format("{}: it must hold one label for each of the {} images", labels->string(),
                                             part.images.shape[0]));
    return part;
}

/// How a 28x28 image goes into the slot; empty: as it is. Throws when it cannot.
std::optional<ImageFit> fit_image(const Slot &slot, std::int64_t batch, std::int64_t height, std::int64_t width,
                                  const std::string &where) {
    if (slot.shape.elements() / batch == height * width) return std::nullopt;
    if (slot.shape.rank() == 4 && slot.shape[2] >= height && slot.shape[3] >= width)
        return ImageFit{height, width, slot.shape[1], slot.shape[2], slot.shape[3]};
    throw std::invalid_argument(
        fmt::format("{}: its images are {}x{} and do not fit the model's input '{}' of shape {}", where, height, width,
                    slot.name, slot.shape.text()));
}

} // namespace

Array parse_idx(std::span<const std::byte> bytes, const std::string &where) {
    const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
    if (bytes.size() < 4 || byte(0) != 0 || byte(1) != 0)
        throw std::runtime_error(fmt::format("{}: not an IDX file (its first two bytes are not zero)", where));
    Array array;
    switch (byte(2)) {
    case 0x08: array.type = ElementType::u8; break;
    case 0x09: array.type = ElementType::i8; break;
    case 0x0b: array.type = ElementType::i16; break;
    case 0x0c: array.type = ElementType::i32; break;
    case 0x0d: array.type = ElementType::f32; break;
    case 0x0e: array.type = ElementType::f64; break;
    default: throw std::runtime_error(fmt::format("{}: IDX element type {:#04x} is unknown", where, byte(2)));
    }
    const std::size_t axes = byte(3), header = 4 + 4 * axes;
    if (bytes.size() < header) throw std::runtime_error(fmt::format("{}: the IDX header is cut short", where));
    std::uint64_t wanted = size_of(array.type);
    for (std::size_t axis = 0; axis < axes; ++axis) {
        const std::size_t at = 4 + 4 * axis;
        const std::uint64_t size = byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
        array.shape.push_back(static_cast<std::int64_t>(size));
        if (size != 0 && wanted > (std::uint64_t{1} << 50) / size)
            throw std::runtime_error(fmt::format("{}: the IDX header is damaged (absurd sizes)", where));
        wanted *= size;
    }
    if (bytes.size() - header != wanted)
        throw std::runtime_error(fmt::format("{}: holds {} bytes of data where its header announces {}", where,
                                             bytes.size() - header, wanted));
    array.bytes.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
    const std::size_t width = size_of(array.type);
    if (width > 1)
        for (auto at = array.bytes.begin(); at != array.bytes.end(); at += static_cast<std::ptrdiff_t>(width))
            std::reverse(at, at + static_cast<std::ptrdiff_t>(width));
    return array;
}

bool is_idx_directory(const std::filesystem::path &directory) {
    return find_file(directory, "train-images", "idx3-ubyte").has_value();
}

std::unique_ptr<Dataset> open_idx_directory(const std::filesystem::path &directory, const Demand &demand) {
    const std::string where = directory.string();
    auto training = read_part(directory, "train");
    if (!training)
        throw std::runtime_error(
            fmt::format("{}: train-images-idx3-ubyte and train-labels-idx1-ubyte (or .gz) are not there", where));
    auto held_out = read_part(directory, "t10k");

    // Integer sums are exact, so the figures do not depend on order.
    const std::int64_t pixels = training->images.elements();
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < pixels; ++i) {
        const double value = training->images.number_at(i);
        sum += value;
        squares += value * value;
    }
    const double mean = sum / static_cast<double>(pixels);
    const double variance = squares / static_cast<double>(pixels) - mean * mean;
    const double deviation = variance > 0 ? std::sqrt(variance) : 1;

    std::vector<Column> training_columns, held_out_columns;
    std::vector<std::string> notes;
    const std::int64_t height = training->images.shape[1], width = training->images.shape[2];
    bool images_used = false;
    for (const Slot &slot : demand.slots) {
        const bool labels = slot.target;
        if (!labels && images_used)
            throw std::invalid_argument(
                fmt::format("{}: it has one image per sample, but the model has another input '{}'", where, slot.name));
        const auto column = [&](const Part &part) {
            if (labels) return Column{part.labels, false, 0, 1, {}};
            return Column{part.images, false, mean, deviation, fit_image(slot, demand.batch, height, width, where)};
        };
        if (!labels) {
            images_used = true;
            if (!ops::is_floating(slot.dtype))
                throw std::invalid_argument(
                    fmt::format("{}: images do not fit the model's input '{}', which takes {} values", where, slot.name,
                                ops::name_of(slot.dtype)));
            if (const auto fit = fit_image(slot, demand.batch, height, width, where))
                notes.push_back(fmt::format("images of {}x{} are centred in {}x{} and given to {} channel{}", height,
                                            width, fit->padded_height, fit->padded_width, fit->channels,
                                            fit->channels == 1 ? "" : "s"));
        }
        training_columns.push_back(column(*training));
        if (held_out) held_out_columns.push_back(column(*held_out));
    }
    std::string description =
        fmt::format("{}: {} images of {}x{}, {} held out, pixels normalised by mean {:.4f} and deviation {:.4f} (of 1)",
                    where, training->images.shape[0], height, width, held_out ? held_out->images.shape[0] : 0,
                    mean / 255, deviation / 255);
    return std::make_unique<ArrayDataset>(demand, std::move(training_columns), std::move(held_out_columns), where,
                                          std::move(description), std::move(notes));
}

} // namespace halfscope::data
