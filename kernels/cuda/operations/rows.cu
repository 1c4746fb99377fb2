// Softmax, layer and RMS normalisation in the fixed tree of operation.h: a warp a row, lane l of the tree lane l of the
// warp.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/column_tree.cuh"
#include "kernels/cuda/operations/operand.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/transcendental.cuh"
#include "kernels/cuda/tree.cuh"

#include <algorithm>
#include <memory>
#include <optional>

namespace halfscope::kernels::device::operations {
namespace {

using ops::OpKind;

constexpr int warps_a_block = 4;
constexpr unsigned rows_block = warps_a_block * static_cast<unsigned>(ops::reduction::tree_lanes);

/// Room for the chunk results of every warp's tree.
struct Chunks {
    float *memory;
    std::int64_t a_row;
    [[nodiscard]] __device__ float *of(std::int64_t row) const { return memory + row * a_row; }
};

__device__ std::int64_t row_of_warp() {
    return blockIdx.x * std::int64_t{warps_a_block} + threadIdx.x / ops::reduction::tree_lanes;
}
__device__ std::int64_t lane_of_warp() { return threadIdx.x % ops::reduction::tree_lanes; }

/// Runs body(grid, chunks) with room for `rows` trees over n elements.
template <typename Body> void over_rows(std::int64_t rows, std::int64_t n, const Body &body) {
    const std::int64_t a_row = n > ops::reduction::tree_chunk ? n / ops::reduction::tree_chunk + 1 : 0;
    const DeviceArray<float> memory(static_cast<std::size_t>(rows * a_row));
    body(static_cast<unsigned>((rows + warps_a_block - 1) / warps_a_block), Chunks{memory.data(), a_row});
}

/// a is x (or dy), b is y of the gradients; elements of a row lie `inner` apart.
__global__ void softmax_kernel(OpKind kind, Operand a, Operand b, std::int64_t rows, std::int64_t n, std::int64_t inner,
                               Stored out, Chunks chunks) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    const std::int64_t base = row / inner * inner * n + row % inner;
    const auto value = [=](std::int64_t i) { return a.at(base + i * inner); };
    const auto other = [=](std::int64_t i) { return b.at(base + i * inner); };
    const auto product = [=](std::int64_t i) { return __fmul_rn(value(i), other(i)); };
    float largest = 0, sum = 0;
    if (kind == OpKind::softmax || kind == OpKind::log_softmax) {
        largest = tree<MaximumStep>(n, value, chunks.of(row));
        __syncwarp();
        const auto power = [=](std::int64_t i) { return functions::exp(__fsub_rn(value(i), largest)); };
        sum = tree<SumStep>(n, power, chunks.of(row));
        if (kind == OpKind::log_softmax) sum = functions::log(sum);
    } else if (kind == OpKind::softmax_gradient)
        sum = tree<SumStep>(n, product, chunks.of(row));
    else
        sum = tree<SumStep>(n, value, chunks.of(row));
    for (std::int64_t i = lane_of_warp(); i < n; i += ops::reduction::tree_lanes) {
        float y = 0;
        switch (kind) {
        case OpKind::softmax: y = __fdiv_rn(functions::exp(__fsub_rn(value(i), largest)), sum); break;
        case OpKind::log_softmax: y = __fsub_rn(__fsub_rn(value(i), largest), sum); break;
        case OpKind::softmax_gradient: y = __fmul_rn(other(i), __fsub_rn(value(i), sum)); break;
        default: y = __fsub_rn(value(i), __fmul_rn(functions::exp(other(i)), sum)); break;
        }
        out.put(base + i * inner, y);
    }
}

/// gamma and beta may have no data; mean and rstd may be null.
__global__ void layer_norm_kernel(Operand x, Operand gamma, Operand beta, std::int64_t rows, std::int64_t n,
                                  float epsilon, Stored out, float *means, float *rstds, Chunks chunks) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    const std::int64_t base = row * n;
    const auto count = static_cast<float>(n);
    const auto value = [=](std::int64_t i) { return x.at(base + i); };
    const float mean = __fdiv_rn(tree<SumStep>(n, value, chunks.of(row)), count);
    __syncwarp();
    const auto squared = [=](std::int64_t i) {
        const float difference = __fsub_rn(value(i), mean);
        return __fmul_rn(difference, difference);
    };
    const float variance = __fdiv_rn(tree<SumStep>(n, squared, chunks.of(row)), count);
    const float rstd = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(variance, epsilon)));
    for (std::int64_t i = lane_of_warp(); i < n; i += ops::reduction::tree_lanes) {
        float h = __fmul_rn(__fsub_rn(value(i), mean), rstd);
        if (beta.data != nullptr)
            h = __fmaf_rn(h, gamma.at(i), beta.at(i));
        else if (gamma.data != nullptr)
            h = __fmul_rn(h, gamma.at(i));
        out.put(base + i, h);
    }
    if (means != nullptr && lane_of_warp() == 0) {
        means[row] = mean;
        rstds[row] = rstd;
    }
}

