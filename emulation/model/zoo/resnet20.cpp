// ResNet-20 for small images (He, Zhang, Ren, Sun, "Deep Residual Learning", section 4.2): a 3x3 convolution, three
// stages of three basic blocks with 16, 32 and 64 channels, average pooling, a linear layer; batch norm in training
// mode. Where the shape changes the shortcut is a 1x1 convolution with batch norm, as torchvision builds it
// ("downsample"), where the paper's CIFAR networks padded with zeros: 272,474 parameters instead of 269,722.
#include "emulation/model/zoo/models.h"

namespace halfscope::model::zoo {
namespace {

ValueId basic_block(ModuleBuilder &builder, ValueId x, const std::string &path, std::int64_t channels,
                    std::int64_t stride) {
    ValueId y = builder.conv2d(x, path + ".conv1", channels, 3, stride, false);
    y = builder.batch_norm(y, path + ".bn1");
    y = builder.relu(y, path + ".relu1");
    y = builder.conv2d(y, path + ".conv2", channels, 3, 1, false);
    y = builder.batch_norm(y, path + ".bn2");
    ValueId shortcut = x;
    if (builder.shape(x) != builder.shape(y)) {
        shortcut = builder.conv2d(x, path + ".downsample.0", channels, 1, stride, false);
        shortcut = builder.batch_norm(shortcut, path + ".downsample.1");
    }
    y = builder.apply({ops::OpKind::add, {}, {}}, {y, shortcut}, path + ".add", "add");
    return builder.relu(y, path + ".relu2");
}

} // namespace

void build_resnet20(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters) {
    const std::int64_t size = parameters["size"];
    ValueId x = builder.graph().add_input("input", ops::DType::fp32, {batch, parameters["channels"], size, size});
    x = builder.conv2d(x, "conv1", 16, 3, 1, false);
    x = builder.batch_norm(x, "bn1");
    x = builder.relu(x, "relu");
    for (std::int64_t stage = 1; stage <= 3; ++stage)
        for (std::int64_t block = 0; block < 3; ++block)
            x = basic_block(builder, x, "layer" + std::to_string(stage) + "." + std::to_string(block),
                            std::int64_t{8} << stage, stage > 1 && block == 0 ? 2 : 1);
    // adaptive_avg_pool2d to 1x1 is a mean over both spatial axes.
    x = builder.apply({ops::OpKind::reduce_mean, ops::Reduction{{2, 3}, false}, {}}, {x}, "avgpool",
                      "adaptive_avg_pool2d");
    builder.graph().outputs = {builder.linear(x, "fc", parameters["classes"])};
}

} // namespace halfscope::model::zoo
