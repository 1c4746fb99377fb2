// Random encodings: Philox words, one after the other, turned into values of a format.
#pragma once

#include "emulation/number/encoding.h"
#include "emulation/number/philox.h"

#include <cstdint>

namespace halfscope::kernels {

class Draw {
  public:
    /// Streams of different `tensor` are independent.
    Draw(std::uint64_t seed, std::uint32_t tensor) : stream_{seed, 0, tensor, number::RandomPurpose::data} {}

    [[nodiscard]] std::uint32_t word() {
        if (at_ % 4 == 0) block_ = stream_.block(at_ / 4);
        return block_[at_++ % 4];
    }
    /// Uniform in [0, count); the bias is below count / 2^32.
    [[nodiscard]] std::uint32_t below(std::uint32_t count) {
        return static_cast<std::uint32_t>((std::uint64_t{word()} * count) >> 32);
    }
    [[nodiscard]] int between(int low, int high) {
        return low + static_cast<int>(below(static_cast<std::uint32_t>(high - low + 1)));
    }
    [[nodiscard]] bool coin() { return (word() >> 31) != 0; }

    /// Any encoding at all, NaN and infinity included, of a format of at most 32 bits.
    [[nodiscard]] std::uint32_t pattern(const number::Format &f) {
        const auto any = static_cast<std::uint32_t>(word() & number::ones(f.storage_bits));
        return static_cast<std::uint32_t>(any >> f.padding_bits() << f.padding_bits());
    }

    /// A normal value with an exponent in [lowest, highest], clamped to the format's range; sign and significand
    /// uniform.
    [[nodiscard]] std::uint32_t normal(const number::Format &f, int lowest, int highest) {
        const auto inside = [&](int e) { return e < f.emin ? f.emin : e > f.emax ? f.emax : e; };
        const int biased = between(inside(lowest), inside(highest)) + f.bias();
        const std::uint64_t fraction = word() & number::ones(f.precision - 1);
        return static_cast<std::uint32_t>(number::encode(f, coin(), static_cast<std::uint64_t>(biased), fraction));
    }

    [[nodiscard]] std::uint32_t subnormal(const number::Format &f) {
        return static_cast<std::uint32_t>(number::encode(f, coin(), 0, word() & number::ones(f.precision - 1)));
    }

    /// As encountered in networks: a sum of four uniforms, about normal, of standard deviation 2^scale.
    [[nodiscard]] float bell(int scale);

  private:
    number::RandomStream stream_;
    number::PhiloxBlock block_{};
    std::uint64_t at_ = 0;
};

} // namespace halfscope::kernels
