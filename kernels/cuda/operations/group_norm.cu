// Group normalisation: trees over each group of a sample, of the weights' gradients over each channel; then one thread
// an element.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/channel_values.cuh"
#include "kernels/cuda/operations/chunked_tree.cuh"
#include "kernels/cuda/operations/formulas.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"

#include <algorithm>
#include <optional>

namespace halfscope::kernels::device::operations {
namespace {

using ops::OpKind;
using ops::normalization::Channels;

/// x as rows of consecutive elements: row r is group r % groups of sample r / groups.
struct Groups {
    std::int64_t rows, length, channels, space;
    [[nodiscard]] __device__ std::int64_t row_of(std::int64_t i) const { return i / length; }
    [[nodiscard]] __device__ std::int64_t channel_of(std::int64_t i) const { return i / space % channels; }
};

struct RowValues {
    Operand values;
    std::int64_t length;
    [[nodiscard]] __device__ float operator()(std::int64_t row, std::int64_t i) const {
        return values.at(row * length + i);
    }
};

/// Results that nobody asked for have no data.
struct Statistics {
    const float *mean, *squares;
    float count, epsilon;
    float *rstd;
    Stored out_mean, out_rstd;
};

__global__ void statistics_kernel(Statistics of, std::int64_t rows) {
    for (std::int64_t row = thread_index(); row < rows; row += thread_count()) {
        const float rstd = reciprocal_root(__fdiv_rn(of.squares[row], of.count), of.epsilon);
        of.rstd[row] = rstd;
        if (of.out_mean.data == nullptr) continue;
        of.out_mean.put(row, of.mean[row]);
        of.out_rstd.put(row, rstd);
    }
}

/// gamma and beta may have no data.
__global__ void normalise_kernel(Operand x, const float *mean, const float *rstd, Operand gamma, Operand beta,
                                 Groups groups, Stored y, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t row = groups.row_of(i), channel = groups.channel_of(i);
        if (beta.data != nullptr) {
            y.put(i, formulas::Normalise{mean[row], rstd[row], gamma.at(channel), beta.at(channel)}(x.at(i)));
            continue;
        }
        const float h = __fmul_rn(__fsub_rn(x.at(i), mean[row]), rstd[row]);
        y.put(i, gamma.data != nullptr ? __fmul_rn(h, gamma.at(channel)) : h);
    }
}

/// gamma may have no data.
struct Gradient {
    Operand dy, x, mean, rstd, gamma;
    Groups groups;

    /// h of element i.
    [[nodiscard]] __device__ float normalised(std::int64_t i) const {
        const std::int64_t row = groups.row_of(i);
        return __fmul_rn(__fsub_rn(x.at(i), mean.at(row)), rstd.at(row));
    }
    /// g of element i.
    [[nodiscard]] __device__ float scaled(std::int64_t i) const {
        return gamma.data != nullptr ? __fmul_rn(dy.at(i), gamma.at(groups.channel_of(i))) : dy.at(i);
    }
};
struct ScaledValues {
    Gradient of;
    [[nodiscard]] __device__ float operator()(std::int64_t row, std::int64_t i) const {
        return of.scaled(row * of.groups.length + i);
    }
};
struct ScaledProducts {
    Gradient of;
    [[nodiscard]] __device__ float operator()(std::int64_t row, std::int64_t i) const {
        const std::int64_t at = row * of.groups.length + i;
        return __fmul_rn(of.scaled(at), of.normalised(at));
    }
};
struct ChannelProducts {
    Gradient of;
    ChannelValues dy;
    [[nodiscard]] __device__ float operator()(std::int64_t channel, std::int64_t i) const {
        return __fmul_rn(dy(channel, i), of.normalised(dy.place(channel, i)));
    }
};

__global__ void gradient_kernel(Gradient of, const float *slope, const float *offset, Stored dx, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t row = of.groups.row_of(i);
        dx.put(i, formulas::RowGradient{slope[row], offset[row], of.rstd.at(row)}(of.scaled(i), of.normalised(i)));
    }
}

/// The groups of the first output, where every operand fits; else the host says what is wrong.
std::optional<Groups> groups_of(const ops::KernelCall &call) {
    const ops::Shape &shape = call.outputs[0].shape;
    const std::int64_t groups = call.operation.get<ops::Normalization>().groups;
    if (shape.rank() < 2) return std::nullopt;
    const Channels channels = ops::normalization::channels_of(call, shape);
    if (groups < 1 || channels.channels % groups != 0) return std::nullopt;
    const Groups found{channels.samples * groups, channels.channels / groups * channels.space, channels.channels,
                       channels.space};
    if (found.rows == 0 || found.length == 0) return std::nullopt;
    return found;
}

bool have_elements(std::span<const ops::TensorView> views, std::int64_t elements) {
    return std::all_of(views.begin(), views.end(),
                       [elements](const ops::TensorView &view) { return view.shape.elements() == elements; });
}

Operand optional(const ops::KernelCall &call, std::size_t input) {
    return call.inputs.size() > input ? Operand(call.inputs[input]) : Operand(nullptr, ops::DType::fp32);
}

