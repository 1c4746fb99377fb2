// PTX instructions in a kernel's source, written so that the instruction's text is compiled by nvcc and, in the tests
// without a device, carried out on the host from the same text (tests/kernels/simt). Operands are numbered as in asm:
// the outputs, then the inputs.
#pragma once

#define HALFSCOPE_OPERANDS(...) __VA_ARGS__

/// Before a loop over registers: an array lies in registers only where every index is a constant.
#ifdef __CUDACC__
#define HALFSCOPE_UNROLL _Pragma("unroll")
#define HALFSCOPE_NO_UNROLL _Pragma("unroll 1")
#else
#define HALFSCOPE_UNROLL
#define HALFSCOPE_NO_UNROLL
#endif

#ifdef __CUDACC__
#define HALFSCOPE_PTX(text, outputs, inputs) asm volatile(text:outputs : inputs)
/// The same for an instruction that reads memory: what is stored before it stays before it.
#define HALFSCOPE_PTX_OF_MEMORY(text, outputs, inputs) asm volatile(text:outputs:inputs : "memory")
/// Instructions with inputs alone, and with no operands.
#define HALFSCOPE_PTX_OF_INPUTS(text, inputs) asm volatile(text ::inputs : "memory")
#define HALFSCOPE_PTX_ALONE(text) asm volatile(text ::: "memory")
#define HALFSCOPE_OUT(word) "=r"(word)
#define HALFSCOPE_IN(word) "r"(word)
#define HALFSCOPE_IN_WIDE(word) "l"(word)
#define HALFSCOPE_UPDATE(word) "+r"(word)
#define HALFSCOPE_UPDATE_FP32(value) "+f"(value)
#define HALFSCOPE_OUT_HALF(word) "=h"(word)
#define HALFSCOPE_IN_HALF(word) "h"(word)
#else
#define HALFSCOPE_PTX(text, outputs, inputs) ::simt::execute(text, {outputs, inputs})
#define HALFSCOPE_PTX_OF_MEMORY(text, outputs, inputs) ::simt::execute(text, {outputs, inputs})
#define HALFSCOPE_PTX_OF_INPUTS(text, inputs) ::simt::execute(text, {inputs})
#define HALFSCOPE_PTX_ALONE(text) ::simt::execute(text, {})
#define HALFSCOPE_OUT(word) ::simt::register_of(word)
#define HALFSCOPE_IN(word) ::simt::value_of(word)
#define HALFSCOPE_IN_WIDE(word) ::simt::value_of(word)
#define HALFSCOPE_UPDATE(word) ::simt::register_of(word)
#define HALFSCOPE_UPDATE_FP32(value) ::simt::register_of(value)
#define HALFSCOPE_OUT_HALF(word) ::simt::register_of(word)
#define HALFSCOPE_IN_HALF(word) ::simt::value_of(word)
#endif
