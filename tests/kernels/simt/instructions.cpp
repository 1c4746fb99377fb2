// The PTX instructions that kernels use, from their text. Fragment layouts as in the PTX ISA, "Warp-level matrix
// instructions" (mma.m16n8k16 with floating-point type, mma.m16n8k8, ldmatrix), written down here a second time and
// on purpose in its own words: element i of a fragment, not register r. What a product is comes from
// emulation/number/tensor_core.h.
#include "emulation/number/arithmetic.h"
#include "emulation/number/tensor_core.h"
#include "tests/kernels/simt/asynchronous.h"
#include "tests/kernels/simt/intrinsics.h"
#include "tests/kernels/simt/operand_line.h"
#include "tests/kernels/simt/warpgroup_product.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <stdexcept>
#include <vector>

namespace simt {
namespace {

using halfscope::number::Format;
using halfscope::number::TensorCore;

constexpr std::uint32_t whole_warp = 0xffffffffu;

struct Instruction {
    std::string name;                   ///< "mma.sync.aligned...."
    std::vector<std::vector<int>> sets; ///< the operand numbers of each {...}, [...] or bare %n
    std::vector<int> constants;         ///< numbers in the place of operands, in order
};

Instruction parse(std::string_view text) {
    Instruction instruction;
    if (text.empty() || text.back() != ';') throw std::runtime_error("not one PTX instruction: " + std::string(text));
    text.remove_suffix(1);
    std::size_t at = std::min(text.find(' '), text.size());
    instruction.name = std::string(text.substr(0, at));
    while ((at = text.find_first_not_of(", ", at)) != std::string_view::npos) {
        const bool bracket = text[at] == '{' || text[at] == '[';
        std::size_t end = text.find(!bracket ? ',' : text[at] == '{' ? '}' : ']', at);
        if (end == std::string_view::npos && bracket)
            throw std::runtime_error("an open bracket in " + std::string(text));
        end = std::min(end, text.size());
        const std::string argument(text.substr(at, end - at));
        at = end + (bracket ? 1 : 0);
        if (argument.find('%') == std::string::npos) {
            instruction.constants.push_back(std::stoi(argument));
            continue;
        }
        std::vector<int> &set = instruction.sets.emplace_back();
        for (std::size_t i = argument.find('%'); i != std::string::npos; i = argument.find('%', i + 1))
            set.push_back(std::stoi(argument.substr(i + 1)));
    }
    return instruction;
}

const Instruction &parsed(const char *text) {
    static std::map<const char *, Instruction> kept;
    const auto found = kept.find(text);
    return found != kept.end() ? found->second : kept.emplace(text, parse(text)).first->second;
}

/// One lane's operands of an instruction.
struct Operands {
    const Instruction *instruction;
    std::span<const Register> registers;
    [[nodiscard]] const Register &of(std::size_t set, std::size_t i) const {
        return registers[static_cast<std::size_t>(instruction->sets.at(set).at(i))];
    }
    /// 16-bit element i of a set whose registers hold two each, the lower half first.
    [[nodiscard]] std::uint32_t half(std::size_t set, std::size_t i) const {
        return of(set, i / 2).read() >> (16 * (i % 2)) & 0xffff;
    }
};

const Operands &lane_of(Lanes lanes, int lane, const std::string &name) {
    if (lanes[lane] == nullptr) throw std::runtime_error(name + ": lane " + std::to_string(lane) + " is not there");
    return *static_cast<const Operands *>(lanes[lane]);
}

const TensorCore &unit() {
    const Device &d = device();
    const std::string_view name = d.major >= 10                  ? "blackwell"
                                  : d.major == 9                 ? "hopper"
                                  : d.major == 8 && d.minor == 9 ? "ada"
                                                                 : "ampere";
    for (const TensorCore &core : halfscope::number::tensor_cores)
        if (core.name == name) return core;
    throw std::runtime_error("no such matrix unit");
}

struct MmaShape {
    int k;               ///< of m16n8k*
    const Format *a_b;   ///< operands
    const Format *c_d;   ///< accumulator
    bool two_a_register; ///< 16-bit operands
};

const std::map<std::string, MmaShape> &mma_shapes() {
    using halfscope::number::FormatId;
    const auto format = [](FormatId id) { return &halfscope::number::format_of(id); };
    static const std::map<std::string, MmaShape> shapes = {
        {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
         {16, format(FormatId::fp16), format(FormatId::fp32), true}},
        {"mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16",
         {16, format(FormatId::fp16), format(FormatId::fp16), true}},
        {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
         {16, format(FormatId::bf16), format(FormatId::fp32), true}},
        {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32",
         {8, format(FormatId::tf32), format(FormatId::fp32), false}},
    };
    return shapes;
}

/// tf32 as the unit reads it of 32 bits: the low 13 are not looked at.
std::uint32_t tf32_of(std::uint32_t word) { return word & ~0x1fffu; }

/// d = a b + c of a warp; sets: d, a, b, c.
void matrix_product(const MmaShape &shape, const std::string &name, Lanes lanes) {
    constexpr int m = 16, n = 8;
    std::array<std::array<std::uint32_t, 16>, m> a{}; // [row][k]
    std::array<std::array<std::uint32_t, 16>, n> b{}; // [column][k]
    std::array<std::array<std::uint64_t, n>, m> c{};
    const bool narrow = shape.c_d->id == halfscope::number::FormatId::fp16;
    for (int lane = 0; lane < warp_size; ++lane) {
        const Operands &operands = lane_of(lanes, lane, name);
        const int group = lane >> 2, in_group = lane % 4;
        if (shape.two_a_register) {
            for (int i = 0; i < 8; ++i) {
                const int row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
                const int column = in_group * 2 + (i & 1) + (i < 4 ? 0 : 8);
                a[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)] =
                    operands.half(1, static_cast<std::size_t>(i));
            }
            for (int i = 0; i < 4; ++i) {
                const int row = in_group * 2 + (i & 1) + (i < 2 ? 0 : 8);
                b[static_cast<std::size_t>(group)][static_cast<std::size_t>(row)] =
                    operands.half(2, static_cast<std::size_t>(i));
            }
        } else {
            for (int i = 0; i < 4; ++i) {
                const int row = i == 0 || i == 2 ? group : group + 8;
                const int column = i < 2 ? in_group : in_group + 4;
                a[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)] =
                    tf32_of(operands.of(1, static_cast<std::size_t>(i)).read());
            }
            for (int i = 0; i < 2; ++i)
                b[static_cast<std::size_t>(group)][static_cast<std::size_t>(i == 0 ? in_group : in_group + 4)] =
                    tf32_of(operands.of(2, static_cast<std::size_t>(i)).read());
        }
        for (int i = 0; i < 4; ++i)
            c[static_cast<std::size_t>(i < 2 ? group : group + 8)]
             [2 * static_cast<std::size_t>(in_group) + static_cast<std::size_t>(i & 1)] =
                 narrow ? operands.half(3, static_cast<std::size_t>(i))
                        : operands.of(3, static_cast<std::size_t>(i)).read();
    }
    const TensorCore &core = unit();
    const auto k = static_cast<std::size_t>(shape.k);
    const auto length = static_cast<std::size_t>(shape.two_a_register ? core.block : core.block_tf32);
    std::array<OperandLine, m> in_a;
    std::array<OperandLine, n> in_b;
    for (std::size_t row = 0; row < m; ++row) in_a[row] = OperandLine(a[row], shape.a_b->id);
    for (std::size_t column = 0; column < n; ++column) in_b[column] = OperandLine(b[column], shape.a_b->id);
    for (std::size_t row = 0; row < m; ++row)
        for (std::size_t column = 0; column < n; ++column)
            for (std::size_t first = 0; first < k && !is_nothing(in_a[row], in_b[column], c[row][column]);
                 first += length)
                c[row][column] = halfscope::number::fused_dot_add(
                    core, *shape.a_b, std::span(a[row]).subspan(first, length),
                    std::span(b[column]).subspan(first, length), *shape.c_d, c[row][column]);
    for (int lane = 0; lane < warp_size; ++lane) {
        const Operands &operands = lane_of(lanes, lane, name);
        const int group = lane >> 2, in_group = lane % 4;
        std::array<std::uint32_t, 4> d{};
        for (int i = 0; i < 4; ++i)
            d[static_cast<std::size_t>(i)] =
                static_cast<std::uint32_t>(c[static_cast<std::size_t>(i < 2 ? group : group + 8)]
                                            [2 * static_cast<std::size_t>(in_group) + static_cast<std::size_t>(i & 1)]);
        if (narrow) {
            operands.of(0, 0).write(d[0] | d[1] << 16);
            operands.of(0, 1).write(d[2] | d[3] << 16);
        } else
            for (std::size_t i = 0; i < 4; ++i) operands.of(0, i).write(d[i]);
    }
}

