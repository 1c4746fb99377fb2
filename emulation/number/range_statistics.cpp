#include "emulation/number/range_statistics.h"

#include <algorithm>

namespace halfscope::number {

void RangeStatistics::merge(const RangeStatistics &later) {
    count += later.count;
    zeros += later.zeros;
    subnormals += later.subnormals;
    underflows += later.underflows;
    overflows += later.overflows;
    infinities += later.infinities;
    nans += later.nans;
    amax = std::max(amax, later.amax);
    if (later.amin > 0) amin = amin > 0 ? std::min(amin, later.amin) : later.amin;
    sum += later.sum;
    sum_abs += later.sum_abs;
    sum_squares += later.sum_squares;
    sum_squared_error += later.sum_squared_error;
    sum_magnitude_error += later.sum_magnitude_error;
    for (std::size_t b = 0; b < exponents.size(); ++b) exponents[b] += later.exponents[b];
}

} // namespace halfscope::number
