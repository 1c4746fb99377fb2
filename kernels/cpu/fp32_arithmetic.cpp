// fp32 arithmetic in hardware. The emulator's scalar operations work in integers, and its fast paths use these very
// instructions: both must agree.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/twin/elementwise.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace halfscope::kernels {
namespace {

#if defined(__x86_64__)

/// To nearest even, subnormals kept, whatever a library in the process has set; the old setting comes back.
class IeeeArithmetic {
  public:
    IeeeArithmetic() : old_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
    ~IeeeArithmetic() { _mm_setcsr(old_); }
    IeeeArithmetic(const IeeeArithmetic &) = delete;
    IeeeArithmetic &operator=(const IeeeArithmetic &) = delete;

  private:
    unsigned old_;
};

void sse(Task task, const float *const *x, float *out, std::size_t count) {
    const IeeeArithmetic ieee;
    std::size_t i = 0;
    const auto step = [&](auto load, auto store) {
        const __m128 a = load(x[0] + i);
        switch (task) {
        case Task::add: return store(out + i, _mm_add_ps(a, load(x[1] + i)));
        case Task::subtract: return store(out + i, _mm_sub_ps(a, load(x[1] + i)));
        case Task::multiply: return store(out + i, _mm_mul_ps(a, load(x[1] + i)));
        case Task::divide: return store(out + i, _mm_div_ps(a, load(x[1] + i)));
        default: return store(out + i, _mm_sqrt_ps(a));
        }
    };
    for (; i + 4 <= count; i += 4)
        step([](const float *p) { return _mm_loadu_ps(p); }, [](float *p, __m128 v) { _mm_storeu_ps(p, v); });
    for (; i < count; ++i)
        step([](const float *p) { return _mm_load_ss(p); }, [](float *p, __m128 v) { _mm_store_ss(p, v); });
}

__attribute__((target("avx,fma"))) void fma3(const float *const *x, float *out, std::size_t count) {
    const IeeeArithmetic ieee;
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(
            out + i, _mm256_fmadd_ps(_mm256_loadu_ps(x[0] + i), _mm256_loadu_ps(x[1] + i), _mm256_loadu_ps(x[2] + i)));
    for (; i < count; ++i)
        _mm_store_ss(out + i, _mm_fmadd_ss(_mm_load_ss(x[0] + i), _mm_load_ss(x[1] + i), _mm_load_ss(x[2] + i)));
}

#else

void sse(Task, const float *const *, float *, std::size_t) {}
void fma3(const float *const *, float *, std::size_t) {}

#endif

Kernel arithmetic(std::string name, Task task, InstructionSet set, std::string order) {
    Kernel kernel;
    kernel.name = std::move(name);
    kernel.task = task;
    kernel.order = std::move(order) + ", to nearest even, subnormals kept";
    kernel.unavailable = [set] { return missing(set); };
    kernel.run = [task](const KernelCall &call) {
        const float *operands[3] = {};
        for (std::size_t i = 0; i < call.inputs.size(); ++i) operands[i] = call.inputs[i].as<const float>();
        const auto count = static_cast<std::size_t>(call.output.shape.elements());
        if (task == Task::fused_multiply_add)
            fma3(operands, call.output.as<float>(), count);
        else
            sse(task, operands, call.output.as<float>(), count);
    };
    kernel.emulate = [task](const KernelCall &call) { emulate_elementwise(task, {}, call); };
    return kernel;
}

} // namespace

std::vector<Kernel> fp32_arithmetic_kernels() {
    return {
        arithmetic("sse-add-fp32", Task::add, InstructionSet::sse, "addps"),
        arithmetic("sse-subtract-fp32", Task::subtract, InstructionSet::sse, "subps"),
        arithmetic("sse-multiply-fp32", Task::multiply, InstructionSet::sse, "mulps"),
        arithmetic("sse-divide-fp32", Task::divide, InstructionSet::sse, "divps"),
        arithmetic("sse-square-root-fp32", Task::square_root, InstructionSet::sse, "sqrtps"),
        arithmetic("fma3-fma-fp32", Task::fused_multiply_add, InstructionSet::fma, "vfmaddps"),
    };
}

} // namespace halfscope::kernels
