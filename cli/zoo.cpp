// `halfscope zoo`: the built-in models.
#include "emulation/model/zoo/zoo.h"
#include "cli/command.h"

#include <fmt/format.h>

namespace halfscope::cli {

void add_zoo_command(CLI::App &app, Invocation & /*invocation*/) {
    app.add_subcommand("zoo", "Built-in models and their size parameters")->callback([] {
        for (const model::ZooEntry &entry : model::zoo_list()) {
            fmt::print("zoo:{:<10} {}\n", entry.name, entry.description);
            fmt::print("{:15}parameters and defaults: {}\n", "", entry.parameters);
            fmt::print("{:15}try: halfscope profile zoo:{} --data {}\n\n", "", entry.name, entry.data);
        }
    });
}

} // namespace halfscope::cli
