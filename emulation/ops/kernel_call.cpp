#include "emulation/ops/kernel_call.h"

#include "emulation/number/round_blocks.h"
#include "emulation/ops/scratch.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace halfscope::ops {
namespace {

number::RoundArrayOptions rounding_options(const KernelCall &call, const OutputRounding &rounding, std::int64_t first) {
    number::RoundArrayOptions options;
    switch (rounding.mode) {
    case OutputRounding::Mode::nearest_even: break;
    case OutputRounding::Mode::stochastic: options.rounding = number::ArrayRounding::stochastic; break;
    case OutputRounding::Mode::toward_zero: options.rounding = number::ArrayRounding::toward_zero; break;
    }
    options.flush_subnormals = rounding.flush_subnormals;
    options.seed = call.key.seed;
    options.step = call.key.step;
    options.tensor = call.key.tensor;
    options.first_element = static_cast<std::uint64_t>(first);
    return options;
}

/// Leaves `count` C values at element `first` of a view, a multiple of a block. When `counts` is not null, counts are
/// added to it and sums[i] receives the sums of block i.
void leave(const KernelCall &call, const OutputRounding &rounding, const TensorView &view, std::int64_t first,
           std::int64_t count, const float *values, number::RangeStatistics *counts, number::BlockSums *sums) {
    std::byte *out = view.as<std::byte>() + static_cast<std::size_t>(first) * size_of(view.dtype);
    const auto n = static_cast<std::size_t>(count);
    if (counts)
        number::round_blocks(values, n, format_id(view.dtype), out, rounding_options(call, rounding, first), *counts,
                             sums);
    else
        number::round_array(values, n, format_id(view.dtype), out, rounding_options(call, rounding, first));
}

void leave(const KernelCall &call, const OutputRounding &rounding, const TensorView &view, std::int64_t first,
           std::int64_t count, const double *values, number::RangeStatistics *counts, number::BlockSums *sums) {
    if (view.dtype == DType::fp64) {
        if (values != view.as<double>() + first)
            std::memcpy(view.as<double>() + first, values, static_cast<std::size_t>(count) * sizeof(double));
        if (!counts) return;
    }
    // Reference runs only: narrowed to fp32 first, which is what statistics of fp64 tensors are defined on.
    const std::vector<float> narrow(values, values + count);
    if (view.dtype == DType::fp64)
        number::round_blocks(narrow.data(), narrow.size(), number::FormatId::fp32, nullptr, {}, *counts, sums);
    else
        leave(call, rounding, view, first, count, narrow.data(), counts, sums);
}

/// Calls body(first, count, counts, sums) for runs of whole blocks of output `index`, in parallel; `counts` is null
/// when nobody asked. Counts are merged in any order, sums in the order of their blocks: so runs may be of any length.
template <typename Body> void for_runs_of_blocks(const KernelCall &call, std::size_t index, const Body &body) {
    number::RangeStatistics *statistics = call.statistics_of(index);
    const std::int64_t total = call.outputs[index].shape.elements();
    const std::int64_t blocks = (total + produce_block - 1) / produce_block;
    if (blocks == 0) return;
    number::BlockSums *sums =
        statistics ? scratch<number::BlockSums>(Scratch::block_sums, static_cast<std::size_t>(blocks)) : nullptr;
    // Long enough that threads and the merging of counts cost little, short enough that threads share the work evenly.
    const std::int64_t each = std::clamp<std::int64_t>(blocks / (4 * call.threads.threads()), 4, 64);
    std::mutex merging;
    call.threads.run((blocks + each - 1) / each, [&](std::int64_t task) {
        const std::int64_t first = task * each * produce_block;
        const std::int64_t count = std::min(each * produce_block, total - first);
        if (!statistics) return body(first, count, nullptr, nullptr);
        number::RangeStatistics counts;
        body(first, count, &counts, sums + task * each);
        const std::lock_guard lock(merging);
        statistics->merge(counts);
    });
    if (statistics) number::add_sums(*statistics, sums, static_cast<std::size_t>(blocks));
}

template <typename C> constexpr DType dtype_of_c = std::is_same_v<C, double> ? DType::fp64 : DType::fp32;

} // namespace

bool KernelCall::in_fp64() const {
    for (const auto &view : inputs)
        if (view.dtype == DType::fp64) return true;
    for (const auto &view : outputs)
        if (view.dtype == DType::fp64) return true;
    return false;
}

void KernelCall::reject(const std::string &reason) const {
    throw std::invalid_argument(std::string(name_of(operation.kind)) + ": " + reason);
}

