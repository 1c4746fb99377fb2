#include "cli/converge_options.h"

#include "analysis/convergence/convergence.h"

#include <algorithm>

namespace halfscope::cli {

void add_converge_options(CLI::App &command, ConvergeOptions &o) {
    add_training_options(command, o.training);
    command
        .add_option("--seeds", o.seeds,
                    "Seeds, from --seed on; each fixes initialisation and data order of all recipes")
        ->check(CLI::Range(1, static_cast<int>(analysis::most_pairs)))
        ->capture_default_str();
    command
        .add_option("--eval-every", o.evaluate_every,
                    "Steps between two looks at the held-out samples (default: a tenth of --steps)")
        ->check(CLI::PositiveNumber);
    command.add_option("--metric", o.metric, "Held-out figure that is judged: loss or accuracy")
        ->check(CLI::IsMember({"loss", "accuracy"}))
        ->capture_default_str();
    command
        .add_option("--margin", o.margin, "Difference in --metric that does not matter (default: fp32's seed noise)")
        ->check(CLI::PositiveNumber);
    command.add_option("--target", o.target, "Training loss to be reached (default: where the slowest fp32 seed ends)");
    command.add_option("--plot", o.plots, "Draw the curves into FILE.svg, .png or .pdf (repeatable; needs gnuplot)");
    command.add_option("--csv", o.csv, "Write every value of every run here");
    command.add_option("--tensorboard", o.tensorboard, "Write TensorBoard event files below this directory");
    command.add_option("--html", o.html, "Write the interactive page here too");
    command.add_option("--with", o.others,
                       "Draw and compare a run from elsewhere: a table with a step column, or a TensorBoard event file "
                       "(repeatable)");
    command.add_flag("--json", o.training.json, "Print converge.json on standard output instead of a summary");
    command.add_option("--out", o.training.out, "Directory for converge.db, converge.json and converge.html")
        ->capture_default_str();
}

void settle(ConvergeOptions &o) {
    settle(o.training);
    std::vector<std::string> &recipes = o.training.training.recipes;
    std::erase(recipes, analysis::reference_recipe);
    recipes.insert(recipes.begin(), std::string(analysis::reference_recipe));
}

} // namespace halfscope::cli
