#include "kernels/cuda_backend.h"

#include "emulation/ops/thread_pool.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/operations/convolution.h"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/device.h"

#include <memory>
#include <vector>

namespace halfscope::kernels {
namespace {

using ops::OpKind;

bool run_on_device(const ops::KernelCall &call, CudaKernels kernels) {
    using namespace device::operations;
    switch (call.operation.kind) {
    case OpKind::matmul: return run_matmul(call);
    case OpKind::convolution:
    case OpKind::convolution_input_gradient:
    case OpKind::convolution_weight_gradient:
        return kernels == CudaKernels::fast ? run_convolution(call) : run_convolution_reference(call);
    case OpKind::reduce_sum:
    case OpKind::reduce_mean:
    case OpKind::reduce_max:
    case OpKind::reduce_min:
    case OpKind::reduce_product:
    case OpKind::reduce_sum_squares: return run_reduction(call);
    case OpKind::argmax:
    case OpKind::top_k:
    case OpKind::cumulative_sum: return run_along_axis(call);
    case OpKind::softmax:
    case OpKind::softmax_gradient:
    case OpKind::log_softmax:
    case OpKind::log_softmax_gradient: return run_softmax(call);
    case OpKind::layer_norm:
    case OpKind::layer_norm_gradient:
    case OpKind::rms_norm:
    case OpKind::rms_norm_gradient: return run_normalization(call);
    case OpKind::group_norm:
    case OpKind::group_norm_gradient: return run_group_norm(call);
    case OpKind::batch_norm_training:
    case OpKind::batch_norm_inference:
    case OpKind::batch_norm_gradient:
    case OpKind::batch_norm_inference_gradient: return run_batch_norm(call);
    case OpKind::max_pool:
    case OpKind::max_pool_gradient:
    case OpKind::average_pool:
    case OpKind::average_pool_gradient: return run_pooling(call);
    case OpKind::resize_nearest:
    case OpKind::resize_nearest_gradient: return run_resize(call);
    case OpKind::nll_loss:
    case OpKind::nll_loss_gradient:
    case OpKind::mse_loss:
    case OpKind::mse_loss_gradient:
    case OpKind::bce_with_logits:
    case OpKind::bce_with_logits_gradient: return run_loss(call);
    case OpKind::gather:
    case OpKind::gather_gradient:
    case OpKind::gather_elements:
    case OpKind::gather_elements_gradient:
    case OpKind::one_hot: return run_indexing(call);
    case OpKind::transpose:
    case OpKind::reshape:
    case OpKind::expand:
    case OpKind::concat:
    case OpKind::slice:
    case OpKind::slice_gradient:
    case OpKind::pad:
    case OpKind::trilu: return run_movement(call);
    case OpKind::random_uniform:
    case OpKind::random_normal: return run_drawn_values(call);
    case OpKind::dropout:
    case OpKind::dropout_gradient: return run_dropout(call);
    case OpKind::unscale_check:
    case OpKind::sgd_step:
    case OpKind::adam_step: return kernels == CudaKernels::fast ? run_optimizer(call) : run_optimizer_reference(call);
    default: return run_elementwise(call);
    }
}

class DeviceBackend final : public CudaBackend {
  public:
    DeviceBackend(int host_threads, CudaKernels kernels)
        : host_(ops::make_cpu_backend(host_threads)), kernels_(kernels) {
        if (!cuda_available()) throw std::runtime_error("CUDA: " + cuda_status());
#ifdef __CUDACC__
        device_heap.keep(true); // elsewhere every allocation's bounds are checked when it is freed
#endif
    }

    [[nodiscard]] std::string_view name() const override { return "cuda"; }

    [[nodiscard]] void *allocate(std::size_t bytes) override { return device_heap.take(bytes); }
    void release(void *memory) noexcept override { device_heap.give_back(memory); }
    void upload(void *destination, const void *host, std::size_t bytes) override {
        if (bytes > 0) check(cudaMemcpy(destination, host, bytes, cudaMemcpyHostToDevice), "cudaMemcpy to the device");
    }
    void download(void *host, const void *source, std::size_t bytes) override {
        if (bytes > 0) check(cudaMemcpy(host, source, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy from the device");
    }

    void run(const ops::Operation &operation, std::span<const ops::TensorView> inputs,
             std::span<const ops::TensorView> outputs, std::span<number::RangeStatistics *const> statistics,
             const ops::RandomKey &key) override {
        const std::string name(ops::name_of(operation.kind));
        const device::operations::StatisticsBy statistics_by(kernels_ == CudaKernels::references,
                                                             holding_ ? statistics_.get() : nullptr);
        if (run_on_device({operation, inputs, outputs, statistics, key, no_threads_}, kernels_)) {
            ++places_.on_device[name];
            return;
        }
        ++places_.on_host[name];
        std::vector<ops::HostTensor> in, out;
        std::vector<ops::TensorView> in_views, out_views;
        for (const ops::TensorView &view : inputs) {
            in.emplace_back(view.dtype, view.shape);
            download(in.back().bytes.data(), view.data, view.bytes());
        }
        for (const ops::TensorView &view : outputs) out.emplace_back(view.dtype, view.shape);
        for (ops::HostTensor &tensor : in) in_views.push_back(tensor.view());
        for (ops::HostTensor &tensor : out) out_views.push_back(tensor.view());
        host_->run(operation, in_views, out_views, statistics, key);
        for (std::size_t i = 0; i < outputs.size(); ++i)
            upload(outputs[i].data, out[i].bytes.data(), outputs[i].bytes());
    }

    void hold_statistics() override {
        if (!statistics_) statistics_ = std::make_unique<device::operations::DeviceStatistics>(64, 4096);
        holding_ = true;
    }
    void settle_statistics() override {
        holding_ = false;
        if (statistics_) statistics_->settle();
    }

    [[nodiscard]] const PlacesOfOperations &places() const override { return places_; }
    [[nodiscard]] std::size_t peak_bytes() const override { return device_heap.peak(); }
    void forget_peak() override { device_heap.forget_peak(); }

  private:
    std::unique_ptr<ops::Backend> host_;
    ops::ThreadPool no_threads_{1}; ///< a KernelCall names one; device operations use none
    CudaKernels kernels_;
    PlacesOfOperations places_;
    std::unique_ptr<device::operations::DeviceStatistics> statistics_; ///< held back, once that was asked for
    bool holding_ = false;
};

} // namespace

std::unique_ptr<CudaBackend> make_cuda_backend(int host_threads, CudaKernels kernels) {
    return std::make_unique<DeviceBackend>(host_threads, kernels);
}

} // namespace halfscope::kernels
