// PyTorch's modules as graph nodes: parameters with PyTorch's names and default initialisation, nodes with the policy
// names its autocast lists know.
#pragma once

#include "emulation/model/graph.h"
#include "emulation/model/initialization.h"

#include <string>

namespace halfscope::model::zoo {

class ModuleBuilder {
  public:
    ModuleBuilder(Graph &graph, std::uint64_t seed) : graph_(graph), seed_(seed) {}

    [[nodiscard]] Graph &graph() { return graph_; }
    [[nodiscard]] const ops::Shape &shape(ValueId id) const { return graph_.value(id).shape; }

    /// nn.Linear on the last axis: weight [out, in], bias [out]. A deviation other than 0 draws the weight from
    /// N(0, deviation) with a zero bias, as GPT-2 does.
    ValueId linear(ValueId x, const std::string &path, std::int64_t out, bool bias = true, float deviation = 0);
    /// nn.Conv2d, square kernel, padding kernel / 2.
    ValueId conv2d(ValueId x, const std::string &path, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                   bool bias);
    /// nn.BatchNorm2d in training mode, with running statistics.
    ValueId batch_norm(ValueId x, const std::string &path);
    /// nn.LayerNorm over the last axis.
    ValueId layer_norm(ValueId x, const std::string &path);
    ValueId relu(ValueId x, const std::string &path);
    ValueId max_pool(ValueId x, const std::string &path, std::int64_t kernel);
    /// Any operation without parameters.
    ValueId apply(ops::Operation operation, std::vector<ValueId> operands, const std::string &path,
                  const std::string &policy, std::optional<ops::Shape> shape = {});
    ValueId reshape(ValueId x, const std::string &path, const ops::Shape &shape);
    ValueId normal_weight(const std::string &path, const ops::Shape &shape, float deviation);

  private:
    [[nodiscard]] InitializationKey next_key() { return {seed_, tensor_++}; }
    ValueId uniform_weight(const std::string &path, const char *what, const ops::Shape &shape, std::int64_t fan_in);
    ValueId constant_weight(const std::string &path, const char *what, std::int64_t size, float value);

    Graph &graph_;
    std::uint64_t seed_;
    std::uint32_t tensor_ = 0;
};

} // namespace halfscope::model::zoo
