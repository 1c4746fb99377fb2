#include "cli/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace halfscope::cli {
namespace {

constexpr std::int64_t batches_looked_at = 16;

/// http://www.isthe.com/chongo/tech/comp/fnv/
class Fnv1a {
  public:
    void add(std::span<const std::byte> bytes) {
        for (const std::byte byte : bytes) hash_ = (hash_ ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
    }
    void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
    void add(std::int64_t value) { add(std::as_bytes(std::span(&value, 1))); }
    [[nodiscard]] std::string text() const { return fmt::format("{:016x}", hash_); }

  private:
    std::uint64_t hash_ = 0xcbf29ce484222325;
};

} // namespace

std::string fingerprint_of(const model::Graph &graph) {
    Fnv1a hash;
    for (const model::Node &node : graph.nodes) {
        hash.add(ops::name_of(node.operation.kind));
        for (const model::ValueId input : node.inputs) hash.add(std::int64_t{input});
    }
    for (const model::Value &value : graph.values) {
        if (!value.data) continue;
        hash.add(value.name);
        hash.add(value.shape.text());
        hash.add(value.data->bytes);
    }
    return hash.text();
}

std::string fingerprint_of(const data::Dataset &dataset, std::int64_t batch) {
    Fnv1a hash;
    hash.add(dataset.description());
    for (const data::Split split : {data::Split::training, data::Split::held_out}) {
        const std::int64_t batches = dataset.size(split) / batch, looked_at = std::min(batches, batches_looked_at);
        hash.add(dataset.size(split));
        for (std::int64_t i = 0; i < looked_at; ++i) {
            std::vector<std::int64_t> samples;
            for (std::int64_t k = 0; k < batch; ++k) samples.push_back(i * batches / looked_at * batch + k);
            for (const ops::HostTensor &tensor : dataset.batch(samples, split)) hash.add(tensor.bytes);
        }
    }
    return hash.text();
}

std::string fingerprint_of_file(const std::filesystem::path &file) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) return "";
    std::ifstream in(file, std::ios::binary);
    Fnv1a hash;
    std::array<char, 1 << 16> buffer{};
    while (in) {
        in.read(buffer.data(), buffer.size());
        hash.add(std::as_bytes(std::span(buffer.data(), static_cast<std::size_t>(in.gcount()))));
    }
    if (!in.eof()) throw std::runtime_error(fmt::format("{}: it cannot be read", file.string()));
    return hash.text();
}

} // namespace halfscope::cli
