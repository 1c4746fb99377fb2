#include "kernels/device.h"
#include "kernels/device_libraries.h"

#include <stdexcept>

#ifdef HALFSCOPE_CUDNN
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/device_tensor.h"
#include "kernels/cuda/libraries/loaded_library.h"
#include "kernels/inputs/inputs.h"

#include <cudnn.h>

#include <memory>
#include <type_traits>
#include <vector>

namespace halfscope::kernels::device {
namespace {

/// The functions that are called, and a handle. Made once.
struct Cudnn {
    LoadedLibrary library{"libcudnn.so." + std::to_string(CUDNN_MAJOR), "libcudnn.so"};
    decltype(&cudnnGetErrorString) status_text = nullptr;
    decltype(&cudnnCreateTensorDescriptor) create_tensor = nullptr;
    decltype(&cudnnSetTensor4dDescriptor) set_tensor = nullptr;
    decltype(&cudnnDestroyTensorDescriptor) destroy_tensor = nullptr;
    decltype(&cudnnCreateFilterDescriptor) create_filter = nullptr;
    decltype(&cudnnSetFilter4dDescriptor) set_filter = nullptr;
    decltype(&cudnnDestroyFilterDescriptor) destroy_filter = nullptr;
    decltype(&cudnnCreateConvolutionDescriptor) create_convolution = nullptr;
    decltype(&cudnnSetConvolution2dDescriptor) set_convolution = nullptr;
    decltype(&cudnnSetConvolutionMathType) set_math = nullptr;
    decltype(&cudnnDestroyConvolutionDescriptor) destroy_convolution = nullptr;
    decltype(&cudnnGetConvolutionForwardAlgorithm_v7) choose = nullptr;
    decltype(&cudnnConvolutionForward) convolve = nullptr;
    cudnnHandle_t handle = nullptr;