/// gamma may have no data; rstds may be null.
__global__ void rms_norm_kernel(Operand x, Operand gamma, std::int64_t rows, std::int64_t n, float epsilon, Stored out,
                                float *rstds, Chunks chunks) {
    const std::int64_t row = row_of_warp();
    if (row >= rows) return;
    const std::int64_t base = row * n;
    const auto squared = [=](std::int64_t i) { return __fmul_rn(x.at(base + i), x.at(base + i)); };
    const float mean_square = __fdiv_rn(tree<SumStep>(n, squared, chunks.of(row)), static_cast<float>(n));
    const float rstd = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(mean_square, epsilon)));
    for (std::int64_t i = lane_of_warp(); i < n; i += ops::reduction::tree_lanes) {
        const float h = __fmul_rn(x.at(base + i), rstd);
        out.put(base + i, gamma.data != nullptr ? __fmul_rn(h, gamma.at(i)) : h);
    }
    if (rstds != nullptr && lane_of_warp() == 0) rstds[row] = rstd;
}

/// Operands of layer_norm_gradient and rms_norm_gradient; gamma may have no data, and rms_norm's mean has none.
struct NormGradient {
    Operand dy, x, mean, rstd, gamma;
    std::int64_t rows, n;

    [[nodiscard]] __device__ bool centred() const { return mean.data != nullptr; }
    [[nodiscard]] __device__ float normalised(std::int64_t row, std::int64_t i) const {
        const float value = x.at(row * n + i);
        return __fmul_rn(centred() ? __fsub_rn(value, mean.at(row)) : value, rstd.at(row));
    }
    [[nodiscard]] __device__ float scaled(std::int64_t row, std::int64_t i) const {
        const float g = dy.at(row * n + i);
        return gamma.data != nullptr ? __fmul_rn(g, gamma.at(i)) : g;
    }
};

__global__ void norm_gradient_kernel(NormGradient of, Stored dx, Chunks chunks) {
    const std::int64_t row = row_of_warp();
    if (row >= of.rows) return;
    const auto count = static_cast<float>(of.n);
    const auto g = [=](std::int64_t i) { return of.scaled(row, i); };
    const auto product = [=](std::int64_t i) { return __fmul_rn(of.scaled(row, i), of.normalised(row, i)); };
    const float b = __fdiv_rn(tree<SumStep>(of.n, product, chunks.of(row)), count);
    __syncwarp();
    const float a = of.centred() ? __fdiv_rn(tree<SumStep>(of.n, g, chunks.of(row)), count) : 0; // g - 0 is g
    const float rstd = of.rstd.at(row);
    for (std::int64_t i = lane_of_warp(); i < of.n; i += ops::reduction::tree_lanes)
        dx.put(row * of.n + i, __fmul_rn(__fmaf_rn(-of.normalised(row, i), b, __fsub_rn(g(i), a)), rstd));
}

