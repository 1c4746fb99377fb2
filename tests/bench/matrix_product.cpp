// Products of fp16 matrices beside OpenBLAS sgemm of fp32 ones: 1024^3, same threads. The fma chain leaves fp16, the
// Hopper model fp32, the accumulator as it is.
#include "emulation/ops/kernels.h"
#include "emulation/ops/matmul/tensor_core_product.h"
#include "tests/bench/benchmark.h"

#include <cstdio>
#include <random>

#ifdef HALFSCOPE_OPENBLAS
#include <cblas.h>
#endif

namespace halfscope::bench {
namespace {

#ifdef HALFSCOPE_OPENBLAS
constexpr std::int64_t size = 1024;

std::vector<Figure> run(const Options &options) {
    using namespace ops;
    const int threads = threads_of(options);
    openblas_set_num_threads(threads);
    ThreadPool pool(threads);
    HostTensor a(DType::fp16, {size, size}), b(DType::fp16, {size, size}), y(DType::fp16, {size, size});
    HostTensor wide_a(DType::fp32, {size, size}), wide_b(DType::fp32, {size, size}), wide_y(DType::fp32, {size, size});
    std::minstd_rand random(1);
    std::normal_distribution<float> normal;
    for (auto [half, wide] : {std::pair{&a, &wide_a}, std::pair{&b, &wide_b}})
        for (std::size_t i = 0; i < size * size; ++i) {
            half->as<std::uint16_t>()[i] = number::round_to_16bit(normal(random), number::FormatId::fp16);
            wide->as<float>()[i] = number::widen_16bit(half->as<std::uint16_t>()[i], number::FormatId::fp16);
        }
    HostTensor accumulator(DType::fp32, {size, size});
    const Operation operation{OpKind::matmul, Matmul{}, {}};
    const std::vector<TensorView> inputs{a.view(), b.view()}, outputs{y.view()};
    const auto seconds = interleave(
        options.repetitions > 0 ? options.repetitions : 25,
        {[&] {
             run_matmul({operation, inputs, outputs, {}, {}, pool});
         },
         [&] {
             cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size, size, size, 1.0F, wide_a.as<float>().data(),
                         size, wide_b.as<float>().data(), size, 0.0F, wide_y.as<float>().data(), size);
         },
         [&] { tensor_core_product(Accumulation::hopper, a.view(), b.view(), nullptr, accumulator.view(), pool); }});
    const double operations = 2.0 * size * size * size;
    const auto figure = [&](const char *name, const std::vector<double> &ours, const char *aim) {
        char detail[160];
        std::snprintf(detail, sizeof detail, "speed ratio, aim >= %s: %.1f GFLOP/s beside OpenBLAS %.1f, %d threads",
                      aim, operations / median(ours) * 1e-9, operations / median(seconds[1]) * 1e-9, threads);
        return Figure{name, median_ratio(seconds[1], ours), detail};
    };
    return {figure("gemm_fma_vs_openblas", seconds[0], "0.9"), figure("gemm_hopper_vs_openblas", seconds[2], "0.125")};
}
#else
std::vector<Figure> run(const Options &) {
    const char *reason = "built without OpenBLAS (Debian: libopenblas-dev)";
    return {{"gemm_fma_vs_openblas", {}, reason}, {"gemm_hopper_vs_openblas", {}, reason}};
}
#endif

const Registration registration("matrix product", run);

} // namespace
} // namespace halfscope::bench
