#include "emulation/ops/kernel_call.h"

#include "emulation/number/round_array.h"

#include <cstring>

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

/// Leaves `count` C values at element `first` of a view; statistics of the block are merged into `statistics`.
void leave(const KernelCall &call, const OutputRounding &rounding, const TensorView &view, std::int64_t first,
           std::int64_t count, const float *values, number::RangeStatistics *statistics) {
    std::byte *out = view.as<std::byte>() + static_cast<std::size_t>(first) * size_of(view.dtype);
    number::round_array(values, static_cast<std::size_t>(count), format_id(view.dtype), out,
                        rounding_options(call, rounding, first), statistics);
}

void leave(const KernelCall &call, const OutputRounding &rounding, const TensorView &view, std::int64_t first,
           std::int64_t count, const double *values, number::RangeStatistics *statistics) {
    if (view.dtype == DType::fp64) {
        if (values != view.as<double>() + first)
            std::memcpy(view.as<double>() + first, values, static_cast<std::size_t>(count) * sizeof(double));
        if (!statistics) return;
    }
    // Reference runs only: narrowed to fp32 first, which is what statistics of fp64 tensors are defined on.
    std::vector<float> narrow(values, values + count);
    if (view.dtype == DType::fp64)
        number::round_array(narrow.data(), narrow.size(), number::FormatId::fp32, nullptr, {}, statistics);
    else
        leave(call, rounding, view, first, count, narrow.data(), statistics);
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
    number::RangeStatistics *statistics = call.statistics_of(index);
    const std::int64_t total = view.shape.elements();
    const std::int64_t blocks = (total + produce_block - 1) / produce_block;
    const bool direct = view.dtype == dtype_of_c<C>;
    std::vector<number::RangeStatistics> parts(statistics ? static_cast<std::size_t>(blocks) : 0);
    // A task is a fixed run of blocks, so that small tensors do not pay for threads.
    constexpr std::int64_t blocks_per_task = 4;
    call.threads.run((blocks + blocks_per_task - 1) / blocks_per_task, [&](std::int64_t task) {
        alignas(64) C scratch[produce_block];
        for (std::int64_t block = task * blocks_per_task; block < std::min(blocks, (task + 1) * blocks_per_task);
             ++block) {
            const std::int64_t first = block * produce_block;
            const std::int64_t count = std::min(produce_block, total - first);
            C *out = direct ? view.as<C>() + first : scratch;
            fill(first, count, out);
            number::RangeStatistics *part = statistics ? &parts[static_cast<std::size_t>(block)] : nullptr;
            if (!direct || part || call.operation.rounding != OutputRounding{})
                leave(call, call.operation.rounding, view, first, count, out, part);
        }
    });
    for (const auto &part : parts) statistics->merge(part);
}

template <typename C> void store(const KernelCall &call, std::size_t index, const C *values) {
    const TensorView &view = call.outputs[index];
    if (view.dtype == dtype_of_c<C> && values == view.as<const C>()) {
        produce<C>(call, index, [](std::int64_t, std::int64_t, C *) {});
        return;
    }
    produce<C>(call, index, [&](std::int64_t first, std::int64_t count, C *out) {
        std::memcpy(out, values + first, static_cast<std::size_t>(count) * sizeof(C));
    });
}

template <typename C>
void leave_block(const KernelCall &call, std::size_t index, std::int64_t first, std::int64_t count, const C *values,
                 const OutputRounding &rounding, number::RangeStatistics *statistics) {
    leave(call, rounding, call.outputs[index], first, count, values, statistics);
}

void measure(const KernelCall &call, std::size_t index) {
    number::RangeStatistics *statistics = call.statistics_of(index);
    const TensorView &view = call.outputs[index];
    if (!statistics || !is_floating(view.dtype)) return;
    const std::int64_t total = view.shape.elements();
    std::vector<number::RangeStatistics> parts(static_cast<std::size_t>((total + produce_block - 1) / produce_block));
    call.threads.run(static_cast<std::int64_t>(parts.size()), [&](std::int64_t block) {
        const std::int64_t first = block * produce_block, count = std::min(produce_block, total - first);
        auto &part = parts[static_cast<std::size_t>(block)];
        if (view.dtype == DType::fp64)
            leave(call, {}, view, first, count, view.as<const double>() + first, &part);
        else
            number::measure_array(view.as<const std::byte>() + static_cast<std::size_t>(first) * size_of(view.dtype),
                                  static_cast<std::size_t>(count), format_id(view.dtype), part);
    });
    for (const auto &part : parts) statistics->merge(part);
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
