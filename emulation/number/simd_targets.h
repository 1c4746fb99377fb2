// Which SIMD levels hot code is compiled for. Include before any Highway header. SSSE3 machines without SSE4 are served
// by the portable level.
#pragma once

#define HWY_DISABLED_TARGETS HWY_SSSE3
