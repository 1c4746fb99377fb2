#include "kernels/validation/operations.h"

#include "emulation/ops/backend.h"
#include "kernels/inputs/operation_cases.h"
#include "kernels/judge/compare.h"

#include <fmt/format.h>

#include <chrono>

namespace halfscope::kernels {
namespace {

struct Outcome {
    std::vector<ops::HostTensor> results;
    std::vector<number::RangeStatistics> statistics;
};

/// Memory of a backend for one tensor.
class Placed {
  public:
    Placed(ops::Backend &backend, ops::DType dtype, const ops::Shape &shape)
        : backend_(backend), view_{nullptr, dtype, shape} {
        view_.data = backend.allocate(view_.bytes());
    }
    ~Placed() { backend_.release(view_.data); }
    Placed(const Placed &) = delete;
    Placed &operator=(const Placed &) = delete;
    [[nodiscard]] const ops::TensorView &view() const { return view_; }

  private:
    ops::Backend &backend_;
    ops::TensorView view_;
};

Outcome outcome_of(ops::Backend &backend, const OperationCase &one, bool measured) {
    std::vector<std::unique_ptr<Placed>> placed;
    std::vector<ops::TensorView> inputs, outputs;
    for (const ops::HostTensor &input : one.inputs) {
        placed.push_back(std::make_unique<Placed>(backend, input.dtype, input.shape));
        inputs.push_back(placed.back()->view());
        backend.upload(inputs.back().data, input.bytes.data(), input.bytes.size());
    }
    for (const auto &[dtype, shape] : one.outputs) {
        placed.push_back(std::make_unique<Placed>(backend, dtype, shape));
        outputs.push_back(placed.back()->view());
    }
    Outcome outcome;
    outcome.statistics.resize(outputs.size());
    std::vector<number::RangeStatistics *> wanted;
    if (measured)
        for (auto &statistics : outcome.statistics) wanted.push_back(&statistics);
    backend.run(one.operation, inputs, outputs, wanted, one.key);
    for (const ops::TensorView &output : outputs) {
        ops::HostTensor &result = outcome.results.emplace_back(output.dtype, output.shape);
        backend.download(result.bytes.data(), output.data, output.bytes());
    }
    return outcome;
}

/// Adds one result to the judgement; false when it differs.
bool add(judge::Judgement &judgement, ops::HostTensor &tested, ops::HostTensor &emulated, ops::ThreadPool &threads) {
    judgement.elements += tested.shape.elements();
    if (!ops::is_floating(tested.dtype)) {
        const bool same = tested.bytes == emulated.bytes;
        if (same) judgement.bit_equal += tested.shape.elements();
        return same;
    }
    judge::Results results;
    results.tested = tested.view();
    results.emulated = emulated.view();
    results.model = "the emulator";
    results.format = ops::format_id(tested.dtype);
    const judge::Judgement one = judge::compare(results, threads);
    judgement.bit_equal += one.bit_equal;
    judgement.nan_payload_differences += one.nan_payload_differences;
    judgement.zero_sign_differences += one.zero_sign_differences;
    judgement.nan_mismatches += one.nan_mismatches;
    judgement.infinity_mismatches += one.infinity_mismatches;
    judgement.worst_ulp = std::max(judgement.worst_ulp, one.worst_ulp);
    if (one.same_bits()) return true;
    if (judgement.explanation.empty()) judgement.worst = one.worst;
    return false;
}

} // namespace

judge::Judgement judge_operations(const Kernel &kernel, std::int64_t size, ops::ThreadPool &threads,
                                  std::string &inputs, double &seconds) {
    const std::vector<OperationCase> cases = kernel.cases(size);
    const auto machine = kernel.machine();
    const auto emulator = ops::make_cpu_backend(threads.threads());
    judge::Judgement judgement;
    judgement.model = "the emulator";
    judgement.format = kernel.result;
    std::size_t different = 0;
    for (const OperationCase &one : cases)
        for (const bool measured : {false, true}) {
            const auto start = std::chrono::steady_clock::now();
            Outcome tested = outcome_of(*machine, one, measured);
            seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            Outcome emulated = outcome_of(*emulator, one, measured);
            bool same = tested.statistics == emulated.statistics;
            const bool same_statistics = same;
            for (std::size_t i = 0; i < tested.results.size(); ++i)
                same = add(judgement, tested.results[i], emulated.results[i], threads) && same;
            if (same) continue;
            ++different;
            if (judgement.explanation.empty())
                judgement.explanation = fmt::format("{} {} {}: {} differ from the emulator's", one.name,
                                                    one.inputs.empty() ? "" : ops::name_of(one.inputs[0].dtype),
                                                    one.inputs.empty() ? "" : one.inputs[0].shape.text(),
                                                    same_statistics ? "results" : "results or statistics");
        }
    inputs = fmt::format("{} operations", cases.size());
    judgement.shape = {judgement.elements};
    judgement.verdict = different == 0 ? judge::Verdict::bit_equal : judge::Verdict::real_bug;
    judgement.explanation =
        different == 0 ? fmt::format("All bits and statistics are the emulator's, in {} operations.", cases.size())
                       : fmt::format("{} ({} of {} runs differ).", judgement.explanation, different, 2 * cases.size());
    return judgement;
}

} // namespace halfscope::kernels