/// out[row] = sums[row] / n.
void divide(const DeviceArray<float> &sums, std::int64_t n, const DeviceArray<float> &out) {
    const auto rows = static_cast<std::int64_t>(sums.size());
    launch("group norm mean kernel", divide_kernel, elementwise_grid(rows), elementwise_block, sums.data(),
           static_cast<float>(n), out.data(), rows);
}

bool run_forward(const ops::KernelCall &call) {
    if (call.inputs.size() > 3 || (call.outputs.size() != 1 && call.outputs.size() != 3)) return false;
    const std::optional<Groups> groups = groups_of(call);
    if (!groups || !(call.inputs[0].shape == call.outputs[0].shape) ||
        !have_elements(call.inputs.subspan(1), groups->channels) ||
        !have_elements(call.outputs.subspan(1), groups->rows))
        return false;
    const auto rows = static_cast<std::size_t>(groups->rows);
    const std::int64_t n = groups->length, count = groups->rows * n;
    const DeviceArray<float> sums(rows), means(rows), squares(rows), rstds(rows);
    const RowValues x{Operand(call.inputs[0]), n};
    chunked_trees<SumStep>("group norm sum kernel", x, groups->rows, n, sums.data());
    divide(sums, n, means);
    chunked_trees<SumStep>("group norm squares kernel", SquaredDifferences<RowValues>{x, means.data()}, groups->rows, n,
                           squares.data());
    std::optional<Result> mean, rstd;
    if (call.outputs.size() == 3) {
        mean.emplace(call, 1);
        rstd.emplace(call, 2);
    }
    const Stored none{nullptr, ops::DType::fp32};
    const Statistics statistics{means.data(),
                                squares.data(),
                                static_cast<float>(n),
                                static_cast<float>(call.operation.get<ops::Normalization>().epsilon),
                                rstds.data(),
                                mean ? mean->stored() : none,
                                rstd ? rstd->stored() : none};
    launch("group norm statistics kernel", statistics_kernel, elementwise_grid(groups->rows), elementwise_block,
           statistics, groups->rows);
    const Result y(call, 0);
    launch("group norm kernel", normalise_kernel, elementwise_grid(count), elementwise_block, Operand(call.inputs[0]),
           means.data(), rstds.data(), optional(call, 1), optional(call, 2), *groups, y.stored(), count);
    y.leave();
    if (mean) {
        mean->leave();
        rstd->leave();
    }
    return true;
}

bool run_gradient(const ops::KernelCall &call) {
    if (call.inputs.size() < 4 || call.inputs.size() > 5 || call.outputs.size() > 3) return false;
    const ops::Shape &shape = call.outputs[0].shape;
    const std::optional<Groups> groups = groups_of(call);
    if (!groups || !(call.inputs[0].shape == shape) || !(call.inputs[1].shape == shape) ||
        !have_elements(call.inputs.subspan(2, 2), groups->rows) ||
        !have_elements(call.inputs.subspan(4), groups->channels) ||
        !have_elements(call.outputs.subspan(1), groups->channels))
        return false;
    const auto rows = static_cast<std::size_t>(groups->rows);
    const std::int64_t n = groups->length, count = groups->rows * n;
    const Gradient of{Operand(call.inputs[0]), Operand(call.inputs[1]), Operand(call.inputs[2]),
                      Operand(call.inputs[3]), optional(call, 4),       *groups};
    const DeviceArray<float> sums(rows), products(rows), offsets(rows), slopes(rows);
    chunked_trees<SumStep>("group norm gradient sum kernel", ScaledValues{of}, groups->rows, n, sums.data());
    chunked_trees<SumStep>("group norm gradient products kernel", ScaledProducts{of}, groups->rows, n, products.data());
    divide(sums, n, offsets);
    divide(products, n, slopes);
    const Result dx(call, 0);
    launch("group norm gradient kernel", gradient_kernel, elementwise_grid(count), elementwise_block, of, slopes.data(),
           offsets.data(), dx.stored(), count);
    dx.leave();
    const Channels channels = ops::normalization::channels_of(call, shape);
    const ChannelValues dy(call.inputs[0], channels);
    if (call.outputs.size() > 1) {
        const Result dgamma(call, 1);
        chunked_trees<SumStep>("group norm weights gradient kernel", ChannelProducts{of, dy}, channels.channels,
                               channels.count(), dgamma.values());
        dgamma.leave();
    }
    if (call.outputs.size() > 2) {
        const Result dbeta(call, 2);
        chunked_trees<SumStep>("group norm offsets gradient kernel", dy, channels.channels, channels.count(),
                               dbeta.values());
        dbeta.leave();
    }
    return true;
}

} // namespace

bool run_group_norm(const ops::KernelCall &call) {
    if (!fits(call) || call.inputs.empty() || call.outputs.empty()) return false;
    return call.operation.kind == OpKind::group_norm ? run_forward(call) : run_gradient(call);
}

} // namespace halfscope::kernels::device::operations
