// A host machine that runs CUDA kernels as they are written: a block's threads are fibers, and a barrier, a shuffle or
// a matrix instruction is a place where they wait for each other. It is strict where a device is forgiving: memory that
// nobody wrote is NaN, a block finds shared memory poisoned, threads run in an order that no kernel may rely on,
// and whoever waits for a thread that will not come is told so.
//
// One block at a time, on one host thread. Nothing here says anything about speed.
#pragma once

#include <vector_types.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace simt {

inline constexpr int warp_size = 32;

/// The order in which threads that can go on are taken. Ascending and descending, a warp goes as far as it can before
/// the next one begins; scattered, all threads go a step in turn, in another order each time. A kernel without races
/// has the same bits in all.
enum class Order : std::uint8_t { ascending, descending, scattered };

/// What the machine pretends to be.
struct Device {
    int major = 9, minor = 0; ///< compute capability
    Order order = Order::ascending;
};
[[nodiscard]] Device &device();

/// A register of one thread: an operand of a PTX instruction.
struct Register {
    void *data = nullptr; ///< 2 or 4 bytes; null: `value` is all there is
    std::uint32_t bytes = 4;
    std::uint64_t value = 0;
    [[nodiscard]] std::uint32_t read() const;
    void write(std::uint32_t bits) const;
};
template <typename T> Register register_of(T &variable) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 2);
    return {&variable, sizeof(T), 0};
}
template <typename T> Register value_of(T value) {
    static_assert(std::is_integral_v<T>);
    return {nullptr, sizeof(T), static_cast<std::uint64_t>(value)};
}

/// Carries out one PTX instruction, given as its text and its numbered operands (instructions.cpp).
void execute(const char *text, std::initializer_list<Register> operands);

/// All lanes of `mask` wait here for each other; the last one runs perform(lanes), where lanes[l] is what lane l
/// brought, null for a lane that is not in the mask or has returned. `instruction` and mask must be the same for all.
using Lanes = void *const *;
void meet(std::string_view instruction, std::uint32_t mask, void *mine, const std::function<void(Lanes)> &perform);
/// Waits for every thread of the block that has not returned.
void wait_for_block();

/// Throws std::runtime_error unless `pointer` is null or lies in device memory.
void require_device_memory(const char *kernel, const void *pointer);

/// Runs body() as every thread of every block, with `shared` bytes of dynamic shared memory. Throws std::runtime_error:
/// what a thread threw, or who waits for whom.
void run_grid(const char *kernel, dim3 grid, dim3 block, std::size_t shared, const std::function<void()> &body);

template <typename T> void check_argument(const char *kernel, const T &argument) {
    if constexpr (std::is_pointer_v<T>) require_device_memory(kernel, argument);
}

template <typename... Parameters>
void launch_with_shared(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared,
                        std::type_identity_t<Parameters>... arguments);

template <typename... Parameters>
void launch(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
            std::type_identity_t<Parameters>... arguments) {
    launch_with_shared(name, kernel, grid, block, 0, arguments...);
}
template <typename... Parameters>
void launch_with_shared(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared,
                        std::type_identity_t<Parameters>... arguments) {
    (check_argument(name, arguments), ...);
    run_grid(name, grid, block, shared, [&] { kernel(arguments...); });
}

/// Shared memory: first what a launch asks for, as much as a block of the device can have; then the shared variables of
/// all kernels, one after the other: a place is given once and kept.
[[nodiscard]] std::byte *shared_memory();
inline constexpr std::size_t most_dynamic_shared_bytes = 232448; ///< of compute capability 9.0
/// Whether [address, address + bytes) is memory of the block that runs.
[[nodiscard]] bool is_shared(std::size_t address, std::size_t bytes);
/// 1024-byte aligned; null, and an error when it is touched, where the launch asked for none.
[[nodiscard]] unsigned char *dynamic_shared_memory();
[[nodiscard]] void *place_in_shared_memory(std::size_t bytes);
template <typename T> T &shared_variable() { return *static_cast<T *>(place_in_shared_memory(sizeof(T))); }

} // namespace simt

// What every kernel reads.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
