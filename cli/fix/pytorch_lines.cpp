#include "cli/fix/pytorch_lines.h"

#include "emulation/train/loss_scaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace halfscope::cli {
namespace {

using train::LossScaleKind;
using train::Policy;

/// A power of two as one, other numbers as Python writes them.
std::string scale_in_python(double scale) {
    const double exponent = std::log2(scale);
    return exponent == std::floor(exponent) && exponent > 4 ? fmt::format("2.0**{:.0f}", exponent)
                                                            : fmt::format("{}", scale);
}

/// The line that computes the operation in fp32, by the name autocast lists know it by.
std::string operation_in_fp32(std::string_view policy) {
    for (const std::string_view binary : {"matmul", "bmm", "add", "sub", "mul", "div"})
        if (policy == binary) return fmt::format("y = torch.{}(a.float(), b.float())", policy);
    if (policy == "softmax" || policy == "log_softmax") return fmt::format("y = torch.{}(x.float(), dim=-1)", policy);
    for (const std::string_view unary : {"relu", "gelu", "silu", "softplus", "elu"})
        if (policy == unary) return fmt::format("y = torch.nn.functional.{}(x.float())", policy);
    for (const std::string_view unary : {"exp", "log", "sigmoid", "tanh", "sqrt", "rsqrt", "square", "sum", "mean"})
        if (policy == unary) return fmt::format("y = torch.{}(x.float())", policy);
    return "y = ...  # the operation, on x.float() for every floating operand x";
}

class Script {
  public:
    Script(const train::Recipe &recipe, const train::TrainingSettings &settings, const model::Graph &graph,
           std::span<const std::string> fp32_layers)
        : recipe_(recipe),
          settings_(settings),
          graph_(graph),
          rule_(train::parse_loss_scale(recipe.loss_scale)),
          type_(recipe.compute == ops::DType::fp16 ? "torch.float16" : "torch.bfloat16") {
        for (const std::string &layer : fp32_layers) {
            const std::string module = module_of(layer);
            if (module.empty())
                operations_.push_back(layer);
            else if (std::find(modules_.begin(), modules_.end(), module) == modules_.end())
                modules_.push_back(module);
        }
        masters_ = stores_16bit() && recipe.master_weights;
    }

    std::vector<std::string> write() && {
        put("import torch");
        put("");
        if (stores_16bit()) store_in_16_bits();
        layers_in_fp32();
        optimizer();
        loop();
        return std::move(lines_);
    }

  private:
    [[nodiscard]] bool stores_16bit() const { return recipe_.policy == Policy::o2 || recipe_.policy == Policy::pure; }
    [[nodiscard]] bool scales() const { return rule_.kind != LossScaleKind::none; }
    [[nodiscard]] bool dynamic() const { return scales() && rule_.kind != LossScaleKind::constant; }
    /// GradScaler refuses gradients stored in fp16: without masters the scale is handled by hand.
    [[nodiscard]] bool has_scaler() const { return scales() && (!stores_16bit() || masters_); }
    /// The module that holds the layer's weights ("attn" for the layer "attn.in_proj" of attn.in_proj_weight), or "":
    /// no module does, only the model itself or nobody.
    [[nodiscard]] std::string module_of(const std::string &layer) const {
        for (const model::ValueId weight : graph_.weights) {
            const std::string &name = graph_.value(weight).name;
            const std::size_t dot = name.rfind('.');
            if (graph_.value(weight).layer == layer && dot != std::string::npos) return name.substr(0, dot);
        }
        return {};
    }
    [[nodiscard]] bool has_batch_norm() const {
        return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [](const model::Node &node) {
            return node.operation.kind == ops::OpKind::batch_norm_training;
        });
    }
    void put(std::string line) { lines_.push_back(std::move(line)); }

    void store_in_16_bits() {
        put(fmt::format("model.to({})", type_));
        put("def cast_inputs(module, inputs):  # products take their operands in the type of their weights");
        put("    return tuple(x.to(module.weight.dtype) if x.is_floating_point() else x for x in inputs)");
        put("for module in model.modules():");
        put("    if isinstance(module, (torch.nn.Linear, torch.nn.modules.conv._ConvNd)):");
        put("        module.register_forward_pre_hook(cast_inputs)");
        put("");
    }

