// A stranger's program: adds 1 and 2^-11 in fp16 through the backend, with what an installed HalfScope offers.
#include "emulation/number/arithmetic.h"
#include "emulation/ops/backend.h"

#include <cstdint>
#include <cstdio>

int main() {
    using namespace halfscope;
    const auto sum = number::add(number::format_of(number::FormatId::fp16), 0x3c00, 0x1000);
    if (sum.bits != 0x3c00 || sum.status != number::inexact) return 1;

    const auto backend = ops::make_cpu_backend(1);
    std::uint16_t a = 0x3c00, b = 0x3c00, c = 0;
    const ops::TensorView in[] = {{&a, ops::DType::fp16, {1}}, {&b, ops::DType::fp16, {1}}};
    const ops::TensorView out[] = {{&c, ops::DType::fp16, {1}}};
    backend->run({ops::OpKind::add, {}, {}}, in, out);
    std::printf("1 + 1 = %#x in fp16\n", unsigned{c});
    return c == 0x4000 ? 0 : 1;
}
