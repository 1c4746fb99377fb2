#include "kernels/judge/judgement.h"

#include <array>

namespace halfscope::kernels::judge {

std::string_view name_of(Verdict verdict) {
    constexpr std::array<std::string_view, 5> names{"bit-equal", "different order", "extra rounding", "real bug",
                                                    "skipped"};
    return names[static_cast<std::size_t>(verdict)];
}

} // namespace halfscope::kernels::judge
