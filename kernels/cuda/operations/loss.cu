// Losses: the terms' tree, chunks side by side, or the terms themselves; gradients one thread an element.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/chunked_tree.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/transcendental.cuh"

namespace halfscope::kernels::device::operations {
namespace {

using ops::OpKind;

/// Log-probabilities [samples, classes, space] and the targets [samples, space] into them.
struct Targets {
    const std::int64_t *values;
    std::int64_t count, classes, space, ignored;
};

/// found[0]: targets that count; found[1]: targets that are no class.
__global__ void count_kernel(Targets targets, unsigned long long *found) {
    for (std::int64_t i = thread_index(); i < targets.count; i += thread_count()) {
        const std::int64_t target = targets.values[i];
        if (target == targets.ignored) continue;
        atomicAdd(&found[target < 0 || target >= targets.classes ? 1 : 0], 1ull);
    }
}

struct NllTerms {
    Operand probabilities;
    Targets targets;
    [[nodiscard]] __device__ float operator()(std::int64_t, std::int64_t i) const {
        const std::int64_t target = targets.values[i], space = targets.space;
        if (target == targets.ignored) return 0;
        return -probabilities.at((i / space * targets.classes + target) * space + i % space);
    }
};
struct SquaredErrors {
    Operand prediction, target;
    [[nodiscard]] __device__ float operator()(std::int64_t, std::int64_t i) const {
        const float difference = __fsub_rn(prediction.at(i), target.at(i));
        return __fmul_rn(difference, difference);
    }
};
struct LogitTerms {
    Operand logit, target;
    [[nodiscard]] __device__ float operator()(std::int64_t, std::int64_t i) const {
        const float z = logit.at(i);
        const float rest = functions::log(__fadd_rn(1.0f, functions::exp(-fabsf(z))));
        // A NaN logit stays NaN through z * t.
        return __fadd_rn(__fsub_rn(z < 0 ? 0.0f : z, __fmul_rn(z, target.at(i))), rest);
    }
};

template <typename Terms> __global__ void terms_kernel(Terms terms, float *out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) out[i] = terms(0, i);
}

__global__ void mean_kernel(const float *sum, bool mean, float n, float *out) {
    *out = mean ? __fdiv_rn(*sum, n) : *sum;
}

/// `counted` terms are in the mean.
template <typename Terms>
void leave_loss(const ops::KernelCall &call, const Terms &terms, std::int64_t count, std::int64_t counted) {
    const auto &loss = call.operation.get<ops::Loss>();
    const Result result(call, 0);
    if (loss.per_element)
        launch("loss terms kernel", terms_kernel<Terms>, elementwise_grid(count), elementwise_block, terms,
               result.values(), count);
    else {
        const DeviceArray<float> sum(1);
        chunked_trees<SumStep>("loss kernel", terms, 1, count, sum.data());
        launch("loss mean kernel", mean_kernel, 1, 1, sum.data(), loss.mean, static_cast<float>(counted),
               result.values());
    }
    result.leave();
}

/// dy is one element for all unless the loss is per element.
__global__ void nll_gradient_kernel(Operand dy, bool per_element, bool mean, float counted, Targets targets, float *out,
                                    std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const std::int64_t inside = i % targets.space, of_class = i / targets.space % targets.classes;
        const std::int64_t at = i / targets.space / targets.classes * targets.space + inside;
        float value = 0;
        if (targets.values[at] == of_class && of_class != targets.ignored) {
            const float gradient = dy.at(per_element ? at : 0);
            value = -(mean && !per_element ? __fdiv_rn(gradient, counted) : gradient);
        }
        out[i] = value;
    }
}

__global__ void mse_gradient_kernel(Operand dy, std::int64_t stride, float factor, Operand p, Operand t, float *out,
                                    std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count())
        out[i] = __fmul_rn(__fmul_rn(factor, __fsub_rn(p.at(i), t.at(i))), dy.at(i * stride));
}

__global__ void logit_gradient_kernel(Operand dy, std::int64_t stride, bool mean, float n, Operand z, Operand t,
                                      float *out, std::int64_t count) {
    for (std::int64_t i = thread_index(); i < count; i += thread_count()) {
        const float sigmoid = __fdiv_rn(1.0f, __fadd_rn(1.0f, functions::exp(-z.at(i))));
        const float slope = __fmul_rn(__fsub_rn(sigmoid, t.at(i)), dy.at(i * stride));
        out[i] = mean ? __fdiv_rn(slope, n) : slope;
    }
}

