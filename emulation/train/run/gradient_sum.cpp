#include "emulation/train/run/gradient_sum.h"

#include "emulation/train/run/tensor_values.h"

#include <string>
#include <utility>

namespace halfscope::train {

using ops::DType;
using ops::OpKind;
using ops::TensorView;

std::optional<GradientSum> GradientSum::wanted(ops::Backend &backend, const TensorView &weight, const TensorView &raw,
                                               const Recipe &recipe, const TrainingSettings &settings) {
    const bool usual = weight.dtype == recipe.weights;
    const DType sum = usual ? recipe.gradients : raw.dtype, wire = usual ? recipe.all_reduce : raw.dtype;
    GradientSum made(backend);
    made.micro_batches_ = settings.micro_batches;
    made.ranks_ = settings.ranks;
    made.divide_first_ = recipe.all_reduce_order == ReduceOrder::divide_first;
    made.flush_ = recipe.flush_subnormals;
    // A narrower .grad takes the place of the raw gradient even with one micro-batch.
    const bool narrowed = ops::is_16bit(sum) && raw.dtype != sum;
    if (settings.micro_batches > 1 || narrowed) made.sum_ = made.make(raw.shape, sum);
    if (settings.ranks > 1) {
        made.term_ = made.make(raw.shape, wire);
        made.reduced_ = made.make(raw.shape, wire);
    }
    if (!made.sum_ && !made.reduced_) return std::nullopt;
    return made;
}

GradientSum::Part GradientSum::make(const ops::Shape &shape, DType dtype) const {
    Part part;
    part.memory = DeviceMemory(*backend_, static_cast<std::size_t>(shape.elements()) * ops::size_of(dtype));
    part.view = {part.memory.data(), dtype, shape};
    return part;
}

void GradientSum::run(OpKind kind, double factor, std::vector<TensorView> operands, Part &to, bool measured) const {
    ops::Operation operation;
    operation.kind = kind;
    if (kind == OpKind::scale) operation.attributes = ops::Scalars{factor, 0};
    operation.rounding.flush_subnormals = flush_ && ops::is_16bit(to.view.dtype);
    number::RangeStatistics *statistics = &to.statistics;
    if (measured)
        backend_->run(operation, operands, {&to.view, 1}, {&statistics, 1});
    else
        backend_->run(operation, operands, {&to.view, 1});
}

void GradientSum::add(const TensorView &raw, int index, bool exactly, bool measured) {
    const int micro = index % micro_batches_, rank = index / micro_batches_;
    if (index == 0) {
        exact_.assign(exactly ? static_cast<std::size_t>(raw.shape.elements()) : 0, 0.0);
        for (auto *part : {&sum_, &reduced_})
            if (*part && measured) (*part)->statistics = {};
    }
    if (exactly) {
        const std::vector<double> values = doubles_of(*backend_, raw);
        for (std::size_t i = 0; i < exact_.size(); ++i) exact_[i] += values[i] / ranks_;
    }
    if (sum_) {
        if (micro == 0)
            run(OpKind::cast, 1, {raw}, *sum_, measured);
        else
            run(OpKind::add, 1, {sum_->view, raw}, *sum_, measured);
    }
    if (!reduced_ || micro + 1 < micro_batches_) return;
    const double part = 1.0 / ranks_;
    Part &term = rank == 0 ? *reduced_ : *term_;
    run(OpKind::cast, 1, {sum_ ? sum_->view : raw}, term, measured && rank == 0);
    if (divide_first_) run(OpKind::scale, part, {term.view}, term, measured && rank == 0);
    if (rank > 0) run(OpKind::add, 1, {reduced_->view, term.view}, *reduced_, measured);
    if (!divide_first_ && rank + 1 == ranks_) run(OpKind::scale, part, {reduced_->view}, *reduced_, measured);
}

std::optional<trace::Drift> GradientSum::drift() const {
    DType narrowest = DType::fp32;
    for (const auto *part : {&sum_, &reduced_})
        if (*part && ops::is_16bit((*part)->view.dtype)) narrowest = (*part)->view.dtype;
    if (exact_.empty() || narrowest == DType::fp32) return std::nullopt;
    trace::Drift drift = drift_between(doubles_of(*backend_, result()), exact_);
    drift.kind = "gradient_sum";
    drift.format = std::string(ops::name_of(narrowest));
    drift.terms = static_cast<std::int64_t>(micro_batches_) * ranks_;
    return drift;
}

} // namespace halfscope::train