/// Matrices of 8 x 8 16-bit elements from shared memory: lane 8 m + r brings the address of row r of matrix m, 16
/// aligned bytes; register m of lane l becomes elements 2 (l % 4) and the next of row l / 4 of matrix m, or,
/// transposed, of column l / 4.
void load_matrices(int count, bool transposed, const std::string &name, Lanes lanes) {
    std::array<std::array<std::array<std::uint16_t, 8>, 8>, 4> matrices{};
    for (int lane = 0; lane < 8 * count; ++lane) {
        const std::uint32_t address = lane_of(lanes, lane, name).of(1, 0).read();
        if (address % 16 != 0 || !is_shared(address, 16))
            throw std::runtime_error(name + ": lane " + std::to_string(lane) +
                                     "'s address is not that of 16 aligned bytes of shared memory");
        std::memcpy(matrices[static_cast<std::size_t>(lane / 8)][static_cast<std::size_t>(lane % 8)].data(),
                    shared_memory() + address, 16);
    }
    for (int lane = 0; lane < warp_size; ++lane)
        for (int m = 0; m < count; ++m) {
            const auto &matrix = matrices[static_cast<std::size_t>(m)];
            const auto across = static_cast<std::size_t>(lane % 4 * 2), line = static_cast<std::size_t>(lane / 4);
            const std::uint32_t low = transposed ? matrix[across][line] : matrix[line][across];
            const std::uint32_t high = transposed ? matrix[across + 1][line] : matrix[line][across + 1];
            lane_of(lanes, lane, name).of(0, static_cast<std::size_t>(m)).write(low | high << 16);
        }
}

