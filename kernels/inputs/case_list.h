// How the cases of operation_cases.h are made: operands drawn, shapes grown, cases collected.
#pragma once

#include "kernels/inputs/operation_cases.h"

#include <string>
#include <utility>
#include <vector>

namespace halfscope::kernels {

inline constexpr ops::DType case_types[] = {ops::DType::fp32, ops::DType::fp16, ops::DType::bf16};

/// Values about 2^scale; with `rough`, a few giants, subnormals, zeros and, with `specials`, infinities and NaN.
[[nodiscard]] ops::HostTensor values(ops::DType dtype, const ops::Shape &shape, std::uint32_t stream, int scale = 0,
                                     bool rough = false, bool specials = false);
/// int64 in [low, high].
[[nodiscard]] ops::HostTensor integers(const ops::Shape &shape, std::uint32_t stream, int low, int high);

/// One of the roundings, in turn.
[[nodiscard]] ops::OutputRounding rounding_in_turn(std::size_t i);

class CaseList {
  public:
    /// Axis 0 of shapes that are grown becomes `growth` times as long.
    explicit CaseList(std::int64_t growth) : growth_(growth) {}

    [[nodiscard]] ops::Shape grown(ops::Shape shape, int axis = 0) const {
        shape[axis] *= growth_;
        return shape;
    }
    /// Counts on, before the operands of the case that follows are drawn.
    CaseList &next(std::uint32_t &i) {
        ++i;
        return *this;
    }
    OperationCase &add(std::string name, ops::OpKind kind, decltype(ops::Operation::attributes) attributes,
                       std::vector<ops::HostTensor> inputs, std::vector<std::pair<ops::DType, ops::Shape>> outputs);
    /// The same, named as its operation.
    OperationCase &add(ops::OpKind kind, decltype(ops::Operation::attributes) attributes,
                       std::vector<ops::HostTensor> inputs, std::vector<std::pair<ops::DType, ops::Shape>> outputs);

    std::vector<OperationCase> all;

  private:
    std::int64_t growth_;
};

// The parts of operation_cases, by family.
void add_elementwise(CaseList &cases);
void add_products(CaseList &cases);
void add_convolutions(CaseList &cases);
void add_reductions(CaseList &cases);
void add_argmax(CaseList &cases);
void add_top_k(CaseList &cases);
void add_running_sums(CaseList &cases);
void add_softmaxes(CaseList &cases);
void add_layer_norms(CaseList &cases);
void add_rms_norms(CaseList &cases);
void add_group_norms(CaseList &cases);
void add_batch_norms(CaseList &cases);
void add_pooling(CaseList &cases);
void add_resizing(CaseList &cases);
void add_losses(CaseList &cases);
void add_indexing(CaseList &cases);
void add_gather_elements(CaseList &cases);
void add_one_hot(CaseList &cases);
void add_movement(CaseList &cases);
void add_dropout(CaseList &cases);
void add_random_values(CaseList &cases);
void add_optimizers(CaseList &cases);

} // namespace halfscope::kernels