/// Of columns, over the rows.
struct WeightTerms {
    NormGradient of;
    [[nodiscard]] __device__ float operator()(std::int64_t column, std::int64_t row) const {
        return __fmul_rn(of.dy.at(row * of.n + column), of.normalised(row, column));
    }
};
struct OffsetTerms {
    NormGradient of;
    [[nodiscard]] __device__ float operator()(std::int64_t column, std::int64_t row) const {
        return of.dy.at(row * of.n + column);
    }
};

/// Rows and their length when the axes from `axis` on are one row.
struct Rows {
    std::int64_t rows = 1, n = 1;
    Rows(const ops::Shape &shape, int axis) {
        for (int i = 0; i < shape.rank(); ++i) (i < axis ? rows : n) *= shape[i];
    }
};

const Operand none(nullptr, ops::DType::fp32);

Operand optional(const ops::KernelCall &call, std::size_t input) {
    return call.inputs.size() > input ? Operand(call.inputs[input]) : none;
}

bool have_elements(std::span<const ops::TensorView> views, std::int64_t elements) {
    return std::all_of(views.begin(), views.end(),
                       [elements](const ops::TensorView &view) { return view.shape.elements() == elements; });
}

/// The rows of (x, weights of a row's length...) -> y, values of each row...; none where something does not fit, and
/// the host then says what.
std::optional<Rows> rows_of_norm(const ops::KernelCall &call) {
    const int axis = call.operation.get<ops::Normalization>().axis;
    if (call.inputs.empty() || call.outputs.empty() || !(call.outputs[0].shape == call.inputs[0].shape) || axis < 0)
        return {};
    const Rows rows(call.inputs[0].shape, axis);
    if (rows.rows == 0 || rows.n == 0 || !have_elements(call.inputs.subspan(1), rows.n) ||
        !have_elements(call.outputs.subspan(1), rows.rows))
        return {};
    return rows;
}

bool run_layer_norm(const ops::KernelCall &call) {
    const auto &attributes = call.operation.get<ops::Normalization>();
    const std::optional<Rows> fitting = rows_of_norm(call);
    if (!fitting || call.inputs.size() > 3 || (call.outputs.size() != 1 && call.outputs.size() != 3)) return false;
    const Rows &rows = *fitting;
    const Result y(call, 0);
    std::unique_ptr<Result> mean, rstd;
    if (call.outputs.size() == 3) {
        mean = std::make_unique<Result>(call, 1);
        rstd = std::make_unique<Result>(call, 2);
    }
    over_rows(rows.rows, rows.n, [&](unsigned grid, Chunks chunks) {
        launch("layer norm kernel", layer_norm_kernel, grid, rows_block, Operand(call.inputs[0]), optional(call, 1),
               optional(call, 2), rows.rows, rows.n, static_cast<float>(attributes.epsilon), y.stored(),
               mean ? mean->values() : nullptr, rstd ? rstd->values() : nullptr, chunks);
    });
    y.leave();
    if (mean) {
        mean->leave();
        rstd->leave();
    }
    return true;
}

bool run_rms_norm(const ops::KernelCall &call) {
    const auto &attributes = call.operation.get<ops::Normalization>();
    const std::optional<Rows> fitting = rows_of_norm(call);
    if (!fitting || call.inputs.size() > 2 || call.outputs.size() > 2) return false;
    const Rows &rows = *fitting;
    const Result y(call, 0);
    const std::unique_ptr<Result> rstd = call.outputs.size() > 1 ? std::make_unique<Result>(call, 1) : nullptr;
    over_rows(rows.rows, rows.n, [&](unsigned grid, Chunks chunks) {
        launch("RMS norm kernel", rms_norm_kernel, grid, rows_block, Operand(call.inputs[0]), optional(call, 1),
               rows.rows, rows.n, static_cast<float>(attributes.epsilon), y.stored(), rstd ? rstd->values() : nullptr,
               chunks);
    });
    y.leave();
    if (rstd) rstd->leave();
    return true;
}