int own_warp() {
    return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) / warp_size);
}

/// sets: the accumulator, a's and b's descriptors; constants: scale-d, the operands' signs, which are transposed.
void begin_warpgroup_product(const std::string &name, Lanes lanes) {
    WarpgroupProduct product;
    product.name = name;
    const Operands &first = lane_of(lanes, 0, name);
    const std::vector<int> &constants = first.instruction->constants;
    if (constants.size() != 5 || constants[0] != 1 || constants[1] != 1 || constants[2] != 1)
        throw std::runtime_error(name + ": only d = a b + d is known here");
    product.a = first.of(1, 0).value;
    product.b = first.of(2, 0).value;
    product.a_transposed = constants[3] != 0;
    product.b_transposed = constants[4] != 0;
    for (int lane = 0; lane < warp_size; ++lane) {
        const Operands &operands = lane_of(lanes, lane, name);
        if (operands.of(1, 0).value != product.a || operands.of(2, 0).value != product.b)
            throw std::runtime_error(name + ": lanes differ in their descriptors");
        for (const int number : operands.instruction->sets[0])
            product.lanes[static_cast<std::size_t>(lane)].push_back(
                operands.registers[static_cast<std::size_t>(number)]);
    }
    const int warp = own_warp();
    std::string what = name + ' ' + std::to_string(product.a) + ' ' + std::to_string(product.b);
    begin_product(warp, std::move(what), [product, warp] { multiply_for_warp(product, warp); });
}

