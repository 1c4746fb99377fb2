// .npz, IDX and text readers: the first byte chooses.
#include "emulation/data/dataset.h"
#include "emulation/data/idx.h"
#include "emulation/data/npz_dataset.h"
#include "emulation/data/text.h"
#include "tests/fuzz/temporary_file.h"

#include <span>
#include <stdexcept>

using namespace halfscope;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size == 0) return 0;
    data::Demand demand;
    demand.batch = 2;
    demand.task = data::Task::classification;
    demand.slots = {{"x", ops::DType::fp32, {2, 3}, false, 0}, {"target", ops::DType::int64, {2}, true, 10}};
    try {
        const TemporaryFile file(bytes + 1, size - 1);
        if (bytes[0] % 3 == 0)
            (void)data::open_npz_dataset(file.path(), demand);
        else if (bytes[0] % 3 == 1)
            (void)data::parse_idx(std::as_bytes(std::span(bytes + 1, size - 1)), "input");
        else
            (void)data::open_text(file.path(), demand);
    } catch (const std::runtime_error &) {
    } catch (const std::invalid_argument &) {
    }
    return 0;
}
