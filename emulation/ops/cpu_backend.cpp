// The emulator: sends each operation to its kernel family.
#include "emulation/ops/kernels.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace halfscope::ops {
namespace {

using Kernel = void (*)(const KernelCall &);

/// Families are contiguous ranges of OpKind; the range of each ends at the kind named here.
Kernel family_of(OpKind kind) {
    switch (kind) {
    case OpKind::reduce_sum:
    case OpKind::reduce_mean:
    case OpKind::reduce_max:
    case OpKind::reduce_min:
    case OpKind::reduce_product:
    case OpKind::reduce_sum_squares:
    case OpKind::argmax:
    case OpKind::top_k:
    case OpKind::cumulative_sum: return run_reduction;
    case OpKind::matmul: return run_matmul;
    case OpKind::convolution:
    case OpKind::convolution_input_gradient:
    case OpKind::convolution_weight_gradient: return run_convolution;
    case OpKind::max_pool:
    case OpKind::max_pool_gradient:
    case OpKind::average_pool:
    case OpKind::average_pool_gradient:
    case OpKind::resize_nearest:
    case OpKind::resize_nearest_gradient: return run_pooling;
    case OpKind::batch_norm_training:
    case OpKind::batch_norm_inference:
    case OpKind::batch_norm_gradient:
    case OpKind::batch_norm_inference_gradient:
    case OpKind::layer_norm:
    case OpKind::layer_norm_gradient:
    case OpKind::rms_norm:
    case OpKind::rms_norm_gradient:
    case OpKind::group_norm:
    case OpKind::group_norm_gradient: return run_normalization;
    case OpKind::softmax:
    case OpKind::softmax_gradient:
    case OpKind::log_softmax:
    case OpKind::log_softmax_gradient: return run_softmax;
    case OpKind::nll_loss:
    case OpKind::nll_loss_gradient:
    case OpKind::mse_loss:
    case OpKind::mse_loss_gradient:
    case OpKind::bce_with_logits:
    case OpKind::bce_with_logits_gradient: return run_loss;
    case OpKind::gather:
    case OpKind::gather_gradient:
    case OpKind::gather_elements:
    case OpKind::gather_elements_gradient:
    case OpKind::one_hot: return run_indexing;
    case OpKind::transpose:
    case OpKind::reshape:
    case OpKind::expand:
    case OpKind::concat:
    case OpKind::slice:
    case OpKind::slice_gradient:
    case OpKind::pad:
    case OpKind::trilu: return run_movement;
    case OpKind::random_uniform:
    case OpKind::random_normal:
    case OpKind::dropout:
    case OpKind::dropout_gradient: return run_random;
    case OpKind::unscale_check:
    case OpKind::sgd_step:
    case OpKind::adam_step: return run_optimizer;
    default: return run_elementwise;
    }
}

class CpuBackend final : public Backend {
  public:
    explicit CpuBackend(int threads) : threads_(threads) {}

    [[nodiscard]] std::string_view name() const override { return "cpu"; }

    [[nodiscard]] void *allocate(std::size_t bytes) override {
        void *memory = std::aligned_alloc(64, (bytes + 127) / 64 * 64);
        if (!memory) throw std::bad_alloc();
        return memory;
    }
    void release(void *memory) noexcept override { std::free(memory); }
    // A tensor without elements may have no address.
    void upload(void *destination, const void *host, std::size_t bytes) override {
        if (bytes > 0) std::memcpy(destination, host, bytes);
    }
    void download(void *host, const void *source, std::size_t bytes) override {
        if (bytes > 0) std::memcpy(host, source, bytes);
    }

    void run(const Operation &operation, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
             std::span<number::RangeStatistics *const> statistics, const RandomKey &key) override {
        family_of(operation.kind)({operation, inputs, outputs, statistics, key, threads_});
    }

  private:
    ThreadPool threads_;
};

} // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) { return std::make_unique<CpuBackend>(threads); }

} // namespace halfscope::ops
