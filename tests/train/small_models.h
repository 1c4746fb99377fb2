// Small graphs and batches that several training tests build.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/ops/backend.h"
#include "emulation/train/run/training_run.h"

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace halfscope::train::testing {

inline ops::HostTensor tensor(const ops::Shape &shape, const std::function<double(std::size_t)> &value) {
    ops::HostTensor made(ops::DType::fp32, shape);
    for (std::size_t i = 0; i < made.as<float>().size(); ++i) made.as<float>()[i] = static_cast<float>(value(i));
    return made;
}

/// Reproducible N(0, 1): std::mt19937_64 is specified exactly, and so is this transform of it up to the last bits of
/// libm, which no test here depends on.
class Normal {
  public:
    explicit Normal(std::uint64_t seed) : engine_(seed) {}
    double operator()() {
        const double u = (static_cast<double>(engine_() >> 11) + 1) * 0x1p-53;
        const double v = static_cast<double>(engine_() >> 11) * 0x1p-53;
        return std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
    }
    double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

  private:
    std::mt19937_64 engine_;
};

inline model::ValueId linear(model::Graph &graph, model::ValueId x, model::ValueId w, const std::string &name) {
    ops::Matmul attributes;
    attributes.transpose_b = true;
    return graph.add_node({ops::OpKind::matmul, attributes, {}}, {x, w}, name, "linear");
}
inline model::ValueId node(model::Graph &graph, ops::OpKind kind, std::vector<model::ValueId> operands,
                           const std::string &name, const std::string &policy) {
    return graph.add_node({kind, {}, {}}, std::move(operands), name, policy);
}
inline model::ValueId scaled(model::Graph &graph, model::ValueId x, double factor, const std::string &name) {
    return graph.add_node({ops::OpKind::scale, ops::Scalars{factor, 0}, {}}, {x}, name, "mul");
}
inline void set_loss(model::Graph &graph, model::ValueId loss) {
    graph.value(loss).role = model::Role::loss;
    graph.loss = loss;
}

} // namespace halfscope::train::testing
