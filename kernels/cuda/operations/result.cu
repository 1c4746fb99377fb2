// The statistics-and-histogram pass: a block of threads takes a block of statistics (number/round_array.h), thread
// 16 r + l the elements l, l + 16, ... of run r, so that its partial sums are those of the definition.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/operations/result.h"

#include "emulation/number/philox.h"
#include "emulation/number/round_scalar.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/shared_memory.cuh"

#include <cmath>

namespace halfscope::kernels::device::operations {
namespace {

constexpr int block_elements = static_cast<int>(number::statistics_block);
constexpr int lanes = static_cast<int>(number::statistics_lanes), run_length = static_cast<int>(number::statistics_run);
constexpr int runs = block_elements / lanes / run_length, threads = lanes * runs;

struct Rounding {
    number::FormatId format;
    number::ArrayRounding rounding;
    bool flush;
    number::RandomStream random;
    unsigned long long first_element;
    void *destination;
    float smallest_normal;
    unsigned infinite; ///< rounding_limits' bound
};

/// Element i rounded and stored; what comes back is its value. The device's own conversion where it is the rounder's.
__device__ float round_element(const Rounding &how, const float *values, std::size_t i) {
    const float x = values[i];
    if (how.format == number::FormatId::fp32) {
        const bool vanishes = how.flush && x != 0 && fabsf(x) < 0x1p-126f;
        const float y = vanishes ? copysignf(0.0f, x) : x;
        if (how.destination != nullptr) static_cast<float *>(how.destination)[i] = y;
        return y;
    }
    std::uint16_t bits = 0;
    if (how.rounding == number::ArrayRounding::nearest_even && !how.flush)
        bits = nearest_16bit(x, how.format);
    else {
        const std::uint32_t random =
            how.rounding == number::ArrayRounding::stochastic ? how.random.word(how.first_element + i) : 0;
        bits = number::round_scalar(x, how.format, how.rounding, how.flush, random);
    }
    if (how.destination != nullptr) static_cast<std::uint16_t *>(how.destination)[i] = bits;
    return how.format == number::FormatId::fp16 ? to_fp32(__ushort_as_half(bits)) : to_fp32(__ushort_as_bfloat16(bits));
}

__global__ void round_kernel(Rounding how, const float *values, std::size_t count) {
    for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
         i += std::size_t{gridDim.x} * blockDim.x)
        round_element(how, values, i);
}

/// One of the terms whose sums are kept, of source x and result y: x, |x|, x^2, (y - x)^2, |y| - |x|.
constexpr int sums = 5;
__device__ bool is_square(int sum) { return sum == 2 || sum == 3; }
__device__ float term(int sum, float x, float y) {
    switch (sum) {
    case 0: return x;
    case 1: return fabsf(x);
    case 2: return x;
    case 3: return isinf(y) ? 0.0f : __fsub_rn(y, x);
    default: return isinf(y) ? 0.0f : __fsub_rn(fabsf(y), fabsf(x));
    }
}
__device__ void add_term(int sum, float value, float &total) {
    total = is_square(sum) ? __fmaf_rn(value, value, total) : __fadd_rn(total, value);
}
__device__ void add_term(int sum, float value, double &total) {
    const auto wide = static_cast<double>(value);
    total = __dadd_rn(total, is_square(sum) ? __dmul_rn(wide, wide) : wide);
}

/// What one element adds to the counts, beside its place in the histogram; false where it has none.
template <typename Tally> __device__ bool count_element(const Rounding &how, float x, float y, Tally &tally) {
    if (isnan(x)) return ++tally.nans, false;
    if (isinf(x)) return ++tally.infinities, false;
    const unsigned magnitude = __float_as_uint(fabsf(x));
    const bool saturated = how.rounding == number::ArrayRounding::toward_zero && magnitude >= how.infinite;
    if (isinf(y) || saturated) ++tally.overflows;
    if (magnitude == 0) return ++tally.zeros, false;
    if (y == 0)
        ++tally.underflows;
    else if (fabsf(y) < how.smallest_normal)
        ++tally.subnormals;
    return true;
}

struct Tally {
    unsigned zeros = 0, subnormals = 0, underflows = 0, overflows = 0, infinities = 0, nans = 0;
};

__global__ void measure_kernel(Rounding how, const float *values, std::size_t count, Counts *counts,
                               number::BlockSums *block_sums) {
    HALFSCOPE_SHARED(unsigned, histogram, [histogram_bins]);
    HALFSCOPE_SHARED(unsigned, extremes, [2]); // amax, amin
    HALFSCOPE_SHARED(unsigned, tallies, [6]);
    HALFSCOPE_SHARED(float, run_totals, [sums][runs][lanes]);
    HALFSCOPE_SHARED(double, lane_totals, [sums][lanes]);
    const int thread = static_cast<int>(threadIdx.x), lane = thread % lanes, run = thread / lanes;
    for (int bin = thread; bin < histogram_bins; bin += threads) histogram[bin] = 0;
    if (thread < 6) tallies[thread] = 0;
    if (thread < 2) extremes[thread] = thread == 0 ? 0u : ~0u;
    __syncthreads();

    const std::size_t first = blockIdx.x * std::size_t{block_elements};
    const std::size_t left = count - first;
    const int here = left < block_elements ? static_cast<int>(left) : block_elements;
    float totals[sums] = {};
    Tally tally;
    unsigned amax = 0, amin = ~0u;
    for (int j = 0; j < run_length; ++j) {
        const int i = (run * run_length + j) * lanes + lane;
        if (i >= here) break;
        const float x = values[first + static_cast<std::size_t>(i)];
        const float y = round_element(how, values, first + static_cast<std::size_t>(i));
        const unsigned magnitude = __float_as_uint(fabsf(x));
        if (count_element(how, x, y, tally)) {
            atomicAdd(&histogram[magnitude >> 23], 1u);
            amax = magnitude > amax ? magnitude : amax;
            amin = magnitude < amin ? magnitude : amin;
        }
        if (isnan(x) || isinf(x)) continue;
        for (int sum = 0; sum < sums; ++sum) add_term(sum, term(sum, x, y), totals[sum]);
    }
    for (int sum = 0; sum < sums; ++sum) run_totals[sum][run][lane] = totals[sum];
    atomicMax(&extremes[0], amax);
    atomicMin(&extremes[1], amin);
    atomicAdd(&tallies[0], tally.zeros);
    atomicAdd(&tallies[1], tally.subnormals);
    atomicAdd(&tallies[2], tally.underflows);
    atomicAdd(&tallies[3], tally.overflows);
    atomicAdd(&tallies[4], tally.infinities);
    atomicAdd(&tallies[5], tally.nans);
    __syncthreads();

    // Lane totals: a thread a sum and lane. `values` still holds the source: Result never flushes in place.
    if (thread < sums * lanes) {
        const int sum = thread / lanes;
        double total = 0;
        if (number::sums_in_double(__uint_as_float(extremes[0]))) {
            Rounding again = how;
            again.destination = nullptr;
            for (int i = lane; i < here; i += lanes) {
                const float x = values[first + static_cast<std::size_t>(i)];
                if (isnan(x) || isinf(x)) continue;
                add_term(sum, term(sum, x, round_element(again, values, first + static_cast<std::size_t>(i))), total);
            }
        } else
            for (int r = 0; r < runs; ++r) total = __dadd_rn(total, static_cast<double>(run_totals[sum][r][lane]));
        lane_totals[sum][lane] = total;
    }
    __syncthreads();
    if (thread < sums) {
        double folded[lanes];
        for (int l = 0; l < lanes; ++l) folded[l] = lane_totals[thread][l];
        for (int width = lanes / 2; width > 0; width /= 2)
            for (int l = 0; l < width; ++l) folded[l] = __dadd_rn(folded[l], folded[l + width]);
        double *const out[sums] = {&block_sums[blockIdx.x].sum, &block_sums[blockIdx.x].sum_abs,
                                   &block_sums[blockIdx.x].sum_squares, &block_sums[blockIdx.x].sum_squared_error,
                                   &block_sums[blockIdx.x].sum_magnitude_error};
        *out[thread] = folded[0];
    }
    for (int bin = thread; bin < histogram_bins; bin += threads)
        if (histogram[bin] != 0) atomicAdd(&counts->exponents[bin], static_cast<unsigned long long>(histogram[bin]));
    if (thread == 0) {
        atomicMax(&counts->amax, extremes[0]);
        atomicMax(&counts->complement_of_amin, ~extremes[1]);
        unsigned long long *const all[6] = {&counts->zeros,     &counts->subnormals, &counts->underflows,
                                            &counts->overflows, &counts->infinities, &counts->nans};
        for (int i = 0; i < 6; ++i) atomicAdd(all[i], static_cast<unsigned long long>(tallies[i]));
    }
}

/// The definition, word by word, by one thread.
__global__ void reference_kernel(Rounding how, const float *values, std::size_t count, Counts *counts,
                                 number::BlockSums *block_sums) {
    for (std::size_t first = 0; first < count; first += block_elements) {
        const std::size_t end = count - first < block_elements ? count : first + block_elements;
        float amax = 0;
        for (std::size_t i = first; i < end; ++i)
            if (!isnan(values[i]) && !isinf(values[i])) amax = fmaxf(amax, fabsf(values[i]));
        const bool in_double = number::sums_in_double(amax);
        float totals[sums][lanes] = {};
        double lane_totals[sums][lanes] = {};
        for (std::size_t i = first; i < end; ++i) {
            const std::size_t inside = i - first;
            if (inside % (std::size_t{lanes} * run_length) == 0)
                for (int sum = 0; sum < sums; ++sum)
                    for (int l = 0; l < lanes; ++l) {
                        lane_totals[sum][l] = __dadd_rn(lane_totals[sum][l], static_cast<double>(totals[sum][l]));
                        totals[sum][l] = 0;
                    }
            const float x = values[i], y = round_element(how, values, i);
            const unsigned magnitude = __float_as_uint(fabsf(x));
            if (count_element(how, x, y, *counts)) {
                ++counts->exponents[magnitude >> 23];
                counts->amax = magnitude > counts->amax ? magnitude : counts->amax;
                counts->complement_of_amin =
                    ~magnitude > counts->complement_of_amin ? ~magnitude : counts->complement_of_amin;
            }
            if (isnan(x) || isinf(x)) continue;
            for (int sum = 0; sum < sums; ++sum)
                if (in_double)
                    add_term(sum, term(sum, x, y), lane_totals[sum][inside % lanes]);
                else
                    add_term(sum, term(sum, x, y), totals[sum][inside % lanes]);
        }
        double folded[sums];
        for (int sum = 0; sum < sums; ++sum) {
            double *lane = lane_totals[sum];
            for (int l = 0; l < lanes; ++l) lane[l] = __dadd_rn(lane[l], static_cast<double>(totals[sum][l]));
            for (int width = lanes / 2; width > 0; width /= 2)
                for (int l = 0; l < width; ++l) lane[l] = __dadd_rn(lane[l], lane[l + width]);
            folded[sum] = lane[0];
        }
        block_sums[first / block_elements] = {folded[0], folded[1], folded[2], folded[3], folded[4]};
    }
}

Rounding rounding_of(number::FormatId format, void *destination, const number::RoundArrayOptions &options) {
    const number::RandomStream random{options.seed, options.step, options.tensor};
    const number::ArrayRounding rounding =
        number::is_16bit_format(format) ? options.rounding : number::ArrayRounding::nearest_even;
    return {format,
            rounding,
            options.flush_subnormals,
            random,
            options.first_element,
            destination,
            static_cast<float>(std::ldexp(1.0, number::format_of(format).emin)),
            number::rounding_limits(format, rounding, options.flush_subnormals).infinite};
}

thread_local bool by_reference = false;
thread_local DeviceStatistics *held_back = nullptr;

template <typename Launch>
void measure(std::size_t count, number::RangeStatistics &statistics, const Launch &launch_kernel) {
    if (held_back != nullptr) return launch_kernel(held_back->place(count, statistics));
    DeviceStatistics own(1, number::statistics_blocks(count));
    launch_kernel(own.place(count, statistics));
    own.settle();
}

} // namespace

