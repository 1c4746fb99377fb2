// What `halfscope validate` might have found: a kernel that passed, one with a bug, one that could not run.
#pragma once

#include "kernels/record/validation.h"

namespace halfscope::tests {

inline kernels::ValidationRun sample_validation() {
    using kernels::judge::Verdict;
    kernels::ValidationRun run;
    run.command = "halfscope validate --json out/validation.json";
    run.halfscope_version = "sample";
    run.environment = {{"cpu", "a <CPU>"}};
    const auto add = [&](const char *name, Verdict verdict, const char *explanation) {
        kernels::Validation validation;
        validation.kernel = name;
        validation.task = "matmul";
        validation.place = verdict == Verdict::skipped ? "cuda" : "cpu";
        validation.operands = "fp16";
        validation.accumulator = validation.result = "fp32";
        validation.order = "k ascending";
        validation.inputs = "64 x 64 x 64, seed 0";
        validation.judgement.verdict = verdict;
        validation.judgement.explanation = explanation;
        validation.judgement.elements = verdict == Verdict::skipped ? 0 : 4096;
        validation.judgement.bit_equal = verdict == Verdict::bit_equal ? 4096 : 0;
        run.validations.push_back(validation);
    };
    add("right", Verdict::bit_equal, "All results are equal.");
    add("wrong", Verdict::real_bug, "Every wrong result is </script> zero.");
    add("elsewhere", Verdict::skipped, "there is no CUDA device");
    return run;
}

} // namespace halfscope::tests
