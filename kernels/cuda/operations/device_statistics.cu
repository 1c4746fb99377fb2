#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/operations/device_statistics.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace halfscope::kernels::device::operations {
namespace {

template <typename T> void clear(const DeviceArray<T> &array, std::size_t count) {
    check(cudaMemset(array.data(), 0, count * sizeof(T)), "cudaMemset");
}

void merge(const Counts &found, std::size_t count, number::RangeStatistics &statistics) {
    number::RangeStatistics part;
    part.count = count;
    part.zeros = found.zeros;
    part.subnormals = found.subnormals;
    part.underflows = found.underflows;
    part.overflows = found.overflows;
    part.infinities = found.infinities;
    part.nans = found.nans;
    part.amax = std::bit_cast<float>(found.amax);
    part.amin = found.complement_of_amin == 0 ? 0 : std::bit_cast<float>(~found.complement_of_amin);
    for (std::size_t bin = 0; bin < histogram_bins; ++bin) part.exponents[bin] = found.exponents[bin];
    statistics.merge(part);
}

} // namespace

DeviceStatistics::DeviceStatistics(std::size_t passes, std::size_t blocks) { make_room(passes, blocks); }

void DeviceStatistics::make_room(std::size_t passes, std::size_t blocks) {
    if (!counts_ || counts_->size() < passes) {
        counts_ = std::make_unique<DeviceArray<Counts>>(passes);
        clear(*counts_, passes);
    }
    if (!block_sums_ || block_sums_->size() < blocks)
        block_sums_ = std::make_unique<DeviceArray<number::BlockSums>>(blocks); // every entry of a pass is written
}

DeviceStatistics::Place DeviceStatistics::place(std::size_t count, number::RangeStatistics &statistics) {
    const std::size_t blocks = number::statistics_blocks(count);
    const bool passes_full = passes_.size() == counts_->size(), blocks_full = blocks_ + blocks > block_sums_->size();
    if (passes_full || blocks_full) {
        const std::size_t passes = counts_->size() * (passes_full ? 2 : 1);
        const std::size_t all_blocks = blocks_full ? std::max(2 * block_sums_->size(), blocks) : blocks;
        settle();
        make_room(passes, all_blocks);
    }
    const Place place{counts_->data() + passes_.size(), block_sums_->data() + blocks_};
    passes_.push_back({count, &statistics});
    blocks_ += blocks;
    return place;
}

void DeviceStatistics::settle() {
    if (passes_.empty()) return;
    // Forgotten first: what could not be fetched is not there next time either.
    const std::vector<Pass> passes = std::exchange(passes_, {});
    const std::size_t blocks = std::exchange(blocks_, 0);
    std::vector<Counts> counts(passes.size());
    std::vector<number::BlockSums> block_sums(blocks);
    counts_->download(counts.data(), counts.size());
    block_sums_->download(block_sums.data(), blocks);
    clear(*counts_, counts.size());
    const number::BlockSums *sums = block_sums.data();
    for (std::size_t i = 0; i < passes.size(); ++i) {
        const std::size_t own = number::statistics_blocks(passes[i].count);
        merge(counts[i], passes[i].count, *passes[i].statistics);
        number::add_sums(*passes[i].statistics, sums, own);
        sums += own;
    }
}

} // namespace halfscope::kernels::device::operations
