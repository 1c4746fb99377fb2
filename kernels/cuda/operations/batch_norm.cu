// Batch normalisation: trees over N and space of each channel, then one thread an element.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/channel_values.cuh"
#include "kernels/cuda/operations/chunked_tree.cuh"
#include "kernels/cuda/operations/formulas.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"

#include <algorithm>

namespace halfscope::kernels::device::operations {
namespace {

using ops::OpKind;
using ops::normalization::Channels;

struct CentredProducts {
    ChannelValues dy, x;
    Operand mean;
    [[nodiscard]] __device__ float operator()(std::int64_t channel, std::int64_t i) const {
        return __fmul_rn(__fsub_rn(x(channel, i), mean.at(channel)), dy(channel, i));
    }
};

struct Training {
    const float *mean, *squares;
    Operand running_mean, running_variance;
    float count, count_less_one, epsilon, keep, weight;
    float *rstd, *out_mean, *out_rstd, *new_mean, *new_variance;
};

__global__ void statistics_kernel(Training t, std::int64_t channels) {
    for (std::int64_t c = thread_index(); c < channels; c += thread_count()) {
        const float mean = t.mean[c];
        t.rstd[c] = reciprocal_root(__fdiv_rn(t.squares[c], t.count), t.epsilon);
        const float old_mean = t.running_mean.at(c), old_variance = t.running_variance.at(c);
        const float variance = __fdiv_rn(t.squares[c], t.count_less_one);
        t.out_mean[c] = mean;
        t.out_rstd[c] = t.rstd[c];
        t.new_mean[c] = __fadd_rn(__fmul_rn(t.keep, old_mean), __fmul_rn(t.weight, mean));
        t.new_variance[c] = __fadd_rn(__fmul_rn(t.keep, old_variance), __fmul_rn(t.weight, variance));
    }
}

__global__ void rstd_kernel(Operand variance, float epsilon, float *rstd, std::int64_t channels) {
    for (std::int64_t c = thread_index(); c < channels; c += thread_count())
        rstd[c] = reciprocal_root(variance.at(c), epsilon);
}

__global__ void normalise_kernel(Operand x, Operand mean, const float *rstd, Operand gamma, Operand beta,
                                 std::int64_t channels, std::int64_t space, Stored y, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t c = i / space % channels;
        y.put(i, formulas::Normalise{mean.at(c), rstd[c], gamma.at(c), beta.at(c)}(x.at(i)));
    }
}

struct Gradient {
    Operand dy, x, gamma, mean;
    const float *rstd, *sum, *centred; ///< per channel: tree(dy), tree((x - mean) * dy)
    float n;
    std::int64_t channels, space;
};

__global__ void weights_gradient_kernel(Gradient of, float *dgamma, float *dbeta) {
    for (std::int64_t c = thread_index(); c < of.channels; c += thread_count()) {
        dgamma[c] = __fmul_rn(of.centred[c], of.rstd[c]);
        dbeta[c] = of.sum[c];
    }
}

__global__ void gradient_kernel(Gradient of, bool training, Stored dx, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t c = i / of.space % of.channels;
        const float rstd = of.rstd[c], factor = __fmul_rn(rstd, of.gamma.at(c));
        if (!training) {
            dx.put(i, __fmul_rn(of.dy.at(i), factor));
            continue;
        }
        const float slope = __fmul_rn(__fmul_rn(__fdiv_rn(of.centred[c], of.n), rstd), rstd);
        const float offset = __fdiv_rn(of.sum[c], of.n);
        dx.put(i, formulas::CentredGradient{of.mean.at(c), slope, offset, factor}(of.dy.at(i), of.x.at(i)));
    }
}

/// x and the first output have one shape, everything else one value a channel; else the host says what is wrong.
bool channels_fit(const ops::KernelCall &call, std::size_t per_element_inputs, std::size_t outputs,
                  Channels &channels) {
    const ops::Shape &shape = call.inputs[0].shape;
    if (call.inputs.size() != 5 || call.outputs.size() != outputs || shape.rank() < 2) return false;
    channels = ops::normalization::channels_of(call, shape);
    for (std::size_t i = 0; i < call.inputs.size(); ++i)
        if (i < per_element_inputs ? !(call.inputs[i].shape == shape)
                                   : call.inputs[i].shape.elements() != channels.channels)
            return false;
    if (!(call.outputs[0].shape == shape)) return false;
    return std::all_of(call.outputs.begin() + 1, call.outputs.end(),
                       [&](const ops::TensorView &view) { return view.shape.elements() == channels.channels; });
}

void normalise(const ops::KernelCall &call, const Channels &channels, const Operand &mean, const float *rstd) {
    const std::int64_t count = call.outputs[0].shape.elements();
    if (count == 0) return;
    const Result y(call, 0);
    launch("batch norm kernel", normalise_kernel, elementwise_grid(count), elementwise_block, Operand(call.inputs[0]),
           mean, rstd, Operand(call.inputs[1]), Operand(call.inputs[2]), channels.channels, channels.space, y.stored(),
           count);
    y.leave();
}

