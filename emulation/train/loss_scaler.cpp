#include "emulation/train/loss_scaler.h"

#include "emulation/train/nearest_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

namespace halfscope::train {
namespace {

constexpr double fp32_max = static_cast<double>(std::numeric_limits<float>::max());

/// One rule: its defaults and the options it takes.
struct RuleRow {
    std::string_view name;
    LossScaleRule defaults;
    std::string_view options; ///< separated by spaces
};

// Defaults as in the frameworks' code.
const std::array<RuleRow, 8> rules{{
    {"torch", {LossScaleKind::torch, 65536, 2, 0.5, 2000, 1, false, {}, fp32_max}, "init growth backoff interval"},
    {"apex",
     {LossScaleKind::apex, 65536, 2, 0.5, 2000, 1, false, {}, 16777216},
     "init growth backoff interval min max"},
    {"deepspeed",
     {LossScaleKind::deepspeed, 65536, 2, 0.5, 1000, 2, false, 1, {}},
     "init growth backoff interval hysteresis consecutive min"},
    {"deepspeed-legacy",
     {LossScaleKind::deepspeed_legacy, 65536, 2, 0.5, 1000, 2, false, 1, {}},
     "init growth backoff interval hysteresis consecutive min"},
    {"deepspeed-fp16opt",
     {LossScaleKind::deepspeed_fp16opt, 65536, 2, 0.5, 1000, 1, false, 1, {}},
     "init growth backoff interval min"},
    {"megatron",
     {LossScaleKind::megatron, 4294967296, 2, 0.5, 1000, 2, false, 1, {}},
     "init growth backoff interval hysteresis min"},
    {"apex-hysteresis",
     {LossScaleKind::apex_hysteresis, 65536, 2, 0.5, 2000, 2, false, {}, fp32_max},
     "init growth backoff interval hysteresis"},
    {"paddle",
     {LossScaleKind::paddle, 65536, 2, 0.5, 2000, 1, false, 1, fp32_max},
     "init growth backoff interval hysteresis min"},
}};

const RuleRow &row_of(LossScaleKind kind) {
    return *std::find_if(rules.begin(), rules.end(), [&](const RuleRow &row) { return row.defaults.kind == kind; });
}

std::vector<std::string> words(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(separator, at), text.size());
        parts.emplace_back(text.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

double number_in(std::string_view text, std::string_view what) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value <= 0)
        throw std::invalid_argument(fmt::format("loss scale: '{}' is not a positive number for {}", text, what));
    return value;
}

void set_option(const RuleRow &row, LossScaleRule &rule, const std::string &assignment) {
    const std::size_t equals = assignment.find('=');
    const std::string name = assignment.substr(0, equals);
    const auto known = words(row.options, ' ');
    if (std::find(known.begin(), known.end(), name) == known.end())
        throw std::invalid_argument(
            fmt::format("loss scale: {} has no option '{}'; it takes {}", row.name, name, fmt::join(known, ", ")));
    if (equals == std::string::npos)
        throw std::invalid_argument(fmt::format("loss scale: write {}:{}=VALUE", row.name, name));
    const std::string value = assignment.substr(equals + 1);
    if (name == "consecutive") {
        if (value != "0" && value != "1")
            throw std::invalid_argument(fmt::format("loss scale: consecutive is 0 or 1, not '{}'", value));
        rule.consecutive_hysteresis = value == "1";
        return;
    }
    const double number = number_in(value, name);
    if ((name == "interval" || name == "hysteresis") && (number != std::floor(number) || number > 1e9))
        throw std::invalid_argument(fmt::format("loss scale: {} must be a whole number, not '{}'", name, value));
    if (name == "init")
        rule.initial = number;
    else if (name == "growth")
        rule.growth = number;
    else if (name == "backoff")
        rule.backoff = number;
    else if (name == "interval")
        rule.interval = static_cast<std::int64_t>(number);
    else if (name == "hysteresis")
        rule.hysteresis = static_cast<int>(number);
    else if (name == "min")
        rule.minimum = number;
    else
        rule.maximum = number;
}

} // namespace

LossScaleRule parse_loss_scale(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string name(text.substr(0, colon));
    const std::string rest(colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1));
    if (name == "none") {
        if (!rest.empty()) throw std::invalid_argument("loss scale: 'none' takes no options");
        return {};
    }
    if (name == "static") {
        LossScaleRule rule;
        rule.kind = LossScaleKind::constant;
        if (rest.empty()) throw std::invalid_argument("loss scale: write static:K, for example static:1024");
        rule.initial = number_in(rest, "the static scale");
        return rule;
    }
    const std::string wanted = name == "dynamic" ? "torch" : name;
    const auto row = std::find_if(rules.begin(), rules.end(), [&](const RuleRow &r) { return r.name == wanted; });
    if (row == rules.end()) {
        std::vector<std::string> names{"none", "static:K", "dynamic"};
        for (const RuleRow &each : rules) names.emplace_back(each.name);
        throw std::invalid_argument(fmt::format("loss scale: no rule is called '{}'{}; there are {}", name,
                                                did_you_mean(name, names), fmt::join(names, ", ")));
    }
    LossScaleRule rule = row->defaults;
    if (!rest.empty())
        for (const std::string &assignment : words(rest, ',')) set_option(*row, rule, assignment);
    if (rule.growth <= 1) throw std::invalid_argument("loss scale: growth must be above 1");
    if (rule.backoff >= 1) throw std::invalid_argument("loss scale: backoff must be below 1");
    if (rule.minimum && rule.maximum && *rule.minimum > *rule.maximum)
        throw std::invalid_argument("loss scale: min is above max");
    return rule;
}