/// Of layer_norm and rms_norm: (dy, x[, mean], rstd[, gamma]) -> dx[, dgamma[, dbeta]].
bool run_norm_gradient(const ops::KernelCall &call) {
    const auto &attributes = call.operation.get<ops::Normalization>();
    const std::size_t statistics = call.operation.kind == OpKind::rms_norm_gradient ? 1 : 2;
    if (call.inputs.size() < 2 + statistics || call.inputs.size() > 3 + statistics || call.outputs.empty() ||
        call.outputs.size() > 1 + statistics || !(call.inputs[0].shape == call.inputs[1].shape) ||
        !(call.outputs[0].shape == call.inputs[1].shape) || attributes.axis < 0)
        return false;
    const Rows rows(call.inputs[1].shape, attributes.axis);
    if (rows.rows == 0 || rows.n == 0 || !have_elements(call.inputs.subspan(2, statistics), rows.rows) ||
        !have_elements(call.inputs.subspan(2 + statistics), rows.n) || !have_elements(call.outputs.subspan(1), rows.n))
        return false;
    const NormGradient of{Operand(call.inputs[0]),
                          Operand(call.inputs[1]),
                          statistics == 2 ? Operand(call.inputs[2]) : none,
                          Operand(call.inputs[1 + statistics]),
                          optional(call, 2 + statistics),
                          rows.rows,
                          rows.n};
    const Result dx(call, 0);
    over_rows(rows.rows, rows.n, [&](unsigned grid, Chunks chunks) {
        launch("norm gradient kernel", norm_gradient_kernel, grid, rows_block, of, dx.stored(), chunks);
    });
    if (call.outputs.size() > 1) {
        const Result dgamma(call, 1);
        column_trees<SumStep>("norm weights gradient kernel", WeightTerms{of}, rows.n, rows.rows, dgamma.values());
        dgamma.leave();
    }
    if (call.outputs.size() > 2) {
        const Result dbeta(call, 2);
        column_trees<SumStep>("norm offsets gradient kernel", OffsetTerms{of}, rows.n, rows.rows, dbeta.values());
        dbeta.leave();
    }
    dx.leave();
    return true;
}

} // namespace

bool run_softmax(const ops::KernelCall &call) {
    const OpKind kind = call.operation.kind;
    const bool gradient = kind == OpKind::softmax_gradient || kind == OpKind::log_softmax_gradient;
    const ops::Shape &shape = call.outputs[0].shape;
    const int axis = call.operation.get<ops::Axis>().axis;
    if (!fits(call) || call.inputs.size() != (gradient ? 2u : 1u) || axis >= shape.rank() || axis < 0) return false;
    for (const ops::TensorView &view : call.inputs)
        if (!(view.shape == shape)) return false;
    if (shape.elements() == 0) return true;
    const std::int64_t n = shape[axis], rows = shape.elements() / n, inner = Rows(shape, axis + 1).n;
    const Result result(call, 0);
    over_rows(rows, n, [&](unsigned grid, Chunks chunks) {
        launch("softmax kernel", softmax_kernel, grid, rows_block, kind, Operand(call.inputs[0]), optional(call, 1),
               rows, n, inner, result.stored(), chunks);
    });
    result.leave();
    return true;
}

bool run_normalization(const ops::KernelCall &call) {
    if (!fits(call)) return false;
    switch (call.operation.kind) {
    case OpKind::layer_norm: return run_layer_norm(call);
    case OpKind::rms_norm: return run_rms_norm(call);
    case OpKind::layer_norm_gradient:
    case OpKind::rms_norm_gradient: return run_norm_gradient(call);
    default: return false;
    }
}

} // namespace halfscope::kernels::device::operations
