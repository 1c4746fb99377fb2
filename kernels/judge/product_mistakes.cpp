#include "kernels/judge/product_mistakes.h"

#include "kernels/judge/exact_operands.h"
#include "kernels/judge/exact_results.h"
#include "kernels/judge/identify_product.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace halfscope::kernels::judge {
namespace {

/// The last two axes exchanged.
ops::HostTensor transposed(const ops::HostTensor &from) {
    ops::Shape shape = from.shape;
    const int rank = shape.rank();
    std::swap(shape[rank - 1], shape[rank - 2]);
    ops::HostTensor to(from.dtype, shape);
    const std::int64_t rows = from.shape[rank - 2], columns = from.shape[rank - 1];
    const std::size_t width = ops::size_of(from.dtype);
    for (std::int64_t i = 0; i < from.shape.elements(); ++i) {
        const std::int64_t matrix = i / (rows * columns), row = i / columns % rows, column = i % columns;
        const std::int64_t out = matrix * rows * columns + column * rows + row;
        std::memcpy(to.bytes.data() + static_cast<std::size_t>(out) * width,
                    from.bytes.data() + static_cast<std::size_t>(i) * width, width);
    }
    return to;
}

/// The first `depth` of k.
ProductInputs shortened(const ProductInputs &inputs, std::int64_t depth) {
    ProductInputs cut = inputs;
    const auto keep = [depth](const ops::HostTensor &from, bool last_axis) {
        ops::Shape shape = from.shape;
        const int axis = shape.rank() - (last_axis ? 1 : 2);
        const std::int64_t old = shape[axis], inner = last_axis ? 1 : shape[shape.rank() - 1];
        shape[axis] = depth;
        ops::HostTensor to(from.dtype, shape);
        const std::size_t unit = static_cast<std::size_t>(inner) * ops::size_of(from.dtype);
        const auto outer = static_cast<std::size_t>(from.shape.elements() / (old * inner));
        for (std::size_t o = 0; o < outer; ++o)
            std::memcpy(to.bytes.data() + o * static_cast<std::size_t>(depth) * unit,
                        from.bytes.data() + o * static_cast<std::size_t>(old) * unit,
                        static_cast<std::size_t>(depth) * unit);
        return to;
    };
    cut.a = keep(inputs.a, true);
    cut.b = keep(inputs.b, false);
    return cut;
}

class Fit {
  public:
    Fit(const ops::TensorView &tested, const Arithmetic &arithmetic) : tested_(tested), arithmetic_(arithmetic) {}

    /// Whether the results are within the bound of c_factor * c + a b.
    bool within(ProductInputs inputs, double c_factor = 1) const {
        const ExactResults exact = exact_of(inputs, nullptr);
        return all_within(exact, [&](std::int64_t index, ExactResults::Value &right) {
            if (!inputs.c || c_factor == 0) return;
            ops::HostTensor &c = *inputs.c;
            const double addend = c_factor * value_at(c.view(), broadcast_index(c.shape, inputs.shape, index));
            right.exact.low += addend;
            right.bound += std::fabs(addend) * 2 * arithmetic_.rounding;
        });
    }
    /// The one factor between results and exact results, or NaN.
    double factor(ProductInputs inputs) const {
        ops::TensorView c = inputs.c ? inputs.c->view() : ops::TensorView{};
        const ExactResults exact = exact_of(inputs, c.data ? &c : nullptr);
        double products = 0, squares = 0;
        for (const std::int64_t i : spread(exact.elements, sampled)) {
            const double right = exact.at(i).exact.high;
            products += value_at(tested_, i) * right;
            squares += right * right;
        }
        const double found = products / squares;
        if (!std::isfinite(found) || std::fabs(found) < 1e-6) return std::numeric_limits<double>::quiet_NaN();
        // The factor itself is known to about the error of its sums; results may be rounded once more after it.
        const bool fits = all_within(exact, [&](std::int64_t, ExactResults::Value &right) {
            right.exact = {right.exact.high * found, 0};
            right.bound = 2 * right.bound * std::fabs(found);
        });
        return fits ? found : std::numeric_limits<double>::quiet_NaN();
    }

  private:
    static constexpr std::int64_t sampled = 128;

    ExactResults exact_of(ProductInputs &inputs, const ops::TensorView *c) const {
        return exact_matmul(inputs.a.view(), inputs.b.view(), c, inputs.shape, arithmetic_,
                            ops::format_id(tested_.dtype));
    }
    template <typename Change> bool all_within(const ExactResults &exact, Change change) const {
        for (const std::int64_t i : spread(exact.elements, sampled)) {
            ExactResults::Value right = exact.at(i);
            change(i, right);
            if (!(std::fabs(error_of(value_at(tested_, i), right.exact)) <= right.bound)) return false;
        }
        return exact.elements > 0;
    }

    const ops::TensorView &tested_;
    const Arithmetic &arithmetic_;
};

} // namespace

std::string fitting_mistake(const ProductInputs &inputs, const ops::TensorView &tested, const Arithmetic &arithmetic) {
    const Fit fit(tested, arithmetic);
    const auto square = [](const ops::HostTensor &matrix) {
        return matrix.shape[matrix.shape.rank() - 1] == matrix.shape[matrix.shape.rank() - 2];
    };
    const auto with = [&](bool a, bool b) {
        ProductInputs changed = inputs;
        if (a) changed.a = transposed(inputs.a);
        if (b) changed.b = transposed(inputs.b);
        return changed;
    };
    if (square(inputs.b) && fit.within(with(false, true))) return "The results fit a b with b transposed.";
    if (square(inputs.a) && fit.within(with(true, false))) return "The results fit a b with a transposed.";
    if (square(inputs.a) && square(inputs.b) && fit.within(with(true, true)))
        return "The results fit a b with both operands transposed.";
    const std::int64_t m = inputs.shape[inputs.shape.rank() - 2], n = inputs.shape[inputs.shape.rank() - 1];
    if (m == n) {
        ops::HostTensor result(tested.dtype, inputs.shape);
        if (!result.bytes.empty()) std::memcpy(result.bytes.data(), tested.data, tested.bytes());
        result = transposed(result);
        const ops::TensorView view = result.view();
        if (Fit(view, arithmetic).within(inputs)) return "The results fit a b stored transposed.";
    }
    if (inputs.c) {
        if (fit.within(inputs, 0)) return "The results fit a b without c: c is ignored.";
        if (fit.within(inputs, 2)) return "The results fit a b + 2 c: c is added twice.";
        if (fit.within(inputs, -1)) return "The results fit a b - c: c is subtracted.";
    }
    for (const std::int64_t tile : {8, 16, 32, 64, 128, 256})
        if (const std::int64_t kept = inputs.depth() / tile * tile; kept > 0 && kept < inputs.depth())
            if (fit.within(shortened(inputs, kept)))
                return fmt::format(
                    "The results fit a product over the first {} of k = {}: what lies beyond whole tiles "
                    "of {} is left out.",
                    kept, inputs.depth(), tile);
    const double factor = fit.factor(inputs);
    if (!std::isnan(factor) && std::fabs(factor - 1) > 0.01)
        return fmt::format("Every result is {:.6g} of the exact one: a factor (alpha) is missing, or one too many.",
                           factor);
    return "";
}

} // namespace halfscope::kernels::judge
