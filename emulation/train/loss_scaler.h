// Loss-scale rules of the frameworks, as they really behave. Sources and golden traces: torch.amp.GradScaler
// (aten/src/ATen/native/cuda/AmpKernels.cu), apex.amp.scaler, DeepSpeed runtime/fp16/loss_scaler.py and
// fused_optimizer.py (growth cadence before and since commit e440506be of 2025-06-09), Megatron-core
// optimizer/grad_scaler.py, apex csrc/update_scale_hysteresis.cu, Paddle update_loss_scaling kernel. tests/train/scaler
// holds the traces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace halfscope::train {

enum class LossScaleKind : std::uint8_t {
    none,              ///< scale 1, gradients are not checked, no step is ever skipped
    constant,          ///< a fixed scale; a step with a non-finite gradient is skipped
    torch,             ///< grows after `interval` clean steps in a row; no floor
    apex,              ///< as torch, capped at `max` (2^24)
    deepspeed,         ///< hysteresis refilled at growth; growth one step later than legacy; stops the run at `min`
    deepspeed_legacy,  ///< DeepSpeed before 2025-06
    deepspeed_fp16opt, ///< DeepSpeed FP16_Optimizer (no ZeRO): no hysteresis, clamps at `min`
    megatron,          ///< hysteresis falls on any overflow and is refilled at growth only
    apex_hysteresis,   ///< NVIDIA's fused kernel: hysteresis refilled on every clean step
    paddle,            ///< backs off on every `hysteresis`-th bad step in a row
};

struct LossScaleRule {
    LossScaleKind kind = LossScaleKind::none;
    double initial = 1;
    double growth = 2;
    double backoff = 0.5;
    std::int64_t interval = 2000;        ///< clean steps before the scale grows
    int hysteresis = 1;                  ///< overflows absorbed before the scale falls, as each rule counts them
    bool consecutive_hysteresis = false; ///< deepspeed: refill the hysteresis on every clean step
    std::optional<double> minimum, maximum;
};

/// "none", "static:1024", "dynamic" (= torch), or a rule's name with options: "megatron:init=65536,interval=4".
/// Options: init, growth, backoff, interval, hysteresis, consecutive (0 or 1), min, max; each rule takes those it
/// knows. Throws std::invalid_argument with one sentence that lists the valid names.
[[nodiscard]] LossScaleRule parse_loss_scale(std::string_view text);
/// The rule with all its effective options, in the form parse_loss_scale reads.
[[nodiscard]] std::string text_of(const LossScaleRule &rule);

/// What a scaler remembers between two steps.
struct LossScalerState {
    double scale = 1;
    int hysteresis = 1;              ///< overflows that may still be absorbed; paddle: bad steps in a row
    std::int64_t clean = 0;          ///< clean steps since the last overflow or growth
    std::int64_t iteration = 0;      ///< DeepSpeed's cur_iter
    std::int64_t last_overflow = -1; ///< DeepSpeed's last_overflow_iter
};

class LossScaler {
  public:
    explicit LossScaler(const LossScaleRule &rule) : rule_(rule), scale_(rule.initial), hysteresis_(rule.hysteresis) {}

    [[nodiscard]] const LossScaleRule &rule() const { return rule_; }
    [[nodiscard]] double scale() const { return scale_; }
    /// Whether gradients are tested for inf and NaN, and the step skipped when one is found.
    [[nodiscard]] bool checks() const { return rule_.kind != LossScaleKind::none; }
    /// After a step: `overflow` tells whether a scaled gradient was not finite.
    void update(bool overflow);
    /// Non-empty once the framework itself would have ended the run, in its words.
    [[nodiscard]] const std::string &stop_reason() const { return stop_reason_; }

    /// For checkpoints of runs that go on: of a scaler without a stop reason.
    [[nodiscard]] LossScalerState state() const { return {scale_, hysteresis_, clean_, iteration_, last_overflow_}; }
    void restore(const LossScalerState &state) {
        scale_ = state.scale, hysteresis_ = state.hysteresis, clean_ = state.clean;
        iteration_ = state.iteration, last_overflow_ = state.last_overflow;
    }

  private:
    void grow();
    void fall();

    LossScaleRule rule_;
    double scale_;
    int hysteresis_;                  ///< overflows that may still be absorbed; paddle: bad steps in a row
    std::int64_t clean_ = 0;          ///< clean steps since the last overflow or growth
    std::int64_t iteration_ = 0;      ///< DeepSpeed's cur_iter
    std::int64_t last_overflow_ = -1; ///< DeepSpeed's last_overflow_iter
    std::string stop_reason_;
};

} // namespace halfscope::train
