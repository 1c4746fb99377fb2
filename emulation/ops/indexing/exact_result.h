// A result whose elements are copies of operand elements.
#pragma once

#include "emulation/ops/kernel_call.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace halfscope::ops::indexing {

/// Makes output 0 out of runs of `run` consecutive elements: run r is a copy of the `run` elements of `source` from
/// source_of(r) on. Between equal dtypes bits are copied and the stored values measured; a floating result of another
/// dtype than its source is converted, rounded and measured as any result is.
template <typename SourceOf>
void copy_runs(const KernelCall &call, const TensorView &source, std::int64_t run, const SourceOf &source_of) {
    const TensorView &out = call.outputs[0];
    const std::int64_t total = out.shape.elements();
    if (total == 0) return;
    if (out.dtype != source.dtype && !(is_floating(out.dtype) && is_floating(source.dtype)))
        call.reject("cannot turn " + std::string(name_of(source.dtype)) + " into " + std::string(name_of(out.dtype)));

    // Calls part(offset in the block, first source element, elements) for the runs of the block [first, first + count).
    const auto for_each_part = [&](std::int64_t first, std::int64_t count, const auto &part) {
        for (std::int64_t at = first; at < first + count;) {
            const std::int64_t inside = at % run, length = std::min(run - inside, first + count - at);
            part(at - first, source_of(at / run) + inside, length);
            at += length;
        }
    };
    if (is_floating(out.dtype) && (out.dtype != source.dtype || !is_16bit(out.dtype))) {
        const auto convert = [&]<typename C>(C) {
            produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *values) {
                for_each_part(first, count, [&](std::int64_t offset, std::int64_t from, std::int64_t length) {
                    const C *loaded = load<C>(source, from, length, values + offset);
                    if (loaded != values + offset) std::copy(loaded, loaded + length, values + offset);
                });
            });
        };
        call.in_fp64() ? convert(double{}) : convert(float{});
        return;
    }
    const std::size_t element = size_of(out.dtype);
    number::RangeStatistics *statistics = is_floating(out.dtype) ? call.statistics_of(0) : nullptr;
    const std::int64_t blocks = (total + produce_block - 1) / produce_block;
    std::vector<number::RangeStatistics> parts(statistics ? static_cast<std::size_t>(blocks) : 0);
    call.threads.run(blocks, [&](std::int64_t block) {
        const std::int64_t first = block * produce_block, count = std::min(produce_block, total - first);
        std::byte *values = out.as<std::byte>() + static_cast<std::size_t>(first) * element;
        for_each_part(first, count, [&](std::int64_t offset, std::int64_t from, std::int64_t length) {
            std::memcpy(values + static_cast<std::size_t>(offset) * element,
                        source.as<const std::byte>() + static_cast<std::size_t>(from) * element,
                        static_cast<std::size_t>(length) * element);
        });
        if (statistics)
            number::measure_array(values, static_cast<std::size_t>(count), format_id(out.dtype),
                                  parts[static_cast<std::size_t>(block)]);
    });
    for (const auto &part : parts) statistics->merge(part);
}

} // namespace halfscope::ops::indexing