    void layers_in_fp32() {
        // PyTorch's batch norm wants its weights in the type of its running statistics.
        const bool wide_statistics = recipe_.running_statistics == ops::DType::fp32 && has_batch_norm();
        const bool norms = recipe_.policy == Policy::o2 || (recipe_.policy == Policy::pure && wide_statistics);
        if (!modules_.empty() || norms) {
            put("def in_fp32(module, back=False):  # weights and arithmetic; back: the result in the type of the "
                "input");
            put("    forward = module.float().forward");
            put("    def wrapped(x, *rest, **named):");
            put("        with torch.autocast(device_type=\"cuda\", enabled=False):");
            put("            y = forward(x.float() if x.is_floating_point() else x, *rest, **named)");
            put("        return y.to(x.dtype) if back else y");
            put("    module.forward = wrapped");
        }
        if (norms) {
            put("norms = (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._NormBase)");
            put("for module in model.modules():");
            put("    if isinstance(module, norms):");
            put("        in_fp32(module, back=True)");
        }
        for (const std::string &layer : modules_) put(fmt::format("in_fp32(model.get_submodule(\"{}\"))", layer));
        for (const std::string &layer : operations_) {
            put(fmt::format("# '{}' is no module: in the forward code where it is computed,", layer));
            put("# with torch.autocast(device_type=\"cuda\", enabled=False):");
            put("#     " + operation_in_fp32(policy_of(layer)));
        }
        if (!modules_.empty() || !operations_.empty() || norms) put("");
    }

    [[nodiscard]] std::string policy_of(const std::string &layer) const {
        for (const model::Node &node : graph_.nodes)
            if (graph_.value(node.outputs.front()).layer == layer && !node.policy.empty() && node.policy != "to")
                return node.policy;
        return {};
    }

    void optimizer() {
        if (masters_) {
            put("weights = [p for p in model.parameters() if p.requires_grad]");
            put("masters = [p.detach().clone().float() for p in weights]  # fp32 copies receive the updates");
        }
        const std::string_view what = masters_ ? "masters" : "model.parameters()";
        const train::OptimizerSettings &o = settings_.optimizer;
        if (o.kind == train::OptimizerKind::sgd)
            put(fmt::format("optimizer = torch.optim.SGD({}, lr={}, momentum={}, dampening={}, nesterov={}, "
                            "weight_decay={})",
                            what, o.learning_rate, o.momentum, o.dampening, o.nesterov ? "True" : "False",
                            o.weight_decay));
        else
            put(fmt::format("optimizer = torch.optim.{}({}, lr={}, betas=({}, {}), eps={}, weight_decay={})",
                            o.kind == train::OptimizerKind::adam ? "Adam" : "AdamW", what, o.learning_rate, o.beta1,
                            o.beta2, o.epsilon, o.weight_decay));
        if (settings_.ema_decay > 0)
            put(fmt::format("averages = [p.detach().clone().to({}) for p in {}]",
                            recipe_.average == ops::DType::fp32   ? "torch.float32"
                            : recipe_.average == ops::DType::fp16 ? "torch.float16"
                                                                  : "torch.bfloat16",
                            what));
        if (has_scaler())
            scaler();
        else if (scales())
            put(fmt::format("scale = {}  # by hand: GradScaler refuses gradients stored in fp16",
                            scale_in_python(rule_.initial)));
        put("");
    }

    void scaler() {
        std::string arguments = "\"cuda\", init_scale=" + scale_in_python(rule_.initial);
        if (dynamic() && rule_.interval != 2000) arguments += fmt::format(", growth_interval={}", rule_.interval);
        if (dynamic() && rule_.growth != 2) arguments += fmt::format(", growth_factor={}", rule_.growth);
        if (dynamic() && rule_.backoff != 0.5) arguments += fmt::format(", backoff_factor={}", rule_.backoff);
        if (!dynamic()) arguments += ", growth_interval=2**31 - 1";
        put(fmt::format("scaler = torch.amp.GradScaler({})  # torch < 2.3: torch.cuda.amp.GradScaler({})", arguments,
                        arguments.substr(arguments.find("init_scale"))));
        if (!dynamic()) put("# static: it never grows, though PyTorch halves it should a gradient overflow");
        if (dynamic() && rule_.kind != LossScaleKind::torch)
            put(fmt::format("# the run used the rule {}, of which this is PyTorch's nearest", train::text_of(rule_)));
    }

