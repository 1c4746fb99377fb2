// Linear layers with ReLU between them, named as in nn.Sequential: 0, 2, 4, ...
#include "emulation/model/zoo/models.h"

namespace halfscope::model::zoo {

void build_mlp(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters) {
    ValueId x = builder.graph().add_input("input", ops::DType::fp32, {batch, parameters["in"]});
    std::int64_t module = 0;
    const auto path = [&] { return "layers." + std::to_string(module++); };
    for (std::int64_t i = 0; i < parameters["depth"]; ++i) {
        x = builder.linear(x, path(), parameters["hidden"]);
        x = builder.relu(x, path());
    }
    builder.graph().outputs = {builder.linear(x, path(), parameters["classes"])};
}

} // namespace halfscope::model::zoo