std::string text_of(const LossScaleRule &rule) {
    if (rule.kind == LossScaleKind::none) return "none";
    if (rule.kind == LossScaleKind::constant) return fmt::format("static:{}", rule.initial);
    const RuleRow &row = row_of(rule.kind);
    std::string text(row.name);
    char separator = ':';
    for (const std::string &option : words(row.options, ' ')) {
        std::string value;
        if (option == "init")
            value = fmt::format("{}", rule.initial);
        else if (option == "growth")
            value = fmt::format("{}", rule.growth);
        else if (option == "backoff")
            value = fmt::format("{}", rule.backoff);
        else if (option == "interval")
            value = fmt::format("{}", rule.interval);
        else if (option == "hysteresis")
            value = fmt::format("{}", rule.hysteresis);
        else if (option == "consecutive")
            value = rule.consecutive_hysteresis ? "1" : "0";
        else if (const auto &bound = option == "min" ? rule.minimum : rule.maximum)
            value = fmt::format("{}", *bound);
        if (value.empty()) continue;
        text += fmt::format("{}{}={}", separator, option, value);
        separator = ',';
    }
    return text;
}

void LossScaler::grow() {
    double grown = scale_ * rule_.growth;
    // torch, Paddle and the apex kernel keep the old scale when the grown one is not a finite fp32; apex clamps.
    if (rule_.kind == LossScaleKind::apex && rule_.maximum)
        grown = std::min(grown, *rule_.maximum);
    else if (grown > rule_.maximum.value_or(std::numeric_limits<double>::max()))
        return;
    scale_ = grown;
}

void LossScaler::fall() {
    scale_ *= rule_.backoff;
    // The scale is an fp32 tensor in these; it can reach zero.
    if (rule_.kind == LossScaleKind::torch || rule_.kind == LossScaleKind::apex_hysteresis)
        scale_ = static_cast<double>(static_cast<float>(scale_));
    if (rule_.minimum) scale_ = std::max(scale_, *rule_.minimum);
}

void LossScaler::update(bool overflow) {
    switch (rule_.kind) {
    case LossScaleKind::none:
    case LossScaleKind::constant: return;

    case LossScaleKind::torch:
    case LossScaleKind::apex:
        if (overflow) {
            fall();
            clean_ = 0;
        } else if (++clean_ == rule_.interval) {
            grow();
            clean_ = 0;
        }
        return;

    case LossScaleKind::deepspeed:
    case LossScaleKind::deepspeed_legacy:
        if (overflow) {
            if (rule_.hysteresis == 1 || hysteresis_ == 1) {
                if (rule_.minimum && scale_ == *rule_.minimum)
                    stop_reason_ =
                        "Current loss scale already at minimum - cannot decrease scale anymore. Exiting run.";
                else
                    fall();
            } else {
                --hysteresis_;
            }
            last_overflow_ = iteration_;
        } else {
            if (rule_.consecutive_hysteresis) hysteresis_ = rule_.hysteresis;
            std::int64_t stable = iteration_ - last_overflow_;
            if (rule_.kind == LossScaleKind::deepspeed) --stable;
            if (stable > 0 && stable % rule_.interval == 0) {
                if (!rule_.consecutive_hysteresis) hysteresis_ = rule_.hysteresis;
                grow();
            }
        }
        ++iteration_;
        return;

    case LossScaleKind::deepspeed_fp16opt:
        if (overflow) {
            fall();
            last_overflow_ = iteration_;
        } else {
            const std::int64_t stable = iteration_ - last_overflow_ - 1;
            if (stable > 0 && stable % rule_.interval == 0) grow();
        }
        ++iteration_;
        return;

    case LossScaleKind::megatron:
        if (overflow) {
            clean_ = 0;
            if (--hysteresis_ <= 0) fall();
        } else if (++clean_ == rule_.interval) {
            clean_ = 0;
            hysteresis_ = rule_.hysteresis;
            grow();
        }
        return;

    case LossScaleKind::apex_hysteresis:
        if (overflow) {
            clean_ = 0;
            if (--hysteresis_ <= 0) fall();
        } else {
            if (++clean_ == rule_.interval) {
                clean_ = 0;
                grow();
            }
            hysteresis_ = rule_.hysteresis;
        }
        return;

    case LossScaleKind::paddle:
        // hysteresis_ counts down the bad steps in a row that are left before the scale falls.
        if (overflow) {
            clean_ = 0;
            if (--hysteresis_ == 0) {
                fall();
                hysteresis_ = rule_.hysteresis;
            }
        } else {
            hysteresis_ = rule_.hysteresis;
            if (++clean_ == rule_.interval) {
                clean_ = 0;
                grow();
            }
        }
        return;
    }
}

} // namespace halfscope::train
