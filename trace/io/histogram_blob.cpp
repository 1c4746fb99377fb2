#include "trace/io/histogram_blob.h"

#include <stdexcept>

namespace halfscope::trace {

void encode_histogram(const std::array<std::uint64_t, 256> &exponents, std::vector<std::uint8_t> &blob) {
    blob.clear();
    std::size_t first = 0;
    while (first < exponents.size() && exponents[first] == 0) ++first;
    if (first == exponents.size()) return;
    std::size_t last = exponents.size() - 1;
    while (exponents[last] == 0) --last;
    blob.push_back(static_cast<std::uint8_t>(first));
    blob.push_back(static_cast<std::uint8_t>(last));
    for (std::size_t b = first; b <= last; ++b) {
        std::uint64_t rest = exponents[b];
        while (rest >= 0x80) {
            blob.push_back(static_cast<std::uint8_t>((rest & 0x7f) | 0x80));
            rest >>= 7;
        }
        blob.push_back(static_cast<std::uint8_t>(rest));
    }
}

void decode_histogram(std::span<const std::uint8_t> blob, std::array<std::uint64_t, 256> &exponents) {
    exponents.fill(0);
    if (blob.empty()) return;
    const auto damaged = [] { return std::runtime_error("an exponent histogram is damaged"); };
    if (blob.size() < 3 || blob[0] > blob[1]) throw damaged();
    std::size_t at = 2;
    for (std::size_t b = blob[0]; b <= blob[1]; ++b) {
        std::uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            if (at == blob.size() || shift > 63) throw damaged();
            const std::uint8_t byte = blob[at++];
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) break;
        }
        exponents[b] = value;
    }
    if (at != blob.size()) throw damaged();
}

} // namespace halfscope::trace
