// The reduction over batch and pixels is cut into chunks of 1024 pixels; chunk c belongs to lane c mod 32 of the tree
// in operation.h. A lane is a task: it runs the chains of its chunks one after the other and adds them up; the tree
// then folds the lanes.
#include "emulation/ops/convolution/weight_gradient.h"

#include "emulation/ops/convolution/geometry.h"
#include "emulation/ops/convolution/indirect_product.h"
#include "emulation/ops/convolution/padded_planes.h"
#include "emulation/ops/matmul/gemm.h"
#include "emulation/ops/scratch.h"

#include <limits>
#include <vector>

namespace halfscope::ops {
namespace {

constexpr std::int64_t chunk_pixels = 1024;
constexpr std::int64_t tree_lanes = 32;
constexpr std::int64_t tree_length = 4096; ///< beyond it the tree is applied to its own results

/// Elements that all lanes' partial results may take; more weights than fit are done some rows at a time.
constexpr std::int64_t partial_budget = std::int64_t{1} << 24;

template <typename C> class WeightGradient {
  public:
    explicit WeightGradient(const KernelCall &call)
        : call_(call),
          g_(geometry_of(call, call.inputs[1].shape, call.outputs[0].shape, call.inputs[0].shape)),
          pixels_(g_.samples * g_.out_plane()),
          chunks_((pixels_ + chunk_pixels - 1) / chunk_pixels),
          rows_(g_.in_channels * g_.taps()),
          stride_(panels_of<C>(g_.out_channels) * panel_width<C>()) {
        for (int axis = 0; axis < 2; ++axis) {
            layout_.stride[axis] = g_.stride[axis];
            layout_.pad[axis] = g_.pad[axis];
            layout_.source[axis] = g_.in[axis];
        }
        layout_.size[1] = g_.out[1] + reach(1);
        // A chunk takes whole or part of samples; a part has at most this many output rows.
        const std::int64_t rows = std::min(g_.out[0], (chunk_pixels + g_.out[1] - 2) / g_.out[1] + 1);
        layout_.size[0] = rows + reach(0);
        sample_elements_ = g_.in_channels * layout_.channel();
        const std::int64_t samples = std::min(g_.samples, chunk_pixels / std::max<std::int64_t>(1, g_.out_plane()) + 2);
        if (samples * sample_elements_ > std::numeric_limits<std::int32_t>::max())
            call.reject("a chunk of 1024 pixels needs more than 2^31 input elements");
        padded_elements_ = samples * sample_elements_ + padded_slack;
        for (std::int64_t c = 0; c < g_.in_channels; ++c)
            for (std::int64_t ky = 0; ky < g_.kernel[0]; ++ky)
                for (std::int64_t kx = 0; kx < g_.kernel[1]; ++kx)
                    row_offsets_.push_back(c * layout_.channel() +
                                           layout_.offset(ky * g_.dilation[0], kx * g_.dilation[1]));
    }

    void run(C *dw) {
        const std::int64_t lanes = std::min(tree_lanes, std::max<std::int64_t>(1, chunks_));
        const std::int64_t rows_each =
            std::clamp<std::int64_t>(partial_budget / (lanes * stride_), 1, std::max<std::int64_t>(1, rows_));
        const std::int64_t supers = std::max<std::int64_t>(1, (chunks_ + tree_length - 1) / tree_length);
        for (std::int64_t group = 0; group < g_.groups; ++group)
            for (std::int64_t first = 0; first < rows_; first += rows_each) {
                const std::int64_t rows = std::min(rows_each, rows_ - first);
                if (supers == 1) {
                    const C *sums = tree_of_chunks(group, first, rows, 0, chunks_);
                    leave(sums, group, first, rows, dw);
                    continue;
                }
                std::vector<C> lane_sums(static_cast<std::size_t>(tree_lanes * rows * stride_), C(0));
                for (std::int64_t super = 0; super < supers; ++super) {
                    const C *sums = tree_of_chunks(group, first, rows, super * tree_length,
                                                   std::min(chunks_, (super + 1) * tree_length));
                    add(lane_sums.data() + super % tree_lanes * rows * stride_, sums, rows * stride_);
                }
                fold(lane_sums.data(), tree_lanes, rows * stride_);
                leave(lane_sums.data(), group, first, rows, dw);
            }
    }

  private:
    std::int64_t reach(int axis) const { return g_.dilation[axis] * (g_.kernel[axis] - 1) / g_.stride[axis]; }

    static void add(C *to, const C *from, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
    }
    /// Lanes that hold nothing are +0; adding them changes no sum (none is -0).
    static void fold(C *lanes, std::int64_t used, std::int64_t count) {
        for (std::int64_t width = tree_lanes / 2; width > 0; width /= 2)
            for (std::int64_t l = 0; l < width; ++l)
                if (l + width < used) add(lanes + l * count, lanes + (l + width) * count, count);
    }

    /// The tree over the chunks [first_chunk, last_chunk), for some rows of the result: [rows, stride].
    const C *tree_of_chunks(std::int64_t group, std::int64_t first_row, std::int64_t rows, std::int64_t first_chunk,
                            std::int64_t last_chunk) {
        const std::int64_t lanes = std::clamp<std::int64_t>(last_chunk - first_chunk, 1, tree_lanes);
        const std::int64_t size = rows * stride_;
        C *partial = scratch<C>(Scratch::partial, static_cast<std::size_t>(lanes * size));
        // Few lanes: rows are shared out too.
        const std::int64_t parts =
            lanes >= 2 * call_.threads.threads() ? 1 : std::min<std::int64_t>(rows, 2 * call_.threads.threads());
        const std::int64_t rows_each = (rows + parts - 1) / parts;
        call_.threads.run(lanes * parts, [&](std::int64_t task) {
            const std::int64_t lane = task % lanes, begin = task / lanes * rows_each;
            const std::int64_t count = std::min(rows_each, rows - begin);
            if (count <= 0) return;
            C *sum = partial + lane * size + begin * stride_;
            std::fill_n(sum, count * stride_, C(0));
            for (std::int64_t chunk = first_chunk + lane; chunk < last_chunk; chunk += tree_lanes)
                add(sum, chain(group, first_row + begin, count, chunk), count * stride_);
        });
        fold(partial, lanes, size);
        return partial;
    }

    /// The chains over one chunk of pixels: [rows, stride], in this thread's scratch memory.
    const C *chain(std::int64_t group, std::int64_t first_row, std::int64_t rows, std::int64_t chunk) const {
        const std::int64_t begin = chunk * chunk_pixels, depth = std::min(chunk_pixels, pixels_ - begin);
        C *planes = scratch<C>(Scratch::columns, static_cast<std::size_t>(padded_elements_));
        C *packed = scratch<C>(Scratch::operand_b, static_cast<std::size_t>(stride_ * depth));
        std::int32_t offsets[chunk_pixels];
        std::int64_t used = 0;
        for (std::int64_t k = 0; k < depth; ++used) {
            const std::int64_t sample = (begin + k) / g_.out_plane(), pixel = (begin + k) % g_.out_plane();
            const std::int64_t count = std::min(depth - k, g_.out_plane() - pixel);
            const std::int64_t top = pixel / g_.out[1];
            const std::int64_t plane = (sample * g_.groups + group) * g_.in_channels;
            fill_padded<C>(call_.inputs[1], plane * g_.in_plane(), g_.in_channels, layout_, top,
                           planes + used * sample_elements_);
            for (std::int64_t i = 0; i < count; ++i)
                offsets[k + i] = static_cast<std::int32_t>(used * sample_elements_ +
                                                           ((pixel + i) / g_.out[1] - top) * layout_.size[1] +
                                                           (pixel + i) % g_.out[1]);
            pack_gradient(group, sample, pixel, count, depth, packed + k * panel_width<C>());
            k += count;
        }
        std::fill_n(planes + used * sample_elements_, padded_slack, C(0));
        TapProduct<C> product;
        product.accumulation = call_.operation.get<Convolution>().accumulation;
        product.stored = call_.inputs[0].dtype;
        product.rows = rows;
        product.columns = g_.out_channels;
        product.depth = depth;
        product.planes = planes;
        product.row_offsets = row_offsets_.data() + first_row;
        product.offsets = offsets;
        product.packed = packed;
        product.out = scratch<C>(Scratch::rows, static_cast<std::size_t>(rows * stride_));
        multiply_taps(product);
        return product.out;
    }

    /// dy of `count` pixels of one sample as k-major rows of output channels; panels lie `depth` rows apart.
    void pack_gradient(std::int64_t group, std::int64_t sample, std::int64_t pixel, std::int64_t count,
                       std::int64_t depth, C *packed) const {
        const TensorView &dy = call_.inputs[0];
        const std::int64_t plane = (sample * g_.groups + group) * g_.out_channels;
        const StoredMatrix all = {dy.data, dy.dtype, 1, g_.out_plane()};
        for (std::int64_t panel = 0; panel < panels_of<C>(g_.out_channels); ++panel) {
            const std::int64_t first = panel * panel_width<C>();
            pack_columns<C>(all.from(pixel, plane + first), count, std::min(panel_width<C>(), g_.out_channels - first),
                            0, 1, packed + panel * depth * panel_width<C>());
        }
    }

    /// Rows are (input channel, tap), columns output channels; dw is the other way round.
    void leave(const C *sums, std::int64_t group, std::int64_t first, std::int64_t rows, C *dw) const {
        for (std::int64_t o = 0; o < g_.out_channels; ++o)
            for (std::int64_t row = 0; row < rows; ++row)
                dw[(group * g_.out_channels + o) * rows_ + first + row] = sums[row * stride_ + o];
    }

    const KernelCall &call_;
    ConvolutionGeometry g_;
    std::int64_t pixels_, chunks_, rows_, stride_;
    PaddedLayout layout_;
    std::int64_t sample_elements_ = 0, padded_elements_ = 0;
    std::vector<std::int64_t> row_offsets_;
};

} // namespace

template <typename C> void weight_gradient(const KernelCall &call, C *result) {
    if (call.inputs.size() != 2) call.reject("takes 2 operands");
    WeightGradient<C>(call).run(result);
    store(call, 0, static_cast<const C *>(result));
}
template void weight_gradient<float>(const KernelCall &, float *);
template void weight_gradient<double>(const KernelCall &, double *);

} // namespace halfscope::ops
