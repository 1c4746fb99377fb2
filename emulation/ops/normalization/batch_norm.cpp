#include "emulation/ops/formulas/formulas.h"
#include "emulation/ops/formulas/trees.h"
#include "emulation/ops/normalization/channels.h"
#include "emulation/ops/normalization/normalization.h"
#include "emulation/ops/transcendental.h"

namespace halfscope::ops::normalization {
namespace {

/// Rejects operands that are not one value per channel.
void require_per_channel(const KernelCall &call, const Channels &channels, std::span<const TensorView> views) {
    for (const TensorView &view : views)
        if (view.shape.elements() != channels.channels)
            call.reject("needs one value for each of " + std::to_string(channels.channels) + " channels, got " +
                        view.shape.text());
}

/// Calls visit(channel, offset in the block, length) for the planes of the flat elements [first, first + count).
template <typename Visit>
void for_each_plane(const Channels &channels, std::int64_t first, std::int64_t count, const Visit &visit) {
    std::int64_t channel = first / channels.space % channels.channels, inside = first % channels.space;
    for (std::int64_t at = 0; at < count;) {
        const std::int64_t length = std::min(channels.space - inside, count - at);
        visit(channel, at, length);
        at += length;
        inside = 0;
        if (++channel == channels.channels) channel = 0;
    }
}

template <typename C>
void normalise(const KernelCall &call, const Channels &channels, const C *mean, const C *rstd, const C *gamma,
               const C *beta) {
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t count, C *out) {
        const C *x = load<C>(call.inputs[0], first, count, out);
        for_each_plane(channels, first, count, [&](std::int64_t channel, std::int64_t at, std::int64_t length) {
            formulas::normalise(x + at, mean[channel], rstd[channel], gamma[channel], beta[channel], out + at,
                                static_cast<std::size_t>(length));
        });
    });
}

/// tree(dy) and tree((x - mean) * dy) of every channel.
template <typename C> struct GradientSums { std::vector<C> dy, centred; };

template <typename C> GradientSums<C> gradient_sums(const KernelCall &call, const Channels &channels, const C *mean) {
    const auto count = static_cast<std::size_t>(channels.channels);
    GradientSums<C> sums{std::vector<C>(count), std::vector<C>(count)};
    call.threads.run(channels.channels, [&](std::int64_t channel) {
        const auto c = static_cast<std::size_t>(channel);
        sums.dy[c] = channel_tree<C, 1>({&call.inputs[0]}, channels, channel, [](const auto &operands, std::int64_t n) {
            return formulas::tree_sum(operands[0], n);
        });
        const C m = mean[channel];
        sums.centred[c] = channel_tree<C, 2>(
            {&call.inputs[0], &call.inputs[1]}, channels, channel, [m](const auto &operands, std::int64_t n) {
                return formulas::chunk_sum_centred_products(operands[1], m, operands[0], static_cast<std::size_t>(n));
            });
    });
    return sums;
}

template <typename C> struct Parameters {
    std::array<std::vector<C>, 4> storage;
    std::array<const C *, 4> values{};

    /// Inputs [first, first + count) as C.
    Parameters(const KernelCall &call, std::size_t first, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            values[i] = load_all<C>(call.inputs[first + i], storage[i], call.threads);
    }
};

void require_gradient_operands(const KernelCall &call) {
    if (call.inputs.size() != 5 || call.outputs.size() != 3)
        call.reject("takes (dy, x, gamma, two statistics) and gives (dx, dgamma, dbeta)");
    const Shape &shape = call.inputs[1].shape;
    if (!(call.inputs[0].shape == shape) || !(call.outputs[0].shape == shape))
        call.reject("dy, x and dx differ in shape");
    const Channels channels = channels_of(call, shape);
    require_per_channel(call, channels, call.inputs.subspan(2));
    require_per_channel(call, channels, call.outputs.subspan(1));
}

} // namespace

template <typename C> void batch_norm_training(const KernelCall &call) {
    if (call.inputs.size() != 5 || call.outputs.size() != 5)
        call.reject("takes (x, gamma, beta, running mean, running variance) and gives (y, mean, rstd, new running "
                    "mean, new running variance)");
    const Channels channels = channels_of(call, call.inputs[0].shape);
    if (!(call.outputs[0].shape == call.inputs[0].shape)) call.reject("x and y differ in shape");
    require_per_channel(call, channels, call.inputs.subspan(1));
    require_per_channel(call, channels, call.outputs.subspan(1));
    const std::int64_t n = channels.count();
    if (n < 2)
        call.reject("needs more than one value per channel to train, got the shape " + call.inputs[0].shape.text());

    const auto &attributes = call.operation.get<Normalization>();
    const C epsilon = static_cast<C>(attributes.epsilon), weight = static_cast<C>(attributes.momentum);
    const C keep = static_cast<C>(1 - attributes.momentum);
    const Parameters<C> parameters(call, 1, 4);
    const auto count = static_cast<std::size_t>(channels.channels);
    std::vector<C> mean(count), rstd(count), running_mean(count), running_variance(count);
    call.threads.run(channels.channels, [&](std::int64_t channel) {
        const auto c = static_cast<std::size_t>(channel);
        const auto tree = [&](const auto &reduce_chunk) {
            return channel_tree<C, 1>({&call.inputs[0]}, channels, channel, reduce_chunk);
        };
        const C sum = tree([](const auto &x, std::int64_t length) { return formulas::tree_sum(x[0], length); });
        const C centre = mean[c] = sum / static_cast<C>(n);
        const C squares = tree([centre](const auto &x, std::int64_t length) {
            return formulas::tree_sum_squared_differences(x[0], centre, length);
        });
        rstd[c] = transcendental::rsqrt(squares / static_cast<C>(n) + epsilon);
        running_mean[c] = keep * parameters.values[2][c] + weight * centre;
        running_variance[c] = keep * parameters.values[3][c] + weight * (squares / static_cast<C>(n - 1));
    });
    normalise(call, channels, mean.data(), rstd.data(), parameters.values[0], parameters.values[1]);
    store<C>(call, 1, mean.data());
    store<C>(call, 2, rstd.data());
    store<C>(call, 3, running_mean.data());
    store<C>(call, 4, running_variance.data());
}