void perform(const std::string &name, Lanes lanes) {
    if (is_warpgroup_product(name)) return begin_warpgroup_product(name, lanes);
    if (name == "wgmma.fence.sync.aligned") return fence_products(own_warp());
    if (name == "wgmma.commit_group.sync.aligned") return end_group_of_products(own_warp());
    if (name == "wgmma.wait_group.sync.aligned")
        return wait_for_products(own_warp(), lane_of(lanes, 0, name).instruction->constants.at(0));
    const auto mma = mma_shapes().find(name);
    if (mma != mma_shapes().end()) return matrix_product(mma->second, name, lanes);
    const std::string load = "ldmatrix.sync.aligned.m8n8.x", transposed = ".trans", memory = ".shared.b16";
    if (name.starts_with(load) && name.ends_with(memory)) {
        const std::string rest = name.substr(load.size(), name.size() - load.size() - memory.size());
        const int count = rest[0] - '0';
        if ((count == 1 || count == 2 || count == 4) && (rest.size() == 1 || rest.substr(1) == transposed))
            return load_matrices(count, rest.size() > 1, name, lanes);
    }
    throw std::runtime_error("the executor knows no PTX instruction " + name);
}

/// Carries out what a thread does by itself; false for an instruction of the whole warp.
bool of_one_thread(const Operands &operands) {
    const Instruction &instruction = *operands.instruction;
    const std::string &name = instruction.name;
    if (name == "cp.async.cg.shared.global") {
        if (instruction.constants.at(0) != 16) throw std::runtime_error(name + " copies 16 bytes");
        // NOLINTNEXTLINE: the pointer that the kernel had
        const auto *from = reinterpret_cast<const void *>(static_cast<std::uintptr_t>(operands.of(1, 0).value));
        begin_copy(operands.of(0, 0).read(), from, operands.of(2, 0).read());
    } else if (name == "cp.async.commit_group")
        end_group_of_copies();
    else if (name == "cp.async.wait_group")
        wait_for_copies(instruction.constants.at(0));
    else if (name == "fence.proxy.async.shared::cta")
        show_to_async_proxy();
    else
        return false;
    return true;
}

template <typename T> std::uint64_t fused(halfscope::number::FormatId format, T a, T b, T c) {
    const auto bits = [](T x) { return std::uint64_t{std::bit_cast<std::uint16_t>(x)}; };
    return halfscope::number::fused_multiply_add(halfscope::number::format_of(format), bits(a), bits(b), bits(c), {})
        .bits;
}

} // namespace

void execute(const char *text, std::initializer_list<Register> operands) {
    const Instruction &instruction = parsed(text);
    const Operands mine{&instruction, {operands.begin(), operands.size()}};
    for (const auto &set : instruction.sets)
        for (const int number : set)
            if (static_cast<std::size_t>(number) >= operands.size())
                throw std::runtime_error(instruction.name + ": there is no operand " + std::to_string(number));
    if (of_one_thread(mine)) return;
    meet(instruction.name, whole_warp, const_cast<Operands *>(&mine), // NOLINT: read only
         [&](Lanes lanes) { perform(instruction.name, lanes); });
}

} // namespace simt

__half __hfma(__half a, __half b, __half c) {
    return __ushort_as_half(static_cast<unsigned short>(simt::fused(halfscope::number::FormatId::fp16, a, b, c)));
}
__nv_bfloat16 __hfma(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c) {
    return __ushort_as_bfloat16(static_cast<unsigned short>(simt::fused(halfscope::number::FormatId::bf16, a, b, c)));
}

std::size_t __cvta_generic_to_shared(const void *pointer) {
    const auto offset = static_cast<const std::byte *>(pointer) - simt::shared_memory();
    if (offset < 0 || !simt::is_shared(static_cast<std::size_t>(offset), 1))
        throw std::runtime_error("__cvta_generic_to_shared of an address that is not shared memory");
    return static_cast<std::size_t>(offset);
}
