#include "tests/hazards/case.h"

namespace halfscope::hazards {

train::Recipe recipe(const std::string &base, const std::string &loss_scale, const std::string &name) {
    train::Recipe made = train::recipe_named(base);
    if (!loss_scale.empty()) {
        made.loss_scale = loss_scale;
        if (name.empty()) made.name += " " + loss_scale;
    }
    if (!name.empty()) made.name = name;
    return made;
}

Case new_case(std::string name, std::string imitates, std::vector<Trial> trials) {
    Case made;
    made.name = std::move(name);
    made.imitates = std::move(imitates);
    made.trials = std::move(trials);
    return made;
}

const std::vector<Case> &all_cases() {
    static const std::vector<Case> cases = [] {
        std::vector<Case> made;
        add_gradient_cases(made);
        add_loss_scale_cases(made);
        add_update_cases(made);
        add_optimizer_state_cases(made);
        add_kept_value_cases(made);
        add_activation_cases(made);
        add_integer_cases(made);
        add_loss_cases(made);
        add_reduction_cases(made);
        add_attention_cases(made);
        add_network_cases(made);
        return made;
    }();
    return cases;
}

const std::vector<Case> &held_out_cases() {
    static const std::vector<Case> cases = [] {
        std::vector<Case> made;
        add_held_out_sequences(made);
        add_held_out_regressions(made);
        add_held_out_representations(made);
        add_held_out_generative(made);
        add_held_out_structured(made);
        return made;
    }();
    return cases;
}

} // namespace halfscope::hazards
