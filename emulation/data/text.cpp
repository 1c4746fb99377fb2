#include "emulation/data/text.h"

#include "emulation/data/file_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace halfscope::data {
namespace {

class TextDataset final : public Dataset {
  public:
    TextDataset(Demand demand, std::vector<std::byte> text, std::array<std::uint8_t, 256> token, std::int64_t sequence,
                std::int64_t held_out, std::string description, std::vector<std::string> notes)
        : demand_(std::move(demand)),
          text_(std::move(text)),
          token_(token),
          sequence_(sequence),
          held_out_(held_out),
          description_(std::move(description)),
          notes_(std::move(notes)) {}

    [[nodiscard]] std::int64_t size(Split split) const override {
        const std::int64_t windows = (static_cast<std::int64_t>(text_.size()) - 1) / sequence_;
        return split == Split::training ? windows - held_out_ : held_out_;
    }
    [[nodiscard]] std::vector<ops::HostTensor> batch(std::span<const std::int64_t> samples,
                                                     Split split) const override {
        const std::int64_t skip = split == Split::held_out ? size(Split::training) : 0;
        std::vector<ops::HostTensor> tensors;
        for (const Slot &slot : demand_.slots) {
            ops::HostTensor tensor(ops::DType::int64, slot.shape);
            auto out = tensor.as<std::int64_t>().begin();
            for (std::int64_t sample : samples) {
                const std::int64_t first = (skip + sample) * sequence_ + (slot.target ? 1 : 0);
                for (std::int64_t i = 0; i < sequence_; ++i)
                    *out++ = token_[std::to_integer<std::size_t>(text_[static_cast<std::size_t>(first + i)])];
            }
            tensors.push_back(std::move(tensor));
        }
        return tensors;
    }
    [[nodiscard]] std::string description() const override { return description_; }
    [[nodiscard]] std::vector<std::string> notes() const override { return notes_; }

  private:
    Demand demand_;
    std::vector<std::byte> text_;
    std::array<std::uint8_t, 256> token_;
    std::int64_t sequence_, held_out_;
    std::string description_;
    std::vector<std::string> notes_;
};

} // namespace

std::unique_ptr<Dataset> open_text(const std::filesystem::path &file, const Demand &demand) {
    const std::string where = file.string();
    const auto wrong = [&](const std::string &reason) {
        throw std::invalid_argument(fmt::format(
            "{}: a text file suits a language model with one int64 input and an int64 target of the same size; {}",
            where, reason));
    };
    std::int64_t inputs = 0, sequence = 0, limit = 0;
    for (const Slot &slot : demand.slots) {
        if (slot.dtype != ops::DType::int64)
            wrong(fmt::format("this model's '{}' takes {}", slot.name, ops::name_of(slot.dtype)));
        if (!slot.target && ++inputs > 1) wrong(fmt::format("this model has a second input '{}'", slot.name));
        const std::int64_t elements = slot.shape.elements() / demand.batch;
        if (sequence != 0 && elements != sequence)
            wrong(fmt::format("this model's '{}' has shape {}", slot.name, slot.shape.text()));
        sequence = elements;
        if (slot.limit > 0 && (limit == 0 || slot.limit < limit)) limit = slot.limit;
    }
    if (inputs == 0) wrong("this model has no input");

    auto text = read_file_or_gzip(file);
    const std::int64_t windows = text.empty() ? 0 : (static_cast<std::int64_t>(text.size()) - 1) / sequence;
    if (windows < 1)
        throw std::runtime_error(fmt::format("{}: it holds {} bytes, fewer than one sequence of {} and a next byte",
                                             where, text.size(), sequence));
    std::array<bool, 256> present{};
    for (std::byte byte : text) present[std::to_integer<std::size_t>(byte)] = true;
    std::array<std::uint8_t, 256> token{};
    int distinct = 0, largest = 0;
    for (int byte = 0; byte < 256; ++byte) {
        token[static_cast<std::size_t>(byte)] = static_cast<std::uint8_t>(byte);
        if (present[static_cast<std::size_t>(byte)]) ++distinct, largest = byte;
    }
    std::vector<std::string> notes;
    if (limit > 0 && largest >= limit) {
        if (distinct > limit)
            throw std::invalid_argument(
                fmt::format("{}: it has {} distinct bytes, but the model knows {} tokens", where, distinct, limit));
        std::uint8_t next = 0;
        for (std::size_t byte = 0; byte < 256; ++byte)
            if (present[byte]) token[byte] = next++;
        notes.push_back(fmt::format("the text's {} distinct bytes are renumbered, since the model knows {} tokens",
                                    distinct, limit));
    }
    const std::int64_t held_out = windows >= 20 ? windows / 10 : 0;
    std::string description = fmt::format("{}: {} bytes as tokens, {} windows of {}, the last {} held out", where,
                                          text.size(), windows, sequence, held_out);
    return std::make_unique<TextDataset>(demand, std::move(text), token, sequence, held_out, std::move(description),
                                         std::move(notes));
}

} // namespace halfscope::data