void round_and_measure(const float *values, std::size_t count, number::FormatId format, void *destination,
                       const number::RoundArrayOptions &options, number::RangeStatistics *statistics) {
    if (count == 0) return;
    const Rounding how = rounding_of(format, destination, options);
    if (statistics == nullptr)
        return launch("rounding kernel", round_kernel, elementwise_grid(static_cast<std::int64_t>(count)),
                      elementwise_block, how, values, count);
    measure(count, *statistics, [&](const DeviceStatistics::Place &place) {
        launch("statistics kernel", measure_kernel, static_cast<unsigned>(number::statistics_blocks(count)), threads,
               how, values, count, place.counts, place.block_sums);
    });
}

void round_and_measure_reference(const float *values, std::size_t count, number::FormatId format, void *destination,
                                 const number::RoundArrayOptions &options, number::RangeStatistics *statistics) {
    if (count == 0) return;
    const auto reference = [&](const DeviceStatistics::Place &place) {
        launch("statistics reference kernel", reference_kernel, 1, 1, rounding_of(format, destination, options), values,
               count, place.counts, place.block_sums);
    };
    if (statistics != nullptr) return measure(count, *statistics, reference);
    number::RangeStatistics unwanted;
    DeviceStatistics own(1, number::statistics_blocks(count));
    reference(own.place(count, unwanted));
}