    Cudnn() {
        if (!library.missing().empty()) return;
        decltype(&cudnnCreate) create = nullptr;
        library.find(create, "cudnnCreate");
        library.find(status_text, "cudnnGetErrorString");
        library.find(create_tensor, "cudnnCreateTensorDescriptor");
        library.find(set_tensor, "cudnnSetTensor4dDescriptor");
        library.find(destroy_tensor, "cudnnDestroyTensorDescriptor");
        library.find(create_filter, "cudnnCreateFilterDescriptor");
        library.find(set_filter, "cudnnSetFilter4dDescriptor");
        library.find(destroy_filter, "cudnnDestroyFilterDescriptor");
        library.find(create_convolution, "cudnnCreateConvolutionDescriptor");
        library.find(set_convolution, "cudnnSetConvolution2dDescriptor");
        library.find(set_math, "cudnnSetConvolutionMathType");
        library.find(destroy_convolution, "cudnnDestroyConvolutionDescriptor");
        library.find(choose, "cudnnGetConvolutionForwardAlgorithm_v7");
        library.find(convolve, "cudnnConvolutionForward");
        succeed(create(&handle), "cudnnCreate");
    }
    void succeed(cudnnStatus_t status, const char *call) const {
        if (status != CUDNN_STATUS_SUCCESS)
            throw std::runtime_error(std::string("cuDNN: ") + call + " failed: " + status_text(status));
    }
};

const Cudnn &cudnn() {
    static const Cudnn loaded;
    return loaded;
}

/// A descriptor made by `create` and given back by `destroy`.
template <typename Handle> auto made(cudnnStatus_t (*create)(Handle *), cudnnStatus_t (*destroy)(Handle)) {
    Handle handle = nullptr;
    cudnn().succeed(create(&handle), "the making of a descriptor");
    const auto destroy_it = [destroy](Handle one) { (void)destroy(one); };
    return std::unique_ptr<std::remove_pointer_t<Handle>, decltype(destroy_it)>(handle, destroy_it);
}

cudnnDataType_t type_of(number::FormatId format) {
    switch (format) {
    case number::FormatId::fp16: return CUDNN_DATA_HALF;
    case number::FormatId::bf16: return CUDNN_DATA_BFLOAT16;
    default: return CUDNN_DATA_FLOAT;
    }
}

cudnnMathType_t math_of(number::FormatId format) {
    switch (format) {
    case number::FormatId::fp32: return CUDNN_FMA_MATH; // no tf32
    case number::FormatId::tf32: return CUDNN_DEFAULT_MATH;
    default: return CUDNN_TENSOR_OP_MATH;
    }
}

/// The first that is a sum of the products themselves: Winograd's and the Fourier transform's sums are others.
const cudnnConvolutionFwdAlgoPerf_t &direct(const std::vector<cudnnConvolutionFwdAlgoPerf_t> &choices) {
    for (const cudnnConvolutionFwdAlgoPerf_t &choice : choices)
        if (choice.status == CUDNN_STATUS_SUCCESS && choice.algo <= CUDNN_CONVOLUTION_FWD_ALGO_DIRECT) return choice;
    throw std::runtime_error("cuDNN: has no direct algorithm for this convolution");
}

} // namespace

std::string cudnn_missing() {
    if (!cuda_available()) return "CUDA: " + cuda_status();
    const std::string reason = cudnn().library.missing();
    return reason.empty() ? reason : "cuDNN is " + reason;
}

void cudnn_convolution(number::FormatId operands, const KernelCall &call) {
    constexpr int window = 3;
    const Cudnn &dnn = cudnn();
    const auto samples = static_cast<int>(call.inputs[0].shape[0]);
    const auto filters = static_cast<int>(call.inputs[1].shape[1]);
    const auto channels = static_cast<int>(call.inputs[0].shape[1] / (window * window));
    const cudnnDataType_t type = type_of(operands);

    const auto x = made(dnn.create_tensor, dnn.destroy_tensor), y = made(dnn.create_tensor, dnn.destroy_tensor);
    const auto w = made(dnn.create_filter, dnn.destroy_filter);
    const auto convolution = made(dnn.create_convolution, dnn.destroy_convolution);
    dnn.succeed(dnn.set_tensor(x.get(), CUDNN_TENSOR_NCHW, type, samples, channels, window, window),
                "cudnnSetTensor4dDescriptor");
    dnn.succeed(dnn.set_tensor(y.get(), CUDNN_TENSOR_NCHW, type, samples, filters, 1, 1), "cudnnSetTensor4dDescriptor");
    dnn.succeed(dnn.set_filter(w.get(), type, CUDNN_TENSOR_NCHW, filters, channels, window, window),
                "cudnnSetFilter4dDescriptor");
    dnn.succeed(dnn.set_convolution(convolution.get(), 0, 0, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                "cudnnSetConvolution2dDescriptor");
    dnn.succeed(dnn.set_math(convolution.get(), math_of(operands)), "cudnnSetConvolutionMathType");

    std::vector<cudnnConvolutionFwdAlgoPerf_t> choices(CUDNN_CONVOLUTION_FWD_ALGO_COUNT);
    int found = 0;
    dnn.succeed(dnn.choose(dnn.handle, x.get(), w.get(), convolution.get(), y.get(), static_cast<int>(choices.size()),
                           &found, choices.data()),
                "cudnnGetConvolutionForwardAlgorithm_v7");
    choices.resize(static_cast<std::size_t>(found));
    const cudnnConvolutionFwdAlgoPerf_t &choice = direct(choices);
    dnn.succeed(dnn.set_math(convolution.get(), choice.mathType), "cudnnSetConvolutionMathType");

    ops::HostTensor filter = transposed(call.inputs[1]);
    const DeviceTensor a(call.inputs[0]), b(filter.view()), d(call.inputs[2]); // c, which the result is added to
    const DeviceArray<char> workspace(choice.memory);
    const float one = 1;
    dnn.succeed(dnn.convolve(dnn.handle, &one, x.get(), a.as<void>(), w.get(), b.as<void>(), convolution.get(),
                             choice.algo, workspace.data(), choice.memory, &one, y.get(), d.as<void>()),
                "cudnnConvolutionForward");
    d.download(call.output);
}

} // namespace halfscope::kernels::device

#else

namespace halfscope::kernels::device {

namespace {
constexpr const char *no_headers = "HalfScope was built without cuDNN's headers (cudnn.h)";
}

std::string cudnn_missing() { return cuda_available() ? no_headers : "CUDA: " + cuda_status(); }
void cudnn_convolution(number::FormatId, const KernelCall &) { throw std::runtime_error(no_headers); }

} // namespace halfscope::kernels::device

#endif