    void loop() {
        const bool several = settings_.micro_batches > 1;
        const bool wide_sums = several && stores_16bit() && recipe_.gradients == ops::DType::fp32;
        if (wide_sums && !masters_)
            put("sums = [torch.zeros_like(p, dtype=torch.float32) for p in model.parameters()]");
        put(several ? "for number, (inputs, target) in enumerate(loader, 1):" : "for inputs, target in loader:");
        if (recipe_.policy == Policy::autocast) {
            put(fmt::format("    with torch.autocast(device_type=\"cuda\", dtype={}):", type_));
            put("        loss = loss_of(model(inputs), target)");
        } else if (recipe_.policy == Policy::pure) {
            put("    loss = loss_of(model(inputs), target)");
        } else {
            put("    loss = loss_of(model(inputs).float(), target)  # the loss in fp32");
        }
        if (several) put(fmt::format("    loss = loss / {}", settings_.micro_batches));
        put(has_scaler() ? "    scaler.scale(loss).backward()"
            : scales()   ? "    (loss * scale).backward()"
                         : "    loss.backward()");
        if (wide_sums) add_up_in_fp32();
        if (several) {
            put(fmt::format("    if number % {}:", settings_.micro_batches));
            put("        continue");
        }
        if (wide_sums && !masters_) {
            put("    for total, p in zip(sums, model.parameters()):");
            put("        p.grad = total.to(p.dtype)");
            put("        total.zero_()");
        }
        if (masters_ && !wide_sums) {
            put("    for master, weight in zip(masters, weights):");
            put("        master.grad, weight.grad = weight.grad.float(), None");
        }
        has_scaler() || !scales() ? step() : step_by_hand();
        if (masters_) {
            put("    with torch.no_grad():");
            put("        for master, weight in zip(masters, weights):");
            put("            weight.copy_(master)");
        }
        if (settings_.ema_decay > 0) {
            put("    with torch.no_grad():");
            put(fmt::format("        for average, weight in zip(averages, {}):",
                            masters_ ? "masters" : "model.parameters()"));
            put(fmt::format("            average.lerp_(weight.to(average.dtype), {:.6g})", 1 - settings_.ema_decay));
        }
        put("    optimizer.zero_grad()");
    }

    void add_up_in_fp32() {
        if (masters_) {
            put("    for master, weight in zip(masters, weights):  # added up in fp32");
            put("        gradient, weight.grad = weight.grad.float(), None");
            put("        master.grad = gradient if master.grad is None else master.grad + gradient");
            return;
        }
        put("    for total, p in zip(sums, model.parameters()):  # added up in fp32");
        put("        total.add_(p.grad)");
        put("        p.grad = None");
    }

    [[nodiscard]] std::string clip() const {
        return fmt::format("torch.nn.utils.clip_grad_norm_({}, {})", masters_ ? "masters" : "model.parameters()",
                           settings_.clip_norm);
    }

    void step() {
        if (settings_.clip_norm > 0) {
            if (has_scaler()) put("    scaler.unscale_(optimizer)");
            put("    " + clip());
        }
        put(has_scaler() ? "    scaler.step(optimizer)" : "    optimizer.step()");
        if (has_scaler()) put("    scaler.update()");
    }

    void step_by_hand() {
        put("    gradients = [p.grad for p in model.parameters() if p.grad is not None]");
        put("    if all(torch.isfinite(g).all() for g in gradients):");
        put("        for g in gradients:");
        put("            g.mul_(1 / scale)");
        if (settings_.clip_norm > 0) put("        " + clip());
        put("        optimizer.step()");
        if (dynamic()) {
            put("    else:");
            put(fmt::format("        scale *= {}", rule_.backoff));
        }
    }

    const train::Recipe &recipe_;
    const train::TrainingSettings &settings_;
    const model::Graph &graph_;
    train::LossScaleRule rule_;
    std::string type_;
    bool masters_ = false;
    std::vector<std::string> modules_, operations_, lines_;
};

} // namespace

std::vector<std::string> pytorch_lines(const train::Recipe &recipe, const train::TrainingSettings &settings,
                                       const model::Graph &graph, std::span<const std::string> fp32_layers) {
    return Script(recipe, settings, graph, fp32_layers).write();
}

} // namespace halfscope::cli
