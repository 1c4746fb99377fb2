#include "emulation/data/dataset.h"
#include "emulation/data/idx.h"
#include "emulation/data/npz_dataset.h"
#include "emulation/data/synthetic.h"
#include "emulation/data/text.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

namespace halfscope::data {
namespace {

/// Debian's dataset packages install here.
const std::filesystem::path installed_datasets = "/usr/share/datasets";

} // namespace

std::unique_ptr<Dataset> open_dataset(const std::string &spec, const Demand &demand) {
    if (spec.empty() || spec == "synthetic") return make_synthetic(demand);
    const std::filesystem::path path = spec;
    std::error_code error;
    if ((spec == "fashion-mnist" || spec == "mnist") && !std::filesystem::exists(path, error)) {
        if (is_idx_directory(installed_datasets / spec)) return open_idx_directory(installed_datasets / spec, demand);
        if (spec == "fashion-mnist")
            throw std::runtime_error(fmt::format("the data set fashion-mnist is not installed ({} is missing): apt "
                                                 "install dataset-fashion-mnist, or give its directory with --data",
                                                 (installed_datasets / spec).string()));
        throw std::runtime_error(
            "the data set mnist is not installed: give the directory of its IDX files with --data");
    }
    if (!std::filesystem::exists(path, error))
        throw std::runtime_error(fmt::format("{}: no such file or directory, and not a named data set (fashion-mnist, "
                                             "mnist, synthetic)",
                                             spec));
    if (std::filesystem::is_directory(path, error)) {
        if (is_idx_directory(path)) return open_idx_directory(path, demand);
        throw std::runtime_error(fmt::format("{}: the directory holds no train-images-idx3-ubyte (or .gz); give a .npz "
                                             "or a text file by its own name",
                                             spec));
    }
    if (path.extension() == ".npz") return open_npz_dataset(path, demand);
    return open_text(path, demand);
}

} // namespace halfscope::data
