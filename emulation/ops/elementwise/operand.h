// One operand of an elementwise operation, read block by block as T (float, double or int64), broadcast to the output.
#pragma once

#include "emulation/ops/elementwise/broadcast.h"
#include "emulation/ops/kernel_call.h"

#include <algorithm>
#include <vector>

namespace halfscope::ops::elementwise {

/// Elements handled at a time: small enough that three operands and a result stay in the first-level cache.
inline constexpr std::int64_t piece = 1024;

/// Elements [first, first + count) of an int64 or boolean view: a pointer into it, or `scratch`.
const std::int64_t *load_integers(const TensorView &view, std::int64_t first, std::int64_t count,
                                  std::int64_t *scratch);

template <typename T> const T *load_as(const TensorView &view, std::int64_t first, std::int64_t count, T *scratch) {
    if constexpr (std::is_same_v<T, std::int64_t>)
        return load_integers(view, first, count, scratch);
    else
        return load<T>(view, first, count, scratch);
}

template <typename T> class Operand {
  public:
    Operand(const TensorView &view, const Shape &output, ThreadPool &threads)
        : view_(view), broadcast_(view.shape, output) {
        if (broadcast_.same()) return;
        // A broadcast operand is smaller than the output, so it is converted once, before its elements are repeated.
        const std::int64_t total = view.shape.elements();
        storage_.resize(static_cast<std::size_t>(total));
        values_ = storage_.data();
        constexpr std::int64_t chunk = 16 * produce_block;
        threads.run((total + chunk - 1) / chunk, [&](std::int64_t task) {
            const std::int64_t first = task * chunk, count = std::min(chunk, total - first);
            T *own = storage_.data() + first;
            const T *loaded = load_as<T>(view, first, count, own);
            if (loaded != own) std::copy_n(loaded, count, own);
        });
    }
    Operand(Operand &&) noexcept = default;

    /// Elements [first, first + count) of the output's flat order: a pointer to them, or `scratch`.
    const T *read(std::int64_t first, std::int64_t count, T *scratch) const {
        if (broadcast_.same()) return load_as<T>(view_, first, count, scratch);
        broadcast_.read(values_, first, count, scratch);
        return scratch;
    }

  private:
    TensorView view_;
    Broadcast broadcast_;
    std::vector<T> storage_;
    const T *values_ = nullptr;
};

/// All operands of a call; shapes that do not broadcast are rejected in the operation's name.
template <typename T> std::vector<Operand<T>> operands_of(const KernelCall &call, std::size_t count) {
    std::vector<Operand<T>> operands;
    operands.reserve(count);
    try {
        for (std::size_t k = 0; k < count; ++k)
            operands.emplace_back(call.inputs[k], call.outputs[0].shape, call.threads);
    } catch (const std::invalid_argument &error) {
        call.reject(error.what());
    }
    return operands;
}

/// Calls body(first, count, pointers) over the pieces of [first, first + count).
template <typename T, typename Body>
void for_pieces(const std::vector<Operand<T>> &operands, std::int64_t first, std::int64_t count, Body body) {
    alignas(64) T scratch[3][piece];
    const T *pointers[3] = {};
    for (std::int64_t done = 0; done < count; done += piece) {
        const std::int64_t part = std::min(piece, count - done);
        for (std::size_t k = 0; k < operands.size(); ++k)
            pointers[k] = operands[k].read(first + done, part, scratch[k]);
        body(done, part, pointers);
    }
}

/// Calls fill(first, count, out) over blocks of an output that is not rounded (int64 or boolean), in parallel.
template <typename T, typename Fill> void write_exact(const KernelCall &call, Fill fill) {
    const TensorView &view = call.outputs[0];
    const std::int64_t total = view.shape.elements();
    constexpr std::int64_t chunk = 4 * produce_block;
    call.threads.run((total + chunk - 1) / chunk, [&](std::int64_t task) {
        const std::int64_t first = task * chunk;
        fill(first, std::min(chunk, total - first), view.as<T>() + first);
    });
}

} // namespace halfscope::ops::elementwise