bool run_training(const ops::KernelCall &call) {
    Channels channels;
    if (!channels_fit(call, 1, 5, channels) || channels.count() < 2 || channels.channels == 0) return false;
    const auto &attributes = call.operation.get<ops::Normalization>();
    const auto all = static_cast<std::size_t>(channels.channels);
    const std::int64_t n = channels.count();
    const DeviceArray<float> sums(all), means(all), squares(all), rstds(all);
    const ChannelValues x(call.inputs[0], channels);
    chunked_trees<SumStep>("batch norm sum kernel", x, channels.channels, n, sums.data());
    launch("batch norm mean kernel", divide_kernel, elementwise_grid(channels.channels), elementwise_block, sums.data(),
           static_cast<float>(n), means.data(), channels.channels);
    chunked_trees<SumStep>("batch norm squares kernel", SquaredDifferences<ChannelValues>{x, means.data()},
                           channels.channels, n, squares.data());
    const Result mean(call, 1), rstd(call, 2), new_mean(call, 3), new_variance(call, 4);
    const Training training{means.data(),
                            squares.data(),
                            Operand(call.inputs[3]),
                            Operand(call.inputs[4]),
                            static_cast<float>(n),
                            static_cast<float>(n - 1),
                            static_cast<float>(attributes.epsilon),
                            static_cast<float>(1 - attributes.momentum),
                            static_cast<float>(attributes.momentum),
                            rstds.data(),
                            mean.values(),
                            rstd.values(),
                            new_mean.values(),
                            new_variance.values()};
    launch("batch norm statistics kernel", statistics_kernel, elementwise_grid(channels.channels), elementwise_block,
           training, channels.channels);
    normalise(call, channels, Operand(means.data(), ops::DType::fp32), rstds.data());
    mean.leave();
    rstd.leave();
    new_mean.leave();
    new_variance.leave();
    return true;
}

/// 1 / sqrt(variance + epsilon) of every channel.
void reciprocal_roots(const ops::KernelCall &call, std::size_t variance, const DeviceArray<float> &rstd) {
    const auto channels = static_cast<std::int64_t>(rstd.size());
    launch("batch norm root kernel", rstd_kernel, elementwise_grid(channels), elementwise_block,
           Operand(call.inputs[variance]), static_cast<float>(call.operation.get<ops::Normalization>().epsilon),
           rstd.data(), channels);
}

bool run_inference(const ops::KernelCall &call) {
    Channels channels;
    if (!channels_fit(call, 1, 1, channels)) return false;
    if (channels.channels == 0) return true;
    const DeviceArray<float> rstd(static_cast<std::size_t>(channels.channels));
    reciprocal_roots(call, 4, rstd);
    normalise(call, channels, Operand(call.inputs[3]), rstd.data());
    return true;
}

__global__ void widen_kernel(Operand from, float *to, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) to[i] = from.at(i);
}

bool run_gradient(const ops::KernelCall &call) {
    Channels channels;
    if (!channels_fit(call, 2, 3, channels) || channels.count() == 0 || channels.channels == 0) return false;
    const bool training = call.operation.kind == OpKind::batch_norm_gradient;
    const auto all = static_cast<std::size_t>(channels.channels);
    const std::int64_t n = channels.count(), count = call.outputs[0].shape.elements();
    const DeviceArray<float> rstd(all), sum(all), centred(all);
    if (training)
        launch("widening kernel", widen_kernel, elementwise_grid(channels.channels), elementwise_block,
               Operand(call.inputs[4]), rstd.data(), channels.channels);
    else
        reciprocal_roots(call, 4, rstd);
    const ChannelValues dy(call.inputs[0], channels), x(call.inputs[1], channels);
    chunked_trees<SumStep>("batch norm gradient sum kernel", dy, channels.channels, n, sum.data());
    chunked_trees<SumStep>("batch norm gradient products kernel", CentredProducts{dy, x, Operand(call.inputs[3])},
                           channels.channels, n, centred.data());
    const Gradient of{Operand(call.inputs[0]),
                      Operand(call.inputs[1]),
                      Operand(call.inputs[2]),
                      Operand(call.inputs[3]),
                      rstd.data(),
                      sum.data(),
                      centred.data(),
                      static_cast<float>(n),
                      channels.channels,
                      channels.space};
    const Result dx(call, 0), dgamma(call, 1), dbeta(call, 2);
    launch("batch norm gradient kernel", gradient_kernel, elementwise_grid(count), elementwise_block, of, training,
           dx.stored(), count);
    launch("batch norm weights gradient kernel", weights_gradient_kernel, elementwise_grid(channels.channels),
           elementwise_block, of, dgamma.values(), dbeta.values());
    dx.leave();
    dgamma.leave();
    dbeta.leave();
    return true;
}

} // namespace

bool run_batch_norm(const ops::KernelCall &call) {
    if (!fits(call) || call.inputs.empty() || call.outputs.empty()) return false;
    switch (call.operation.kind) {
    case OpKind::batch_norm_training: return run_training(call);
    case OpKind::batch_norm_inference: return run_inference(call);
    default: return run_gradient(call);
    }
}

} // namespace halfscope::kernels::device::operations
