// Which SIMD levels the product engine is compiled for. Include before any Highway header. SSSE3 machines that lack
// SSE4 are served by the portable level.
#pragma once

#define HWY_DISABLED_TARGETS HWY_SSSE3
