// Two blocks of convolution, batch norm (optional), ReLU and 2x2 max pooling, then a linear layer.
#include "emulation/model/zoo/models.h"

namespace halfscope::model::zoo {

void build_cnn(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters) {
    const std::int64_t size = parameters["size"];
    ValueId x = builder.graph().add_input("input", ops::DType::fp32, {batch, parameters["channels"], size, size});
    for (std::int64_t block = 1; block <= 2; ++block) {
        const std::string number = std::to_string(block);
        const bool norm = parameters["norm"] != 0;
        x = builder.conv2d(x, "conv" + number, block * parameters["width"], 3, 1, !norm);
        if (norm) x = builder.batch_norm(x, "bn" + number);
        x = builder.relu(x, "relu" + number);
        x = builder.max_pool(x, "pool" + number, 2);
    }
    const ops::Shape maps = builder.shape(x);
    x = builder.reshape(x, "flatten", {batch, maps.elements() / batch});
    builder.graph().outputs = {builder.linear(x, "fc", parameters["classes"])};
}

} // namespace halfscope::model::zoo
