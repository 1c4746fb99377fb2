// An fp16-amp step with every tensor traced, against PyTorch's plain fp32 step of the same network on the same threads.
// PyTorch runs in a process of its own (torch_step.py), a step on demand, so that both are interleaved.
#include "tests/bench/benchmark.h"

#include "emulation/data/dataset.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/ops/backend.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/recipe/recipe.h"
#include "emulation/train/run/training_run.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace halfscope::bench {
namespace {

/// torch_step.py as a co-process: one line in, one line (milliseconds) out.
class TorchStep {
  public:
    TorchStep(const std::string &model, int threads) {
        int to[2], from[2];
        if (pipe(to) != 0 || pipe(from) != 0) throw std::runtime_error("no pipe");
        child_ = fork();
        if (child_ == 0) {
            dup2(to[0], 0);
            dup2(from[1], 1);
            for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
            const std::string count = std::to_string(threads);
            execl("/usr/bin/python3", "python3", HALFSCOPE_TORCH_STEP, model.c_str(), count.c_str(), nullptr);
            _exit(127);
        }
        close(to[0]);
        close(from[1]);
        requests_ = fdopen(to[1], "w");
        answers_ = fdopen(from[0], "r");
        available_ = line() == "ready";
    }
    ~TorchStep() {
        std::fclose(requests_);
        std::fclose(answers_);
        waitpid(child_, nullptr, 0);
    }
    TorchStep(const TorchStep &) = delete;
    TorchStep &operator=(const TorchStep &) = delete;

    [[nodiscard]] bool available() const { return available_; }
    void step() {
        std::fputs("step\n", requests_);
        std::fflush(requests_);
        if (line().empty()) throw std::runtime_error("torch_step.py ended early");
    }

  private:
    std::string line() {
        char text[128];
        if (!std::fgets(text, sizeof text, answers_)) return {};
        std::string answer(text);
        while (!answer.empty() && answer.back() == '\n') answer.pop_back();
        return answer;
    }

    pid_t child_ = -1;
    std::FILE *requests_ = nullptr, *answers_ = nullptr;
    bool available_ = false;
};

struct Workload {
    std::string key, torch_model, zoo_model;
    int batch;
    train::OptimizerKind optimizer;
};

std::vector<Figure> measure(const Workload &work, const Options &options) {
    const int threads = threads_of(options);
    std::signal(SIGPIPE, SIG_IGN);
    TorchStep torch(work.torch_model, threads);
    if (!torch.available()) return {{work.key, std::nullopt, "PyTorch is not installed (python3-torch)"}};

    model::Graph graph = model::build_zoo_model(work.zoo_model, work.batch, 0);
    model::attach_loss(graph, "cross-entropy");
    const auto dataset = data::open_dataset("synthetic", train::demand_of(graph));
    std::vector<std::int64_t> samples(static_cast<std::size_t>(work.batch));
    std::iota(samples.begin(), samples.end(), std::int64_t{0});
    const train::Batch batch = dataset->batch(samples, data::Split::training);
    train::TrainingSettings settings;
    settings.optimizer.kind = work.optimizer;
    settings.optimizer.learning_rate = work.optimizer == train::OptimizerKind::sgd ? 0.1 : 3e-4;
    settings.optimizer.momentum = work.optimizer == train::OptimizerKind::sgd ? 0.9 : 0.0;
    const auto backend = ops::make_cpu_backend(threads);
    train::TrainingRun run(graph, train::recipe_named("fp16-amp"), train::parse_loss_scale("dynamic"), settings,
                           *backend, nullptr);

    const int rounds = options.repetitions > 0 ? options.repetitions : 7;
    const auto seconds = interleave(rounds, {[&] { (void)run.step({&batch, 1}, true, false); }, [&] { torch.step(); }});
    char detail[160];
    std::snprintf(detail, sizeof detail, "fp16-amp traced %.0f ms, PyTorch fp32 %.0f ms a step, %d thread(s)",
                  median(seconds[0]) * 1e3, median(seconds[1]) * 1e3, threads);
    return {{work.key, median_ratio(seconds[0], seconds[1]), detail}};
}

const Registration gpt("training step, GPT", [](const Options &options) {
    return measure(
        {"step_gpt_vs_torch", "gpt", "gpt:layers=4,width=256,heads=4,seq=128,vocab=256", 8, train::OptimizerKind::adam},
        options);
});
const Registration resnet20("training step, ResNet-20", [](const Options &options) {
    return measure(
        {"step_resnet20_vs_torch", "resnet20", "resnet20:size=32,channels=3,classes=10", 64, train::OptimizerKind::sgd},
        options);
});

} // namespace
} // namespace halfscope::bench