template <typename C> const C *load(const TensorView &view, std::int64_t first, std::int64_t count, C *scratch) {
    if (view.dtype == dtype_of_c<C>) return view.as<const C>() + first;
    const auto n = static_cast<std::size_t>(count);
    switch (view.dtype) {
    case DType::fp16:
    case DType::bf16:
        if constexpr (std::is_same_v<C, float>) {
            number::widen_array(view.as<const std::uint16_t>() + first, n, format_id(view.dtype), scratch);
        } else {
            for (std::size_t i = 0; i < n; ++i)
                scratch[i] = static_cast<C>(number::widen_16bit(
                    view.as<const std::uint16_t>()[first + static_cast<std::int64_t>(i)], format_id(view.dtype)));
        }
        break;
    case DType::fp32:
        for (std::size_t i = 0; i < n; ++i)
            scratch[i] = static_cast<C>(view.as<const float>()[static_cast<std::size_t>(first) + i]);
        break;
    case DType::fp64:
        for (std::size_t i = 0; i < n; ++i)
            scratch[i] = static_cast<C>(view.as<const double>()[static_cast<std::size_t>(first) + i]);
        break;
    case DType::int64:
        for (std::size_t i = 0; i < n; ++i)
            scratch[i] = static_cast<C>(view.as<const std::int64_t>()[static_cast<std::size_t>(first) + i]);
        break;
    case DType::boolean:
        for (std::size_t i = 0; i < n; ++i)
            scratch[i] = view.as<const std::uint8_t>()[static_cast<std::size_t>(first) + i] ? C(1) : C(0);
        break;
    }
    return scratch;
}

template <typename C> const C *load_all(const TensorView &view, std::vector<C> &storage, ThreadPool &threads) {
    if (view.dtype == dtype_of_c<C>) return view.as<const C>();
    const std::int64_t total = view.shape.elements();
    storage.resize(static_cast<std::size_t>(total));
    constexpr std::int64_t chunk = 16 * produce_block;
    threads.run((total + chunk - 1) / chunk, [&](std::int64_t task) {
        const std::int64_t first = task * chunk;
        load<C>(view, first, std::min(chunk, total - first), storage.data() + first);
    });
    return storage.data();
}

template <typename C>
void produce(const KernelCall &call, std::size_t index,
             const std::function<void(std::int64_t, std::int64_t, C *)> &fill) {
    const TensorView &view = call.outputs[index];
    const bool direct = view.dtype == dtype_of_c<C>;
    const bool rounds = !direct || call.operation.rounding != OutputRounding{};
    for_runs_of_blocks(
        call, index,
        [&](std::int64_t begin, std::int64_t length, number::RangeStatistics *counts, number::BlockSums *sums) {
            alignas(64) C scratch_block[produce_block];
            for (std::int64_t first = begin; first < begin + length; first += produce_block) {
                const std::int64_t count = std::min(produce_block, begin + length - first);
                C *out = direct ? view.as<C>() + first : scratch_block;
                fill(first, count, out);
                if (rounds || counts) leave(call, call.operation.rounding, view, first, count, out, counts, sums);
                if (sums) ++sums;
            }
        });
}

template <typename C> void store(const KernelCall &call, std::size_t index, const C *values) {
    const TensorView &view = call.outputs[index];
    const bool in_place = view.dtype == dtype_of_c<C> && values == view.as<const C>();
    if (in_place && !call.statistics_of(index) && call.operation.rounding == OutputRounding{}) return;
    for_runs_of_blocks(
        call, index,
        [&](std::int64_t first, std::int64_t count, number::RangeStatistics *counts, number::BlockSums *sums) {
            leave(call, call.operation.rounding, view, first, count, values + first, counts, sums);
        });
}

template <typename C>
void leave_block(const KernelCall &call, std::size_t index, std::int64_t first, std::int64_t count, const C *values,
                 const OutputRounding &rounding, number::RangeStatistics *statistics) {
    number::BlockSums sums;
    leave(call, rounding, call.outputs[index], first, count, values, statistics, &sums);
    if (statistics) number::add_sums(*statistics, &sums, 1);
}

void measure(const KernelCall &call, std::size_t index) {
    const TensorView &view = call.outputs[index];
    if (!call.statistics_of(index) || !is_floating(view.dtype)) return;
    for_runs_of_blocks(
        call, index,
        [&](std::int64_t begin, std::int64_t length, number::RangeStatistics *counts, number::BlockSums *sums) {
            if (view.dtype == DType::fp64)
                return leave(call, {}, view, begin, length, view.as<const double>() + begin, counts, sums);
            // Rounding what is already a number of the format changes nothing and counts what is there.
            alignas(64) float widened[produce_block];
            for (std::int64_t first = begin; first < begin + length; first += produce_block, ++sums) {
                const std::int64_t count = std::min(produce_block, begin + length - first);
                number::round_blocks(load<float>(view, first, count, widened), static_cast<std::size_t>(count),
                                     format_id(view.dtype), nullptr, {}, *counts, sums);
            }
        });
}

template const float *load<float>(const TensorView &, std::int64_t, std::int64_t, float *);
template const double *load<double>(const TensorView &, std::int64_t, std::int64_t, double *);
template const float *load_all<float>(const TensorView &, std::vector<float> &, ThreadPool &);
template const double *load_all<double>(const TensorView &, std::vector<double> &, ThreadPool &);
template void produce<float>(const KernelCall &, std::size_t,
                             const std::function<void(std::int64_t, std::int64_t, float *)> &);
template void produce<double>(const KernelCall &, std::size_t,
                              const std::function<void(std::int64_t, std::int64_t, double *)> &);
template void leave_block<float>(const KernelCall &, std::size_t, std::int64_t, std::int64_t, const float *,
                                 const OutputRounding &, number::RangeStatistics *);
template void leave_block<double>(const KernelCall &, std::size_t, std::int64_t, std::int64_t, const double *,
                                  const OutputRounding &, number::RangeStatistics *);
template void store<float>(const KernelCall &, std::size_t, const float *);
template void store<double>(const KernelCall &, std::size_t, const double *);

} // namespace halfscope::ops
