// The builders of the zoo, one file each. Each appends to an empty graph; `parameters` are complete and in range.
#pragma once

#include "emulation/model/zoo/module_builder.h"
#include "emulation/model/zoo/parameters.h"

namespace halfscope::model::zoo {

void build_mlp(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters);
void build_cnn(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters);
void build_resnet20(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters);
void build_gpt(ModuleBuilder &builder, std::int64_t batch, const Parameters &parameters);

} // namespace halfscope::model::zoo
