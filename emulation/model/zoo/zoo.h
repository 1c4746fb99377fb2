// The built-in models: real networks in the shapes people train, sized by parameters in the name.
#pragma once

#include "emulation/model/graph.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halfscope::model {

/// What the data offers; a parameter the user did not write takes its value from here when it is not 0.
struct InputHints {
    std::int64_t channels = 0;
    std::int64_t size = 0; ///< height and width of an image
    std::int64_t classes = 0;
    std::int64_t vocabulary = 0;
};

/// `spec` is "NAME" or "NAME:parameter=value,...", with or without "zoo:" in front. The graph has inputs, outputs and
/// fp32 weights drawn from `seed`, named as a PyTorch module would name them; no loss (see loss_attachment.h). Throws
/// std::invalid_argument with one sentence that names the nearest valid model or parameter.
[[nodiscard]] Graph build_zoo_model(std::string_view spec, int batch, std::uint64_t seed = 0,
                                    const InputHints &hints = {});

struct ZooEntry {
    std::string name;
    std::string description;
    std::string parameters; ///< "in=784,hidden=256,depth=2,classes=10": names and defaults
    std::string data;       ///< a data set that suits it: "fashion-mnist"
};
[[nodiscard]] std::vector<ZooEntry> zoo_list();

} // namespace halfscope::model
