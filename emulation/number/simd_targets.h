// Which SIMD levels hot code is compiled for. Include before any Highway header. SSSE3 machines without SSE4 are served
// by the portable level. Instrumented builds take minutes a level, so they keep AVX2 and the portable one.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HALFSCOPE_INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HALFSCOPE_INSTRUMENTED 1
#endif
#endif

#ifdef HALFSCOPE_INSTRUMENTED
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3 | HWY_AVX3_DL)
#else
#define HWY_DISABLED_TARGETS HWY_SSSE3
#endif
