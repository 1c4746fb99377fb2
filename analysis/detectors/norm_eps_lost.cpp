// norm-eps-lost: a norm written out divides zero by zero, because its eps is zero in the format.
//
// What it looks for. x * rsqrt(var + eps), or x / (|x| + eps), on a row whose variance or length is zero (padding, a
// dead channel). In fp32 the eps keeps the divisor from zero; 1e-12 and 1e-8 are zero in fp16, and 0 * rsqrt(0) or 0 /
// 0 is NaN (hazards A10, T14: PyTorch's half layer_norm with eps = 1e-12, DeepSpeed's kernel, WeNet).
//
// Which tensors. The first forward tensor that is inf or NaN while the twin's is finite, made by a division, a
// reciprocal, an inverse root or a norm, and a divisor before it that is zero where the twin's is not.
//
// Threshold. One element. Critical when the outcome is bad.
#include "analysis/detectors/arithmetic_origin.h"

#include "analysis/statistics/format_limits.h"
#include "analysis/statistics/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace halfscope::analysis {

namespace {

bool divides(std::string_view operation) {
    constexpr std::array<std::string_view, 4> names{"divide", "reciprocal", "power_scalar", "power"};
    return std::find(names.begin(), names.end(), operation) != names.end() ||
           operation.find("norm") != std::string_view::npos;
}

void find(const Evidence &e, std::vector<Finding> &findings) {
    const NonFinite *origin = arithmetic_origin(e);
    if (!origin || !divides(origin->tensor->info.operation)) return;
    const TensorHistory *divisor = own_zeros_before(e, *origin->tensor, origin->step);
    if (!divisor) return;
    Finding f = arithmetic_finding(e, norm_eps_lost, *origin);
    f.evidence += fmt::format(" {} is zero there, in fp32 it is not.", named(divisor->info.name));
    f.cause =
        fmt::format("The eps of the division in {} is lost in {}, which rounds everything up to 2^{} to zero: a row "
                    "of zeros is divided by zero.",
                    named(f.layer), divisor->info.format, underflow_threshold_log2(format_named(divisor->info.format)));
    f.remedy =
        fmt::format("Use an eps that {} can hold (fp16: at least 1e-7, better 1e-5), or compute the norm in fp32.",
                    divisor->info.format);
    findings.push_back(std::move(f));
}

} // namespace

const Detector norm_eps_lost{
    {"norm-eps-lost", "Norm's eps lost",
     "A division, an inverse root or a norm that gives inf or NaN while the fp32 twin's is finite, and a divisor that "
     "is "
     "zero where the twin's is not.",
     "One element. Critical when the outcome is bad.",
     "A row of zeros with eps = 1e-12: in fp32 0 * rsqrt(1e-12) = 0; in fp16 the eps is zero, rsqrt(0) is infinite and "
     "0 * inf is NaN.",
     "An eps the format can hold (1e-5), or the norm in fp32."},
    find};

} // namespace halfscope::analysis