/// Targets into log-probabilities of this shape, and how many count. False where something does not fit or a target is
/// no class: the host then says so.
bool count_targets(const ops::KernelCall &call, const ops::Shape &probabilities, Targets &targets,
                   std::int64_t &counted) {
    const ops::TensorView &view = call.inputs[1];
    if (view.dtype != ops::DType::int64 || probabilities.rank() < 2 || view.shape.rank() != probabilities.rank() - 1 ||
        view.shape[0] != probabilities[0])
        return false;
    targets = {view.as<const std::int64_t>(), view.shape.elements(), probabilities[1], 1,
               call.operation.get<ops::Loss>().ignore_index};
    for (int axis = 2; axis < probabilities.rank(); ++axis) {
        if (view.shape[axis - 1] != probabilities[axis]) return false;
        targets.space *= probabilities[axis];
    }
    if (targets.count == 0) return false;
    const DeviceArray<unsigned long long> found(2);
    check(cudaMemset(found.data(), 0, 2 * sizeof(unsigned long long)), "cudaMemset");
    launch("targets kernel", count_kernel, elementwise_grid(targets.count), elementwise_block, targets, found.data());
    unsigned long long counts[2];
    found.download(counts);
    counted = static_cast<std::int64_t>(counts[0]);
    return counts[1] == 0;
}

/// True when a loss of `terms` terms can have this many elements.
bool has_elements(const ops::KernelCall &call, const ops::TensorView &view, std::int64_t terms) {
    return view.shape.elements() == (call.operation.get<ops::Loss>().per_element ? terms : 1);
}

bool readable_floats(const ops::TensorView &view) { return readable(view) && ops::is_floating(view.dtype); }

bool run_nll(const ops::KernelCall &call) {
    if (call.inputs.size() != 2 || !readable_floats(call.inputs[0]) || !readable_floats(call.outputs[0])) return false;
    Targets targets{};
    std::int64_t counted = 0;
    if (call.operation.kind == OpKind::nll_loss) {
        if (!count_targets(call, call.inputs[0].shape, targets, counted) ||
            !has_elements(call, call.outputs[0], targets.count))
            return false;
        leave_loss(call, NllTerms{Operand(call.inputs[0]), targets}, targets.count, counted);
        return true;
    }
    if (!count_targets(call, call.outputs[0].shape, targets, counted) ||
        !has_elements(call, call.inputs[0], targets.count))
        return false;
    const auto &loss = call.operation.get<ops::Loss>();
    const std::int64_t count = call.outputs[0].shape.elements();
    if (count == 0) return true;
    const Result result(call, 0);
    launch("nll gradient kernel", nll_gradient_kernel, elementwise_grid(count), elementwise_block,
           Operand(call.inputs[0]), loss.per_element, loss.mean, static_cast<float>(counted), targets, result.values(),
           count);
    result.leave();
    return true;
}

bool run_pair_loss(const ops::KernelCall &call) {
    if (!fits(call) || call.inputs.size() != 2 || !(call.inputs[0].shape == call.inputs[1].shape)) return false;
    const std::int64_t n = call.inputs[0].shape.elements();
    if (n == 0 || !has_elements(call, call.outputs[0], n)) return false;
    const Operand p(call.inputs[0]), t(call.inputs[1]);
    if (call.operation.kind == OpKind::mse_loss)
        leave_loss(call, SquaredErrors{p, t}, n, n);
    else
        leave_loss(call, LogitTerms{p, t}, n, n);
    return true;
}

bool run_pair_gradient(const ops::KernelCall &call) {
    if (!fits(call) || call.inputs.size() != 3 || !(call.inputs[1].shape == call.inputs[2].shape) ||
        !(call.inputs[1].shape == call.outputs[0].shape))
        return false;
    const auto &loss = call.operation.get<ops::Loss>();
    const std::int64_t count = call.outputs[0].shape.elements(), stride = loss.per_element ? 1 : 0;
    if (count == 0 || !has_elements(call, call.inputs[0], count)) return false;
    const bool mean = loss.mean && !loss.per_element;
    const auto n = static_cast<float>(count);
    const Operand dy(call.inputs[0]), p(call.inputs[1]), t(call.inputs[2]);
    const Result result(call, 0);
    if (call.operation.kind == OpKind::mse_loss_gradient)
        launch("mse gradient kernel", mse_gradient_kernel, elementwise_grid(count), elementwise_block, dy, stride,
               mean ? 2.0f / n : 2.0f, p, t, result.values(), count);
    else
        launch("logit gradient kernel", logit_gradient_kernel, elementwise_grid(count), elementwise_block, dy, stride,
               mean, n, p, t, result.values(), count);
    result.leave();
    return true;
}

} // namespace

bool run_loss(const ops::KernelCall &call) {
    if (call.inputs.empty() || call.outputs.size() != 1) return false;
    switch (call.operation.kind) {
    case OpKind::nll_loss:
    case OpKind::nll_loss_gradient: return run_nll(call);
    case OpKind::mse_loss:
    case OpKind::bce_with_logits: return run_pair_loss(call);
    default: return run_pair_gradient(call);
    }
}

} // namespace halfscope::kernels::device::operations