StatisticsBy::StatisticsBy(bool reference, DeviceStatistics *held)
    : reference_before_(by_reference), held_before_(held_back) {
    by_reference = reference;
    held_back = held;
}
StatisticsBy::~StatisticsBy() {
    by_reference = reference_before_;
    held_back = held_before_;
}

Result::Result(const ops::KernelCall &call, std::size_t index) : call_(call), index_(index) {}

float *Result::values() const {
    const ops::TensorView &view = call_.outputs[index_];
    if (view.dtype == ops::DType::fp32 && !call_.operation.rounding.flush_subnormals) return view.as<float>();
    if (!own_) own_ = std::make_unique<DeviceArray<float>>(static_cast<std::size_t>(view.shape.elements()));
    return own_->data();
}

Stored Result::stored() const {
    const ops::TensorView &view = call_.outputs[index_];
    if (call_.statistics_of(index_) != nullptr || !(call_.operation.rounding == ops::OutputRounding{}))
        return {values(), ops::DType::fp32};
    put_in_storage_ = true;
    return {view.data, view.dtype};
}

void Result::leave(const ops::OutputRounding &rounding) const {
    const ops::TensorView &view = call_.outputs[index_];
    number::RangeStatistics *statistics = call_.statistics_of(index_);
    if (put_in_storage_ || (own_ == nullptr && statistics == nullptr && !rounding.flush_subnormals)) return;
    number::RoundArrayOptions options;
    if (rounding.mode == ops::OutputRounding::Mode::stochastic) options.rounding = number::ArrayRounding::stochastic;
    if (rounding.mode == ops::OutputRounding::Mode::toward_zero) options.rounding = number::ArrayRounding::toward_zero;
    options.flush_subnormals = rounding.flush_subnormals;
    options.seed = call_.key.seed;
    options.step = call_.key.step;
    options.tensor = call_.key.tensor;
    (by_reference ? round_and_measure_reference
                  : round_and_measure)(values(), static_cast<std::size_t>(view.shape.elements()),
                                       ops::format_id(view.dtype), view.data, options, statistics);
}

} // namespace halfscope::kernels::device::operations
