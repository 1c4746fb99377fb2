// Matrix products of any batch and layout. The fma chain: tiled, operands read where they lie; so on the matrix unit
// (unit_matmul.cu), and large products by wgmma where rows are whole eights: else they are laid out row-major first, k
// filled up with zeros to whole instructions.
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operations/matmul.cuh"
#include "kernels/cuda/operations/operations.h"
#include "kernels/cuda/operations/result.h"
#include "kernels/cuda/tiled_product.cuh"
#include "kernels/cuda/wgmma_gemm.h"
#include "kernels/on_device.h"

#include <algorithm>
#include <vector>

namespace halfscope::kernels::device::operations {
namespace {

/// blockIdx.z and on, by gridDim.z, are batches.
__global__ void chain_kernel(Matrices a, Matrices b, Finish finish, bool onto_third, std::int64_t batches) {
    for (std::int64_t batch = blockIdx.z; batch < batches; batch += gridDim.z) {
        const Matrix left = a.of(batch), right = b.of(batch), third = finish.bias.of(batch);
        const FinishOfOne end = finish.of(batch);
        tiled_product(
            a.rows, b.columns, a.columns, [=](std::int64_t row, std::int64_t k) { return left.at(row, k); },
            [=](std::int64_t k, std::int64_t column) { return right.at(k, column); },
            [=](std::int64_t row, std::int64_t column) { return onto_third ? third.at(row, column) : 0.0f; },
            [=](std::int64_t row, std::int64_t column, float sum) {
                if (onto_third)
                    end.put_as_is(row, column, sum);
                else
                    end.put(row, column, sum);
            });
    }
}

/// 16-bit elements, row-major [rows, columns], zero beyond the matrix.
__global__ void lay_out_kernel(const std::uint16_t *from, Matrices matrix, std::uint16_t *to, std::int64_t rows,
                               std::int64_t columns) {
    for (std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x; i < rows * columns;
         i += std::int64_t{gridDim.x} * blockDim.x) {
        const std::int64_t row = i / columns, column = i % columns;
        const bool inside = row < matrix.rows && column < matrix.columns;
        to[i] = inside ? from[row * matrix.row_stride + column * matrix.column_stride] : std::uint16_t{0};
    }
}

std::int64_t product(const std::vector<std::int64_t> &sizes) {
    std::int64_t all = 1;
    for (const std::int64_t size : sizes) all *= size;
    return all;
}

/// Where an operand's matrices, of `matrix` elements, lie for each batch of a result with these leading axes.
Axes batches_of(const std::vector<std::int64_t> &batch, const ops::Shape &operand, std::int64_t matrix) {
    const int shift = static_cast<int>(batch.size()) - (operand.rank() - 2);
    std::int64_t sizes[ops::Shape::max_rank], strides[ops::Shape::max_rank], reached = matrix;
    Axes at;
    for (int axis = static_cast<int>(batch.size()) - 1; axis >= 0; --axis) { // innermost first
        const std::int64_t size = batch[static_cast<std::size_t>(axis)], own = axis < shift ? 1 : operand[axis - shift];
        const std::int64_t stride = own == 1 ? 0 : reached;
        reached *= own;
        if (size == 1) continue;
        if (at.rank > 0 && stride == strides[at.rank - 1] * sizes[at.rank - 1]) {
            sizes[at.rank - 1] *= size;
            continue;
        }
        sizes[at.rank] = size;
        strides[at.rank++] = stride;
    }
    for (int axis = 0; axis < at.rank; ++axis) {
        at.sizes[axis] = sizes[at.rank - 1 - axis];
        at.strides[axis] = strides[at.rank - 1 - axis];
    }
    return at;
}

/// The result's leading axes; false where the operands are not matrices that fit (the host then says so).
bool batch_axes(const ops::Shape &a, const ops::Shape &b, std::vector<std::int64_t> &batch) {
    const int rank = std::max(a.rank(), b.rank());
    if (a.rank() < 2 || b.rank() < 2) return false;
    for (int axis = 0; axis < rank - 2; ++axis) {
        const int in_a = axis - (rank - a.rank()), in_b = axis - (rank - b.rank());
        const std::int64_t size_a = in_a < 0 ? 1 : a[in_a], size_b = in_b < 0 ? 1 : b[in_b];
        if (size_a != size_b && size_a != 1 && size_b != 1) return false;
        batch.push_back(size_a == 1 ? size_b : size_a);
    }
    return true;
}

/// An operand of the product, transposed or not.
Matrices matrices_of(const ops::TensorView &view, bool transposed, const Axes &batches) {
    const std::int64_t rows = view.shape[view.shape.rank() - 2], columns = view.shape[view.shape.rank() - 1];
    if (transposed) return {Operand(view), columns, rows, 1, columns, batches};
    return {Operand(view), rows, columns, columns, 1, batches};
}

/// The third operand as it broadcasts to [batch, m, n]: a shape of the same rank, its strides 0 where it repeats.
bool broadcast_third(const ops::TensorView &view, std::int64_t m, std::int64_t n, ops::Shape &full) {
    const int rank = view.shape.rank();
    std::vector<std::int64_t> sizes(view.shape.sizes().begin(), view.shape.sizes().end());
    while (sizes.size() < 2) sizes.insert(sizes.begin(), 1);
    full = ops::Shape(sizes);
    const std::int64_t rows = full[full.rank() - 2], columns = full[full.rank() - 1];
    return rank <= ops::Shape::max_rank && (rows == m || rows == 1) && (columns == n || columns == 1);
}

/// Leaves an operand row-major [rows, columns], zero beyond the matrix.
void lay_out(const Matrices &matrix, std::uint16_t *to, std::int64_t rows, std::int64_t columns) {
    launch("layout kernel", lay_out_kernel, elementwise_grid(rows * columns), elementwise_block,
           static_cast<const std::uint16_t *>(matrix.values.data), matrix, to, rows, columns);
}

bool is_row_major(const Matrices &matrix) { return matrix.column_stride == 1 && matrix.row_stride == matrix.columns; }
bool is_transposed(const Matrices &matrix) { return matrix.row_stride == 1 && matrix.column_stride == matrix.rows; }

/// Whether wgmma's larger tile pays: one product, and of some size.
bool for_wgmma(const Matrices &a, const Matrices &b, std::int64_t batches) {
    return batches == 1 && a.rows >= 128 && b.columns >= 128 && a.columns >= 64 && wgmma_missing().empty();
}

/// One product.
void by_wgmma(const Matrices &a, const Matrices &b, const Finish &finish, UnitAccumulator accumulator) {
    GemmShape shape{a.rows, b.columns, a.columns};
    const number::FormatId format = ops::format_id(a.values.dtype);
    const bool narrow = accumulator == UnitAccumulator::fp16;
    const GemmLayout layout{!is_row_major(a), !is_row_major(b)};
    if ((is_row_major(a) || is_transposed(a)) && (is_row_major(b) || is_transposed(b)) && fits_wgmma(shape, layout))
        return wgmma_matmul(format, narrow, a.values.data, b.values.data, finish, shape, layout);
    constexpr std::int64_t whole_k = 16;
    shape.k = (shape.k + whole_k - 1) / whole_k * whole_k;
    const DeviceArray<std::uint16_t> left(static_cast<std::size_t>(shape.m * shape.k)),
        right(static_cast<std::size_t>(shape.k * shape.n));
    lay_out(a, left.data(), shape.m, shape.k);
    lay_out(b, right.data(), shape.k, shape.n);
    wgmma_matmul(format, narrow, left.data(), right.data(), finish, shape, {});
}

} // namespace

bool run_matmul(const ops::KernelCall &call) {
    if (!fits(call) || call.inputs.size() < 2 || call.inputs.size() > 3 || call.outputs.size() != 1) return false;
    const auto &attributes = call.operation.get<ops::Matmul>();
    const ops::Shape &shape_a = call.inputs[0].shape, &shape_b = call.inputs[1].shape;
    std::vector<std::int64_t> batch;
    if (!batch_axes(shape_a, shape_b, batch)) return false;
    const std::int64_t batches = product(batch);
    const auto matrix = [](const ops::Shape &shape) { return shape[shape.rank() - 2] * shape[shape.rank() - 1]; };
    const Matrices a = matrices_of(call.inputs[0], attributes.transpose_a, batches_of(batch, shape_a, matrix(shape_a)));
    const Matrices b = matrices_of(call.inputs[1], attributes.transpose_b, batches_of(batch, shape_b, matrix(shape_b)));
    const bool third = call.inputs.size() == 3;
    if (a.columns != b.rows || call.outputs[0].shape.elements() != batches * a.rows * b.columns) return false;
    if (attributes.onto_third && (!third || attributes.alpha != 1 || attributes.beta != 1)) return false;

    Finish finish{static_cast<float>(attributes.alpha),
                  static_cast<float>(attributes.beta),
                  {Operand(nullptr, ops::DType::fp32), 1, 1, 0, 0, {}},
                  a.rows,
                  b.columns,
                  {}};
    ops::Shape full;
    if (third && !broadcast_third(call.inputs[2], a.rows, b.columns, full)) return false;
    if (third && full.rank() - 2 > static_cast<int>(batch.size())) return false;
    if (third) {
        for (int axis = 0; axis < full.rank() - 2; ++axis) {
            const auto place = batch.size() - static_cast<std::size_t>(full.rank() - 2 - axis);
            if (full[axis] != 1 && full[axis] != batch[place]) return false;
        }
        const std::int64_t rows = full[full.rank() - 2], columns = full[full.rank() - 1];
        finish.bias = {Operand(call.inputs[2]),
                       rows,
                       columns,
                       rows == 1 ? 0 : columns,
                       columns == 1 ? 0 : 1,
                       batches_of(batch, full, matrix(full))};
    }
    const UnitAccumulator accumulator = unit_accumulator(attributes.accumulation);
    const bool of_unit = !attributes.onto_third && unit_takes(accumulator, call.inputs[0].dtype, call.inputs[1].dtype);
    if (!of_unit && attributes.accumulation != ops::Accumulation::fma_chain) return false;
    if (call.outputs[0].shape.elements() == 0) return true;
    const Result result(call, 0);
    finish.results = result.stored();
    if (of_unit && for_wgmma(a, b, batches))
        by_wgmma(a, b, finish, accumulator);
    else if (of_unit)
        unit_matmul(a, b, finish, accumulator, batches);
    else
        launch(
            "matmul kernel", chain_kernel,
            dim3(tiles_of(b.columns), tiles_of(a.rows), static_cast<unsigned>(std::min<std::int64_t>(batches, 65535))),
            tiled_threads, a, b, finish, attributes.onto_third, batches);
    result.leave();
    return true;
}

} // namespace halfscope::kernels::device::operations
