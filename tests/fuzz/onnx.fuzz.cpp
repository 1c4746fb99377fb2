// Any bytes are a model, or one sentence; never a crash.
#include "emulation/model/onnx/import.h"
#include "tests/fuzz/temporary_file.h"

#include <stdexcept>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    const halfscope::TemporaryFile file(bytes, size);
    try {
        (void)halfscope::model::import_onnx(file.path());
    } catch (const std::runtime_error &) {
    } catch (const std::invalid_argument &) {
    }
    return 0;
}