template <typename C> void batch_norm_inference(const KernelCall &call) {
    if (call.inputs.size() != 5 || call.outputs.size() != 1)
        call.reject("takes (x, gamma, beta, mean, variance) and gives y");
    const Channels channels = channels_of(call, call.inputs[0].shape);
    if (!(call.outputs[0].shape == call.inputs[0].shape)) call.reject("x and y differ in shape");
    require_per_channel(call, channels, call.inputs.subspan(1));
    const C epsilon = static_cast<C>(call.operation.get<Normalization>().epsilon);
    const Parameters<C> parameters(call, 1, 4);
    std::vector<C> rstd(static_cast<std::size_t>(channels.channels));
    for (std::size_t c = 0; c < rstd.size(); ++c) rstd[c] = transcendental::rsqrt(parameters.values[3][c] + epsilon);
    normalise(call, channels, parameters.values[2], rstd.data(), parameters.values[0], parameters.values[1]);
}

template <typename C> void batch_norm_gradient(const KernelCall &call) {
    require_gradient_operands(call);
    const Channels channels = channels_of(call, call.inputs[1].shape);
    const Parameters<C> parameters(call, 2, 3);
    const C *gamma = parameters.values[0], *mean = parameters.values[1], *rstd = parameters.values[2];
    GradientSums<C> sums = gradient_sums(call, channels, mean);
    const C n = static_cast<C>(channels.count());
    const auto count = static_cast<std::size_t>(channels.channels);
    std::vector<C> slope(count), offset(count), factor(count), dgamma(count);
    for (std::size_t c = 0; c < count; ++c) {
        slope[c] = ((sums.centred[c] / n) * rstd[c]) * rstd[c];
        offset[c] = sums.dy[c] / n;
        factor[c] = rstd[c] * gamma[c];
        dgamma[c] = sums.centred[c] * rstd[c];
    }
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t length, C *out) {
        alignas(64) C scratch[produce_block];
        const C *dy = load<C>(call.inputs[0], first, length, scratch), *x = load<C>(call.inputs[1], first, length, out);
        for_each_plane(channels, first, length, [&](std::int64_t channel, std::int64_t at, std::int64_t plane) {
            const auto c = static_cast<std::size_t>(channel);
            formulas::centred_gradient(dy + at, x + at, mean[c], slope[c], offset[c], factor[c], out + at,
                                       static_cast<std::size_t>(plane));
        });
    });
    store<C>(call, 1, dgamma.data());
    store<C>(call, 2, sums.dy.data());
}

template <typename C> void batch_norm_inference_gradient(const KernelCall &call) {
    require_gradient_operands(call);
    const Channels channels = channels_of(call, call.inputs[1].shape);
    const C epsilon = static_cast<C>(call.operation.get<Normalization>().epsilon);
    const Parameters<C> parameters(call, 2, 3);
    GradientSums<C> sums = gradient_sums(call, channels, parameters.values[1]);
    std::vector<C> factor(static_cast<std::size_t>(channels.channels));
    for (std::size_t c = 0; c < factor.size(); ++c) {
        const C rstd = transcendental::rsqrt(parameters.values[2][c] + epsilon);
        factor[c] = rstd * parameters.values[0][c];
        sums.centred[c] = sums.centred[c] * rstd;
    }
    produce<C>(call, 0, [&](std::int64_t first, std::int64_t length, C *out) {
        const C *dy = load<C>(call.inputs[0], first, length, out);
        for_each_plane(channels, first, length, [&](std::int64_t channel, std::int64_t at, std::int64_t plane) {
            const C f = factor[static_cast<std::size_t>(channel)];
            for (std::int64_t i = at; i < at + plane; ++i) out[i] = dy[i] * f;
        });
    });
    store<C>(call, 1, sums.centred.data());
    store<C>(call, 2, sums.dy.data());
}

template void batch_norm_training<float>(const KernelCall &);
template void batch_norm_training<double>(const KernelCall &);
template void batch_norm_inference<float>(const KernelCall &);
template void batch_norm_inference<double>(const KernelCall &);
template void batch_norm_gradient<float>(const KernelCall &);
template void batch_norm_gradient<double>(const KernelCall &);
template void batch_norm_inference_gradient<float>(const KernelCall &);
template void batch_norm_inference_gradient<double>(const KernelCall &);

} // namespace halfscope::ops::normalization
